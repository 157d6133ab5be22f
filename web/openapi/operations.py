"""A call as an operation of the OpenAPI document: parameters, body, responses and links; and the webhooks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

from shared.errors import CharloomError
from web.http.endpoints import Endpoint, ResponseSpec
from web.http.schemas import Corpus, Job, Model, Problem, WebhookMessage
from web.openapi.error_cases import errors_of
from web.openapi.examples import MESSAGE, of_error, of_response
from web.openapi.words import Schema

#: A type, or the id of a body's -> its schema.
Schemas: TypeAlias = Mapping[Any, Schema]

_PROBLEM = "application/problem+json"
#: Their responses say when to come again.
_RETRIED = (429, 503)
_ID_KINDS = {"corpus_id": "cor", "job_id": "job", "model_id": "mod"}
#: A response with one of these links to the calls that take its id.
_LINKED = {Corpus: "corpus_id", Job: "job_id", Model: "model_id"}
#: Forms of request headers that not any string has.
_HEADER_FORMS: Mapping[str, Schema] = {
    "Idempotency-Key": {"pattern": '^([!#-~][!-~]{0,254}|"([ !#-\\[\\]-~]|\\\\["\\\\]){1,255}")$'},
    "Last-Event-ID": {"pattern": "^[0-9]{1,19}-[0-9]{1,19}$"},
}
#: Of a webhook's message, by Standard Webhooks.
_MESSAGE_HEADERS = {
    "webhook-id": "The message's id, the same in each attempt to deliver it.",
    "webhook-timestamp": "When it was sent, in seconds since 1970.",
    "webhook-signature": "v1 and the HMAC-SHA256 of id, timestamp and body, in base64.",
}


def operation_of(call: Endpoint, schemas: Schemas, calls: Sequence[Endpoint]) -> Schema:
    """Return the operation of a call; `calls` are those that it may link to."""
    operation: dict[str, Any] = {
        "operationId": call.name,
        "tags": [call.tag],
        "summary": call.summary,
        "description": call.description,
        "parameters": list(_parameters(call, schemas)),
        "responses": {str(status): _response(answer, schemas) for status, answer in sorted(call.responses.items())},
    }
    if call.body is not None:
        examples = {name: {"value": value} for name, value in call.examples.items()}
        content = {"schema": schemas[id(call.body)], "examples": examples}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if call.raw_body:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": dict(schema)} for kind, schema in call.raw_body.items()},
        }
    for status, answer in call.responses.items():
        if links := _links(answer, call, calls):
            operation["responses"][str(status)]["links"] = links
    for status, errors in errors_of(call).items():
        operation["responses"][str(status)] = _problem(status, errors, schemas)
    return operation


def template_of(path: str) -> str:
    """Return a path of Flask's as OpenAPI writes it."""
    return re.sub(r"<(\w+)>", r"{\1}", path)


def webhooks(schemas: Schemas) -> Schema:
    """Return the messages that the service sends."""
    parameters = [
        {"name": name, "in": "header", "required": True, "description": description, "schema": {"type": "string"}}
        for name, description in _MESSAGE_HEADERS.items()
    ]
    body = {"schema": schemas[WebhookMessage], "example": MESSAGE}
    return {
        event: {
            "post": {
                "operationId": f"on_{event.replace('.', '_')}",
                "summary": f"{'A job has started' if event.endswith('running') else 'A job has ended'}: {event}.",
                "description": "Sent to a job's webhook, at least once, signed as Standard Webhooks specifies.",
                "parameters": parameters,
                "requestBody": {"required": True, "content": {"application/json": body}},
                "responses": {
                    "2XX": {"description": "Received."},
                    "410": {"description": "The receiver is gone: nothing more is sent."},
                },
            }
        }
        for event in get_args(WebhookMessage.model_fields["type"].annotation)
    }


def _problem(status: int, errors: Sequence[type[CharloomError]], schemas: Schemas) -> dict[str, Any]:
    examples = {error.code: {"summary": error.when, "value": of_error(error)} for error in errors}
    response: dict[str, Any] = {
        "description": " ".join(error.when for error in errors),
        "content": {_PROBLEM: {"schema": schemas[Problem], "examples": examples}},
    }
    if any(error.retry_s is not None for error in errors) or status in _RETRIED:
        response["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
    return response


def _parameters(call: Endpoint, schemas: Schemas) -> Iterable[Schema]:
    for name in re.findall(r"<(\w+)>", call.path):
        kind = _ID_KINDS.get(name)
        form = {"type": "string"} | ({"pattern": f"^{kind}_[0-9a-hjkmnp-tv-z]{{26}}$"} if kind else {})
        yield {"name": name, "in": "path", "required": True, "schema": form}
    for name, field in schemas[call.query].get("properties", {}).items():
        schema = _of_given(field)
        parameter = {"name": name, "in": "query", "description": field.get("description", ""), "schema": schema}
        yield parameter | ({"style": "form", "explode": False} if schema.get("type") == "array" else {})
    for name, description in call.headers.items():
        if name != "Accept":  # OpenAPI has it in the responses
            schema = {"type": "string", **_HEADER_FORMS.get(name, {})}
            yield {"name": name, "in": "header", "description": description, "schema": schema}


def _of_given(field: Schema) -> Schema:
    """Return the schema of a query's field when it is there: without its description, and never null."""
    given = next((one for one in field.get("anyOf", ()) if one.get("type") != "null"), field)
    omitted = field.get("default")
    schema = {key: value for key, value in given.items() if key not in ("title", "description", "default")}
    return schema if omitted in (None, []) else schema | {"default": omitted}


def _response(answer: ResponseSpec, schemas: Schemas) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.description}
    if answer.content:
        response["content"] = {
            kind: {"schema": schemas[view]} | ({"example": found} if (found := of_response(kind, view)) else {})
            for kind, view in answer.content.items()
        }
    if answer.headers:
        response["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    return response


def _links(answer: ResponseSpec, call: Endpoint, calls: Sequence[Endpoint]) -> Schema:
    """Return links to the other calls that take the id of what is in the response."""
    name = next((_LINKED[view] for view in answer.content.values() if view in _LINKED), None)
    return {
        other.name: {"operationId": other.name, "parameters": {name: "$response.body#/id"}}
        for other in calls
        if name is not None and f"<{name}>" in other.path and other is not call
    }
