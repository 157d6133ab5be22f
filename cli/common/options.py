"""Options of a command made from the types of a request, so that names, limits, defaults and help stand once.

What is given is checked by those types too, before anything is sent; what isn't is left out of the request.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
import click
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from cli.common.exit_codes import Exit, Failure
from shared.requests.options import is_chosen

#: What tells the recipes apart, so that each has its own words.
_PER_RECIPE = ("recipe",)

Command = TypeVar("Command", bound=Callable[..., Any])


class Pair(click.ParamType[tuple[str, str]]):
    """A key and its value, joined by the first equals sign."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take them apart."""
        key, equals, rest = str(value).partition("=")
        if not equals:
            self.fail(f"{value!r} is no KEY=VALUE.", param, ctx)
        return key, rest


class _Json(click.ParamType[Any]):
    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value)
        except ValueError as exc:
            self.fail(f"it is no JSON: {exc}", param, ctx)


def request_options(
    *requests: type[BaseModel], leave_out: Sequence[str], help_of: type[BaseModel] | None = None
) -> Callable[[Command], Command]:
    """Make options of the fields of a request, or of the several recipes of one.

    Args:
        requests: the types; a field may be in one or in several of them.
        leave_out: fields that the command has a way of its own for.
        help_of: the type whose words hold for all of them, where it has the field.
    """
    fields: dict[str, dict[str, FieldInfo]] = {}
    for request in requests:
        for name, field in request.model_fields.items():
            if name not in leave_out:
                fields.setdefault(name, {})[request.__name__.removesuffix("Request").lower()] = field
    made = [_option(name, by_recipe, help_of) for name, by_recipe in fields.items()]

    def add(command: Command) -> Command:
        for option in reversed(made):
            command = option(command)
        return command

    return add


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as fields of a request."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            found[name] = dict(value) if isinstance(value[0], tuple) else list(value)
        else:
            found[name] = value
    return found


def check_request(adapter: TypeAdapter[Any], request: Mapping[str, Any]) -> None:
    """Raise Failure with every wrong option unless the request will do."""
    try:
        adapter.validate_python(request)
    except ValidationError as exc:
        raise Failure("\n  ".join(_describe_error(error) for error in exc.errors()), Exit.USAGE) from exc


def _describe_error(error: Any) -> str:
    names = [str(part) for part in error["loc"] if part not in ("stream", "classic", "[key]")]
    flag = f"--{names[0].replace('_', '-')}" if names else "The options"
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    value = json.dumps(error["input"], ensure_ascii=False, default=str)
    shown = f" is {value}, but" if message.startswith("must be") and len(value) < 60 else ":"
    return f"{flag}{shown} {message[0].lower()}{message[1:]}."


def _option(
    name: str, by_recipe: Mapping[str, FieldInfo], help_of: type[BaseModel] | None
) -> Callable[[Command], Command]:
    kinds = [_kind(field.annotation) for field in by_recipe.values()]
    kind = next((one for one in kinds if not _is_fixed(one)), kinds[0])
    dashed = name.replace("_", "-")
    words = _help(name, by_recipe, help_of)
    if kind is bool:
        return click.option(f"--{dashed}/--no-{dashed}", name, default=None, help=words)
    if get_origin(kind) is Literal:
        choices = list(dict.fromkeys(str(one) for each in kinds for one in get_args(each)))
        return click.option(f"--{dashed}", name, type=click.Choice(choices), help=words)
    if get_origin(kind) is list:
        return click.option(f"--{dashed}", name, multiple=True, metavar="TEXT", help=f"{words} May be given again.")
    if get_origin(kind) is dict:
        return click.option(f"--{dashed}", name, multiple=True, type=Pair(), help=f"{words} May be given again.")
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return click.option(f"--{dashed}", name, type=_Json(), help=words)
    return click.option(f"--{dashed}", name, type=kind if kind in (int, float) else str, help=words)


def _kind(annotation: Any) -> Any:
    """Take limits and None away from a type."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _kind(next(one for one in get_args(annotation) if one is not NoneType))
    return annotation


def _is_fixed(kind: Any) -> bool:
    """Return True if a recipe allows but one number, and so has no option."""
    return get_origin(kind) is Literal and not all(isinstance(one, str) for one in get_args(kind))


def _help(name: str, by_recipe: Mapping[str, FieldInfo], help_of: type[BaseModel] | None) -> str:
    fields = list(by_recipe.values())
    shared = None if help_of is None else help_of.model_fields.get(name)
    free = next((field for field in fields if not _is_fixed(_kind(field.annotation))), fields[0])
    said = (shared or fields[0]).description or ""
    if name in _PER_RECIPE:
        said = " ".join(f"{recipe}: {field.description}" for recipe, field in by_recipe.items())
    more = [part for part in (_default(by_recipe), _limits(free)) if part]
    return f"{said} [{'; '.join(more)}]" if more else said


def _default(by_recipe: Mapping[str, FieldInfo]) -> str:
    told = {
        recipe: "by the text" if is_chosen(field) else _format_value(field.default)
        for recipe, field in by_recipe.items()
        if not field.is_required() and field.default is not None and field.default_factory is None
    }
    if len(set(told.values())) == 1:
        return f"default {next(iter(told.values()))}"
    return ", ".join(f"{recipe} {value}" for recipe, value in told.items())


def _limits(field: FieldInfo) -> str:
    low, high = "", ""
    for limit in _metadata(field):
        match limit:
            case annotated_types.Ge(ge):
                low = _format_value(ge)
            case annotated_types.Gt(gt):
                low = f"above {_format_value(gt)}"
            case annotated_types.Le(le):
                high = _format_value(le)
            case annotated_types.Lt(lt):
                high = f"below {_format_value(lt)}"
    return f"{low} to {high}" if low and high else f"{low} and more" if low else ""


def _metadata(field: FieldInfo) -> Sequence[Any]:
    inner = next((one for one in get_args(field.annotation) if get_origin(one) is Annotated), field.annotation)
    own = get_args(inner)[1:] if get_origin(inner) is Annotated else ()
    return [*field.metadata, *(limit for part in own for limit in getattr(part, "metadata", [part]))]


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return "2**63-1" if value == 2**63 - 1 else f"{value:,}" if value >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
