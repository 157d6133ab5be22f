"""pydantic's validation errors in plain words: the field, the value, the limit, and what to do."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import FieldError, InvalidRequest

#: Wrong fields that one refusal names, and the longest pointer and detail of each, characters.
MAX_ERRORS, MAX_CHARS = 50, 400
#: Longest value shown in a message, characters.
_SHOWN = 60
#: The union of the train requests puts its tag in front of a location.
_TAGS = ("stream", "classic")
#: Parts of a location that are no fields: pydantic's word for a dictionary's key, and the tags of other unions.
_NO_PLACES = ("[key]", "[advised]", "[some]")

_WANTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number with fewer digits",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "a string",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def check(adapter: TypeAdapter[Any], value: Mapping[str, Any]) -> Any:
    """Validate a JSON object and return the typed request. Raises InvalidRequest with every wrong field."""
    try:
        return adapter.validate_python(value)
    except ValidationError as exc:
        raise refusal(exc) from exc


def check_strings(adapter: TypeAdapter[Any], value: Mapping[str, Any]) -> Any:
    """Validate the strings of a form or a query and return the typed request. Raises InvalidRequest."""
    try:
        return adapter.validate_python(value, strict=False)
    except ValidationError as exc:
        raise refusal(exc, flat=True) from exc


def refusal(exc: ValidationError, *, flat: bool = False) -> InvalidRequest:
    """Return pydantic's error as a refusal; `flat`: a list came as one string, so an index into it means nothing."""
    errors = exc.errors(include_url=False)
    return refused([_explain(error, flat=flat) for error in errors[:MAX_ERRORS]], count=len(errors))


def refused(errors: Sequence[FieldError], *, count: int | None = None) -> InvalidRequest:
    """Make one refusal of several wrong fields, `count` in all, of which it names at most `MAX_ERRORS`."""
    named = [_bounded(error) for error in errors[:MAX_ERRORS]]
    detail = " ".join(f"{error.detail.rstrip('.')}." for error in named)
    more = (len(errors) if count is None else count) - len(named)
    return InvalidRequest(f"{detail} And {more:,} more." if more else detail, named)


def _bounded(error: FieldError) -> FieldError:
    """Cut what repeats a name of any length."""
    return FieldError(pointer=_cut(error.pointer, MAX_CHARS), detail=_cut(error.detail, MAX_CHARS))


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[:chars]}…"


def _explain(error: ErrorDetails, *, flat: bool) -> FieldError:
    place = [part for part in error["loc"] if part not in _NO_PLACES]
    if place and place[0] in _TAGS:
        place = place[1:]
    if flat:
        place = [part for part in place if isinstance(part, str)]
    if error["type"] == "recipe":
        place = ["recipe"]
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)
    name = ".".join(str(part) for part in place) or "The body"
    return FieldError(pointer=pointer, detail=_words(name, error))


def _words(name: str, error: ErrorDetails) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return f"{name} is missing; it has no default"
    if kind == "extra_forbidden":
        return f"{name} is not a field of this request; leave it out"
    if value is None:
        return f"{name} is null; leave it out to get its default, or send a value"
    if kind == "recipe" and isinstance(value, dict):
        return f'recipe is {_show(value.get("recipe"))}, but must be "stream" or "classic"'
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        # A form and a query send numbers as strings.
        shown = _show(value).strip('"')
        return f"{name} is {shown}, but must be {words} {_number(context[limit])}"
    if kind in _WANTED:
        return f"{name} is {_show(value)}, but must be {_WANTED[kind]}"
    if kind in ("literal_error", "enum"):
        return f"{name} is {_show(value)}, but must be {context['expected']}"
    if kind == "string_too_short":
        return f"{name} is empty; send at least one character, or leave it out"
    if kind == "string_too_long":
        return f"{name} has {len(value):,} characters, but may have at most {context['max_length']:,}"
    if kind in ("too_short", "too_long"):
        words, limit = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        return f"{name} has {len(value)} items, but must have {words} {context[limit]}"
    if kind == "string_unicode":
        return f"{name} contains half a character (a lone surrogate); remove it"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name} {message[0].lower()}{message[1:]}"


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return _cut(text, _SHOWN)


def _number(limit: float) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)
