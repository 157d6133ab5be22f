"""Form fields derived from a request type, so that names, limits, defaults and help are in one place."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from shared.errors import InvalidRequest
from shared.requests.options import AUTO, ItemsOption, is_chosen, is_default
from web.openapi.words import limits_of, words_of

_LABELS = {
    "seq_length": "Sequence length",
    "hidden_size": "Hidden size",
    "embedding_size": "Embedding size",
    "batch_size": "Batch size",
    "max_seconds": "Time limit, seconds",
    "learning_rate": "Learning rate",
    "grad_clip": "Gradient clipping",
    "dropout_epochs": "Rise of dropout",
    "seq_length_warmup": "Sequence length warm-up",
    "output_learning_rate_factor": "Output layer’s rate",
    "validation_fraction": "Validation fraction",
    "validation": "Validation part",
    "sample_chars": "Sample length",
    "checkpoint_seconds": "Seconds between saves",
    "items": "List",
    "init_from": "Start from",
    "lowercase": "Lower case",
    "count": "Number of items",
    "unique": "Each item once",
    "new": "Only new items",
    "min_chars": "Shortest item",
    "max_chars": "Longest item",
    "top_k": "Top k",
    "top_p": "Top p",
    "max_run": "Longest run",
    "n": "Variants",
    "unknown_chars": "Unknown characters",
}
#: What `init_from` is in a form where the API has null.
RANDOM = "random"
#: What an omitted option becomes if its value depends on the text.
CHOSEN = "chosen by the text"
#: Labels of a Boolean option: (true, false).
_YES, _NO = "yes", "no"
#: Values of `items` as a form sends them, JSON, with their labels.
ITEMS = {
    "null": "not a list",
    json.dumps({"separator": "\n"}): "one item per line",
    json.dumps({"separator": "\n\n"}): "blank lines between items",
    json.dumps({"separator": "\n%\n"}): "lines with % between items",
}
#: Labels of values that can be chosen.
_CHOICES = {
    "error": "refuse the prompt",
    "drop": "drop them",
    "auto": "the fastest that is safe",
    "tail": "the text's end",
    "spread": "slices all over the text",
}


def label_of(name: str) -> str:
    """Return the label of an option."""
    return _LABELS.get(name, name.replace("_", " ").capitalize())


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a form."""

    name: str
    label: str
    help: str
    #: "number", "text" or "select".
    kind: str
    #: The value if it is left empty, in words; "" if there is none.
    default: str
    #: Values that can be chosen, with their labels.
    choices: Sequence[tuple[str, str]] = ()
    #: Limits of a number, in words; "" if there are none.
    limits: str = ""
    step: str = "any"

    @property
    def hint(self) -> str:
        """The help, the limits and the default in one line; a list of choices shows its default itself."""
        limits = f" {self.limits[0].upper()}{self.limits[1:]}." if self.limits else ""
        return f"{self.help}{limits}" + (f" Default: {self.default}." if self.default and not self.choices else "")


@cache
def fields_of(model: type[BaseModel]) -> Mapping[str, FormField]:
    """Return the fields of a request type by name, without those that allow only one value."""
    found = {}
    for name, schema in model.model_json_schema()["properties"].items():
        given = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
        if "const" not in given:
            said = CHOSEN if is_chosen(model.model_fields[name]) else ""
            found[name] = _field(name, schema, given, said)
    return found


def values_of(params: Mapping[str, Any], model: type[BaseModel]) -> dict[str, str]:
    """Return the form values that request the same again: those that differ from the defaults."""
    typed = {}
    for name, field in model.model_fields.items():
        value = params.get(name)
        if field.annotation == ItemsOption | None and name in params:
            typed[name] = json.dumps(value)
        if name == "init_from" and name in params and value is None and field.default == AUTO:
            typed[name] = RANDOM
        if value is None or is_default(field, value) or isinstance(value, dict):
            continue
        typed[name] = "\n".join(value) if isinstance(value, list) else _format(value)
    return typed


def errors_by_field(exc: InvalidRequest) -> dict[str, str]:
    """Return errors by the field's name; "" has those of no field."""
    found: dict[str, str] = {}
    for error in exc.errors:
        found.setdefault(error.pointer.split("/")[1] if "/" in error.pointer else "", error.detail)
    return found or {"": exc.detail}


def _field(name: str, schema: Mapping[str, Any], given: Mapping[str, Any], said: str) -> FormField:
    default = schema.get("default")
    said = said if default is None or isinstance(default, dict) else _format(default)
    choices: list[tuple[str, str]] = []
    if given.get("type") == "boolean":
        said = _YES if default else _NO
        choices = [("true", _YES), ("false", _NO)]
    elif "enum" in given:
        choices = [(value, _CHOICES.get(value, value)) for value in given["enum"]]
        said = _CHOICES.get(said, said)
    elif str(given.get("$ref", "")).endswith("/ItemsOption"):
        choices = list(ITEMS.items())
    is_number = given.get("type") in ("integer", "number")
    return FormField(
        name=name,
        label=label_of(name),
        help=schema.get("description", words_of(given)),
        kind="select" if choices else "number" if is_number else "text",
        default=said,
        choices=choices,
        limits=", ".join(limits_of(given)) if is_number else "",
        step="1" if given.get("type") == "integer" else "any",
    )


def _format(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
