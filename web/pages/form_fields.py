"""Form fields made of a request type: names, limits, defaults and help are the type's, so the form can't disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from shared.errors import InvalidRequest
from shared.requests.options import is_chosen, is_default
from web.openapi.document import limits_of, words_of

_LABELS = {
    "seq_length": "Sequence length",
    "hidden_size": "Hidden size",
    "embedding_size": "Embedding size",
    "batch_size": "Batch size",
    "max_seconds": "Time limit, seconds",
    "learning_rate": "Learning rate",
    "grad_clip": "Gradient clipping",
    "validation_fraction": "Validation fraction",
    "sample_chars": "Sample length",
    "checkpoint_seconds": "Seconds between saves",
    "init_from": "Start from a model",
    "lowercase": "Lower case",
    "top_k": "Top k",
    "top_p": "Top p",
    "n": "Variants",
    "unknown_chars": "Unknown characters",
}
#: What an omitted option becomes if its value depends on the text.
CHOSEN = "chosen by the text"
#: What a yes-or-no option is called: (true, false).
_YES, _NO = "yes", "no"
#: What words of a request are called where they can be picked.
_CHOICES = {"error": "refuse the prompt", "drop": "leave them out", "auto": "the fastest that is safe"}


def label_of(name: str) -> str:
    """Return what people call an option."""
    return _LABELS.get(name, name.replace("_", " ").capitalize())


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a form."""

    name: str
    label: str
    help: str
    #: "number", "text" or "select".
    kind: str
    #: What holds when it is left empty, in words; "" where nothing does.
    default: str
    #: Values that can be picked, with what they are called.
    choices: Sequence[tuple[str, str]] = ()
    #: What a number may be, in words; "" where anything goes.
    limits: str = ""
    step: str = "any"

    @property
    def hint(self) -> str:
        """The help, the limits and the default in one line; what can be picked shows its default itself."""
        limits = f" {self.limits[0].upper()}{self.limits[1:]}." if self.limits else ""
        return f"{self.help}{limits}" + (f" Left empty: {self.default}." if self.default and not self.choices else "")


@cache
def fields_of(model: type[BaseModel]) -> Mapping[str, FormField]:
    """Return the fields of a request type by name; what has only one allowed value is left out."""
    schema = model.model_json_schema()
    found = {}
    for name, told in schema["properties"].items():
        given = next((one for one in told.get("anyOf", ()) if one.get("type") != "null"), told)
        if "const" not in given:
            said = CHOSEN if is_chosen(model.model_fields[name]) else ""
            found[name] = _field(name, told, given, said)
    return found


def values_of(params: Mapping[str, Any], model: type[BaseModel]) -> dict[str, str]:
    """Return what to type into a form to ask for this again: only what differs from the defaults."""
    typed = {}
    for name, field in model.model_fields.items():
        value = params.get(name)
        if value is None or is_default(field, value) or isinstance(value, dict):
            continue
        typed[name] = "\n".join(value) if isinstance(value, list) else _spell(value)
    return typed


def errors_by_field(exc: InvalidRequest) -> dict[str, str]:
    """Return what is wrong by the field's name; "" holds what belongs to none."""
    found: dict[str, str] = {}
    for error in exc.errors:
        found.setdefault(error.pointer.split("/")[1] if "/" in error.pointer else "", error.detail)
    return found or {"": exc.detail}


def _field(name: str, told: Mapping[str, Any], given: Mapping[str, Any], said: str) -> FormField:
    default = told.get("default")
    said = said if default is None or isinstance(default, dict) else _spell(default)
    choices: list[tuple[str, str]] = []
    if given.get("type") == "boolean":
        said = _YES if default else _NO
        choices = [("true", _YES), ("false", _NO)]
    elif "enum" in given:
        choices = [(value, _CHOICES.get(value, value)) for value in given["enum"]]
        said = _CHOICES.get(said, said)
    is_number = given.get("type") in ("integer", "number")
    return FormField(
        name=name,
        label=label_of(name),
        help=told.get("description", words_of(given)),
        kind="select" if choices else "number" if is_number else "text",
        default=said,
        choices=choices,
        limits=", ".join(limits_of(given)) if is_number else "",
        step="1" if given.get("type") == "integer" else "any",
    )


def _spell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
