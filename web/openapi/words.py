"""Schemas in words, for people: "whole number, 1 to 4,096"."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.requests.fields import MAX_SEED

Schema = Mapping[str, Any]


def words_of(schema: Schema) -> str:
    """Return a schema in a few words: "whole number, 1 to 4,096"."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(words_of(one) for one in schema[several]))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    kind: str = {"integer": "whole number", "array": "list"}.get(
        schema.get("type", ""), str(schema.get("type", "anything"))
    )
    if kind == "list":
        kind = f"list of {words_of(schema.get('items', {}))}"
    return ", ".join([kind, *limits_of(schema)])


def limits_of(schema: Schema) -> Iterable[str]:
    """Yield the limits of a schema: "1 to 4,096"; "more than 0, at most 1"."""
    for unit, lower, upper in (
        ("", "minimum", "maximum"),
        (" characters", "minLength", "maxLength"),
        (" items", "minItems", "maxItems"),
        (" pairs", "minProperties", "maxProperties"),
    ):
        low, high = schema.get(lower), schema.get(upper)
        if low is not None and high is not None:
            yield f"{_format(low)} to {_format(high)}{unit}"
        elif low is not None and "exclusiveMaximum" in schema:
            yield f"from {_format(low)}, less than {_format(schema['exclusiveMaximum'])}"
        elif high is not None and "exclusiveMinimum" in schema:
            yield f"more than {_format(schema['exclusiveMinimum'])}, at most {_format(high)}"
        elif low is not None:
            yield f"{_format(low)}{unit} or more"
        elif high is not None:
            yield f"at most {_format(high)}{unit}"


def _format(limit: float) -> str:
    if limit == MAX_SEED:
        return "2⁶³ − 1"  # nobody counts its nineteen digits, and narrow columns break them
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:,g}"
