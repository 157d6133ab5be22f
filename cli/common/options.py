"""Makes a command's options from the types of a request: one place has their names, limits, defaults and help.

The types also check the given options before anything is sent. Options that aren't given are left out of the request.
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
from shared.requests.options import ItemsOption, is_chosen

#: Fields whose help differs between the recipes.
_PER_RECIPE = ("recipe", "init_from")

Command = TypeVar("Command", bound=Callable[..., Any])


class Pair(click.ParamType[tuple[str, str]]):
    """A key and a value, joined by an equals sign."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split at the first equals sign."""
        key, equals, rest = str(value).partition("=")
        if not equals:
            self.fail(f"{value!r} isn't KEY=VALUE.", param, ctx)
        return key, rest


class _Json(click.ParamType[Any]):
    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as exc:
            self.fail(f"it isn't JSON: {exc}", param, ctx)


class _Items(click.ParamType[Any]):
    name = "SEPARATOR"

    def convert(self, value: Any, _: click.Parameter | None, __: click.Context | None) -> Any:
        # None means that an option isn't given, so an empty object is the null of "none".
        return {} if value == "none" else {"separator": str(value).replace(r"\n", "\n").replace(r"\t", "\t")}


class _Start(click.ParamType[Any]):
    name = "MODEL"

    def convert(self, value: Any, _: click.Parameter | None, __: click.Context | None) -> Any:
        return {} if value == "random" else str(value)  # an empty object is the null of "random", as above


def request_options(
    *requests: type[BaseModel], leave_out: Sequence[str], help_of: type[BaseModel] | None = None
) -> Callable[[Command], Command]:
    """Make a decorator that adds an option for each field of a request.

    Args:
        requests: the request's type, or one type for each recipe; a field may be in some of them only.
        leave_out: fields that the command has an argument for.
        help_of: the type whose descriptions are the help, where it has the field.
    """
    fields: dict[str, dict[str, FieldInfo]] = {}
    for request in requests:
        for name, field in request.model_fields.items():
            if name not in leave_out:
                fields.setdefault(name, {})[request.__name__.removesuffix("Request").lower()] = field
    options = [_option(name, fields[name], help_of) for name in sorted(fields, key=lambda name: name != "recipe")]

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as fields of a request."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or value == ():
            continue
        if value == {}:
            found[name] = None
        elif isinstance(value, tuple):
            found[name] = dict(value) if isinstance(value[0], tuple) else list(value)
        else:
            found[name] = value
    return found


def check_request(adapter: TypeAdapter[Any], request: Mapping[str, Any]) -> None:
    """Raise Failure that names every invalid option."""
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
    types = [_plain_type(field.annotation) for field in by_recipe.values()]
    kind = next((one for one in types if not _is_constant(one)), types[0])
    flag = f"--{name.replace('_', '-')}"
    words = _help(name, by_recipe, help_of)
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=words)
    if get_origin(kind) is Literal:
        choices = list(dict.fromkeys(str(one) for each in types for one in get_args(each)))
        return click.option(flag, name, type=click.Choice(choices), help=words)
    if get_origin(kind) in (list, dict):
        pairs = get_origin(kind) is dict
        return click.option(flag, name, multiple=True, type=Pair() if pairs else str, help=f"{words} Repeatable.")
    if name == "init_from":
        return click.option(flag, name, type=_Start(), help=words.replace("null:", "random:"))
    if kind is ItemsOption:
        separators = r"A separator such as '\n' (one item per line) or '\n%\n', or none: not a list."
        return click.option(flag, name, type=_Items(), help=words.partition(" null:")[0] + f" {separators}")
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return click.option(flag, name, type=_Json(), help=f"{words} An object with {', '.join(kind.model_fields)}.")
    return click.option(flag, name, type=kind if kind in (int, float) else str, help=words)


def _plain_type(annotation: Any) -> Any:
    """Return a type without its limits and without None."""
    if get_origin(annotation) is Annotated:
        return _plain_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _plain_type(next(one for one in get_args(annotation) if one is not NoneType))
    return annotation


def _is_constant(kind: Any) -> bool:
    """Return True if a recipe allows only one number, so that it needs no option."""
    return get_origin(kind) is Literal and not all(isinstance(one, str) for one in get_args(kind))


def _help(name: str, by_recipe: Mapping[str, FieldInfo], help_of: type[BaseModel] | None) -> str:
    fields = list(by_recipe.values())
    shared = None if help_of is None else help_of.model_fields.get(name)
    variable = next((field for field in fields if not _is_constant(_plain_type(field.annotation))), fields[0])
    description = (shared or fields[0]).description or ""
    if name in _PER_RECIPE:
        description = " ".join(f"{recipe}: {field.description}" for recipe, field in by_recipe.items())
    notes = [part for part in (_default(by_recipe), _limits(variable)) if part]
    return f"{description} [{'; '.join(notes)}]" if notes else description


def _default(by_recipe: Mapping[str, FieldInfo]) -> str:
    defaults = {
        recipe: "chosen by the text" if is_chosen(field) else _format_value(field.default)
        for recipe, field in by_recipe.items()
        if not field.is_required() and field.default_factory is None and (is_chosen(field) or field.default is not None)
    }
    if len(set(defaults.values())) == 1:
        return f"default: {next(iter(defaults.values()))}"
    return "default: " * bool(defaults) + ", ".join(f"{value} for {recipe}" for recipe, value in defaults.items())


def _limits(field: FieldInfo) -> str:
    low, high = "", ""
    for limit in _constraints(field):
        match limit:
            case annotated_types.Ge(ge):
                low = _format_value(ge)
            case annotated_types.Gt(gt):
                low = f"above {_format_value(gt)}"
            case annotated_types.Le(le):
                high = _format_value(le)
            case annotated_types.Lt(lt):
                high = f"below {_format_value(lt)}"
    return f"{low} to {high}" if low and high else f"{low} or more" if low else ""


def _constraints(field: FieldInfo) -> Sequence[Any]:
    inner = next((one for one in get_args(field.annotation) if get_origin(one) is Annotated), field.annotation)
    own = get_args(inner)[1:] if get_origin(inner) is Annotated else ()
    return [*field.metadata, *(limit for part in own for limit in getattr(part, "metadata", [part]))]


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return "2**63-1" if value == 2**63 - 1 else f"{value:,}" if value >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
