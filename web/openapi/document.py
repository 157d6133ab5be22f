"""The OpenAPI 3.1 document, made from the table of calls and their types. Knows no handler and no Flask."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from shared.requests.fields import Request
from web.http.endpoints import Endpoint
from web.http.schemas import Problem, WebhookMessage
from web.openapi.operations import Schemas, operation_of, template_of, webhooks
from web.openapi.words import Schema

#: Name of the document in `app.extensions`.
JSON_DOCUMENT = "charloom.openapi"

_REF = "#/components/schemas/{model}"
_TAGS = {
    "corpora": "Texts to train on.",
    "submissions": "Requests that take a while: each creates a job.",
    "jobs": "The state of jobs.",
    "events": "What happens to a job, as it happens.",
    "items": "Lists that generate jobs have written.",
    "models": "Trained and imported models.",
    "usage": "What callers store and may store.",
    "workers": "The processes that run jobs.",
    "health": "Probes for those who operate the service.",
}
_INFO = {
    "title": "Charloom",
    "version": "1",
    "description": "Train character-level LSTMs on a text and generate text with them, as jobs on a queue. Times are "
    "RFC 3339 in UTC; ids are opaque and sort by time; losses are mean nats per character. Unknown fields and values "
    "out of range are refused, and every error is a problem document (RFC 9457).",
    "contact": {"name": "The operator of this service"},
    "license": {"name": "MIT", "identifier": "MIT"},
}
_SECURITY_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "One of CHARLOOM_API_KEYS. If none are set, no key is needed.",
    }
}


@dataclass(frozen=True, kw_only=True)
class Document:
    """The document as data, as JSON, and as its page for people needs it."""

    data: Mapping[str, Any]
    json: str
    etag: str

    @classmethod
    def of(cls, calls: Sequence[Endpoint], *, locked: bool = True) -> "Document":
        """Make the document of these calls; `locked`: each needs a key."""
        schemas, definitions = _schemas(calls)
        paths: dict[str, dict[str, Any]] = {}
        for call in calls:
            paths.setdefault(template_of(call.path), {})[call.method.lower()] = operation_of(call, schemas, calls)
        data = {
            "openapi": "3.1.0",
            "info": _INFO,
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": _TAGS[name]} for name in dict.fromkeys(call.tag for call in calls)],
            "paths": paths,
            "webhooks": webhooks(schemas),
            "components": {"schemas": definitions, "securitySchemes": _SECURITY_SCHEMES},
            "security": [*([] if locked else [{}]), *({name: []} for name in _SECURITY_SCHEMES)],
        }
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        text = re.sub(r"\bPage_(\w+)_\"", r'\1Page"', text)  # pydantic's name of Page[Job] is Page_Job_
        return cls(data=json.loads(text), json=text, etag=hashlib.sha256(text.encode()).hexdigest())

    def operations(self, tag: str) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """Yield method, path and operation of each call of a tag."""
        for path, methods in self.data["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield method.upper(), path, operation


def _schemas(calls: Sequence[Endpoint]) -> tuple[Schemas, Mapping[str, Schema]]:
    """Return the schema of each type in use, by the type, and the definitions that they refer to."""
    views = {Problem, WebhookMessage}.union(
        *(answer.content.values() for call in calls for answer in call.responses.values())
    )
    adapters = {view: (view, "serialization", TypeAdapter(view)) for view in sorted(views, key=repr)}
    for call in calls:
        if call.body is not None:
            adapters[id(call.body)] = (id(call.body), "validation", call.body)
        adapters[call.query] = (call.query, "validation", TypeAdapter(call.query))
    found, rest = TypeAdapter.json_schemas(adapters.values(), ref_template=_REF)  # type: ignore[arg-type]
    definitions = rest["$defs"]
    queries = {call.query: definitions[call.query.__name__] for call in calls}
    for kind in _below(Request):
        _put_defaults_into_words(definitions.get(kind.__name__, {}))
    _drop_titles([definitions, *found.values()])
    schemas = {key: _with_discriminator(schema, definitions) for (key, _), schema in found.items()} | queries
    # The fields of a query are parameters; it has no schema of its own.
    return schemas, {name: schema for name, schema in definitions.items() if not name.endswith("Query")}


def _below(kind: type[Request]) -> set[type[Request]]:
    return {kind}.union(*(_below(below) for below in kind.__subclasses__()))


def _drop_titles(schema: Any) -> None:
    """Remove pydantic's titles, which repeat the names."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        schema = list(schema.values())
    for part in schema if isinstance(schema, list) else ():
        _drop_titles(part)


def _put_defaults_into_words(schema: dict[str, Any]) -> None:
    """Move the defaults of a request's fields into their descriptions.

    Generators of clients send what a schema has as default, or demand that it is sent: openapi-python-client the one,
    openapi-typescript the other. Sent, a value is no longer fitted to the text, nor taken from `init_from`'s model.
    """
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if default not in (None, {}):
            field["description"] = f"{field.get('description', '')} Default: {json.dumps(default)}.".strip()


def _with_discriminator(schema: Schema, definitions: Mapping[str, Any]) -> Schema:
    """Name the property that distinguishes the alternatives of a union: it has a `const` in each."""
    if set(schema) != {"oneOf"}:
        return schema
    names = [one["$ref"].rpartition("/")[2] for one in schema["oneOf"]]
    fields = [definitions[name]["properties"] for name in names]
    name = next(name for name in fields[0] if all("const" in one.get(name, {}) for one in fields))
    mapping = {one[name]["const"]: ref["$ref"] for one, ref in zip(fields, schema["oneOf"], strict=True)}
    return {**schema, "discriminator": {"propertyName": name, "mapping": mapping}}
