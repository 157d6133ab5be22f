"""The OpenAPI 3.1 document, made from the table of calls and their types. Knows no handler and no Flask."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from web.http.endpoints import Endpoint, ResponseSpec
from web.http.schemas import Problem
from web.openapi.error_cases import Case, cases_of
from web.openapi.examples import of_answer

#: Name of the document in `app.extensions`.
JSON_DOCUMENT = "charloom.openapi"

Schema = Mapping[str, Any]

_REF = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"
#: They say when to come again.
_RETRIED = (429, 503)
#: What the values of request headers may be, beside strings.
_HEADER_FORMS: Mapping[str, Mapping[str, str]] = {
    "Idempotency-Key": {"pattern": "^[!-~]{1,255}$"},
    "Last-Event-ID": {"pattern": "^[0-9]{1,19}-[0-9]{1,19}$"},
}
_TAGS = {
    "corpora": "Texts to learn from.",
    "orders": "What takes a while: each call makes a job.",
    "jobs": "How jobs stand.",
    "events": "What happens to a job, as it happens.",
    "models": "What was learned.",
    "workers": "Who does the work.",
    "health": "For those who run it.",
}
_SECURITY_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "One of CHARLOOM_API_KEYS. Where none are set, nothing need be shown.",
    }
}
_DESCRIPTION = (
    "Train character-level LSTMs on a text and let them write, as jobs on a queue. Times are RFC 3339 in UTC; ids are "
    "opaque and sort by time; losses are mean nats per character. Unknown fields are refused, values out of range are "
    "refused and never clamped, and every error is a problem document (RFC 9457)."
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """The document as data, as JSON, and as what its page for people needs."""

    data: Mapping[str, Any]
    json: str

    @classmethod
    def of(cls, calls: Sequence[Endpoint], *, locked: bool = True) -> "Document":
        """Make the document of these calls; `locked`: each wants a key."""
        named, definitions = _schemas(calls)
        paths: dict[str, dict[str, Any]] = {}
        for call in calls:
            paths.setdefault(_template(call.path), {})[call.method.lower()] = _operation(call, named)
        data = {
            "openapi": "3.1.0",
            "info": {"title": "Charloom", "version": "1", "description": _DESCRIPTION},
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": _TAGS[name]} for name in dict.fromkeys(call.tag for call in calls)],
            "paths": paths,
            "components": {"schemas": definitions, "securitySchemes": _SECURITY_SCHEMES},
            "security": [*([] if locked else [{}]), *({name: []} for name in _SECURITY_SCHEMES)],
        }
        spelled = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        spelled = re.sub(r"\bPage_(\w+)_\"", r'\1Page"', spelled)  # pydantic's name of Page[Job] is Page_Job_
        return cls(data=json.loads(spelled), json=spelled)

    def operations(self, tag: str) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """Yield method, path and operation of each call of a tag."""
        for path, methods in self.data["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield method.upper(), path, operation


def words_of(schema: Schema) -> str:
    """Say a schema in a few words, for people: "whole number, 1 to 4096"."""
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
    """Yield the limits of a schema, for people: "1 to 4,096"; "more than 0, at most 1"."""
    for unit, lower, upper in (
        ("", "minimum", "maximum"),
        (" characters", "minLength", "maxLength"),
        (" items", "minItems", "maxItems"),
        (" pairs", "minProperties", "maxProperties"),
    ):
        low, high = schema.get(lower), schema.get(upper)
        if low is not None and high is not None:
            yield f"{_spell(low)} to {_spell(high)}{unit}"
        elif low is not None and "exclusiveMaximum" in schema:
            yield f"from {_spell(low)}, less than {_spell(schema['exclusiveMaximum'])}"
        elif high is not None and "exclusiveMinimum" in schema:
            yield f"more than {_spell(schema['exclusiveMinimum'])}, at most {_spell(high)}"
        elif low is not None:
            yield f"{_spell(low)}{unit} or more"
        elif high is not None:
            yield f"at most {_spell(high)}{unit}"


def _spell(limit: float) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:,g}"


def _template(path: str) -> str:
    return re.sub(r"<(\w+)>", r"{\1}", path)


def _schemas(calls: Sequence[Endpoint]) -> tuple[Mapping[Any, Schema], Mapping[str, Schema]]:
    """Return the schema of each type in use, by the type, and the definitions that they refer to."""
    adapters: dict[Any, tuple[Any, str, TypeAdapter[Any]]] = {
        Problem: (Problem, "serialization", TypeAdapter(Problem)),
    }
    for call in calls:
        if call.body is not None:
            adapters[id(call.body)] = (id(call.body), "validation", call.body)
        adapters[call.query] = (call.query, "validation", TypeAdapter(call.query))
        for answer in call.answers.values():
            for view in answer.content.values():
                adapters[view] = (view, "serialization", TypeAdapter(view))
    schemas, rest = TypeAdapter.json_schemas(adapters.values(), ref_template=_REF)  # type: ignore[arg-type]
    # A query is told by its fields, as parameters; no schema of its own is left.
    definitions = {name: found for name, found in rest["$defs"].items() if not name.endswith("Query")}
    queries = {
        call.query: next(found for name, found in rest["$defs"].items() if name == call.query.__name__)
        for call in calls
    }
    return {key: schema for (key, _), schema in schemas.items()} | queries, definitions


def _operation(call: Endpoint, named: Mapping[Any, Schema]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": call.name,
        "tags": [call.tag],
        "summary": call.summary,
        "parameters": list(_parameters(call, named)),
        "responses": {str(status): _answer(answer, named) for status, answer in sorted(call.answers.items())},
    }
    if call.description:
        operation["description"] = call.description
    if call.body is not None:
        examples = {name: {"value": value} for name, value in call.examples.items()}
        content = {"schema": named[id(call.body)], "examples": examples}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if call.raw_body:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": dict(schema)} for kind, schema in call.raw_body.items()},
        }
    for status, cases in cases_of(call).items():
        operation["responses"][str(status)] = _problem(status, cases, named)
    return operation


def _problem(status: int, cases: Sequence[Case], named: Mapping[Any, Schema]) -> dict[str, Any]:
    examples = {case.code: {"summary": case.when, "value": case.example(HTTPStatus(status).phrase)} for case in cases}
    told: dict[str, Any] = {
        "description": " ".join(case.when for case in cases),
        "content": {_PROBLEM: {"schema": named[Problem], "examples": examples}},
    }
    if status in _RETRIED:
        told["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
    return told


def _parameters(call: Endpoint, named: Mapping[Any, Schema]) -> Iterable[Schema]:
    for name in re.findall(r"<(\w+)>", call.path):
        kind = {"corpus_id": "cor", "job_id": "job", "model_id": "mod"}[name]
        form = {"type": "string", "pattern": f"^{kind}_[0-9a-hjkmnp-tv-z]{{26}}$"}
        yield {"name": name, "in": "path", "required": True, "schema": form}
    for name, field in named[call.query].get("properties", {}).items():
        schema = _of_given(field)
        parameter: dict[str, Any] = {
            "name": name,
            "in": "query",
            "description": field.get("description", ""),
            "schema": schema,
        }
        yield parameter | ({"style": "form", "explode": False} if schema.get("type") == "array" else {})
    for name, description in call.headers.items():
        if name != "Accept":  # OpenAPI has it under the answers
            schema = {"type": "string", **_HEADER_FORMS.get(name, {})}
            yield {"name": name, "in": "header", "description": description, "schema": schema}


def _of_given(field: Schema) -> Schema:
    """Return the schema of a query's field when it is there: its description apart, and never null."""
    given = next((one for one in field.get("anyOf", ()) if one.get("type") != "null"), field)
    left_out = field.get("default")
    schema = {key: value for key, value in given.items() if key not in ("title", "description", "default")}
    return schema if left_out in (None, []) else schema | {"default": left_out}


def _answer(answer: ResponseSpec, named: Mapping[Any, Schema]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.description}
    if answer.content:
        told["content"] = {
            kind: {"schema": named[view]} | ({"example": found} if (found := of_answer(kind, view)) else {})
            for kind, view in answer.content.items()
        }
    if answer.headers:
        told["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    return told
