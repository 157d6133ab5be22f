"""The table of the API's calls: address, request and responses of each. The OpenAPI document is made from it.

A handler declared with `API.call` gets its body and query parsed and validated by the types in the document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import TypeAdapter

from shared.errors import FieldError
from web.http.queries import Query
from web.http.strict_json import read_object
from web.http.validation import check, check_strings, refused

Handler = Callable[..., ResponseReturnValue]


@dataclass(frozen=True, kw_only=True)
class ResponseSpec:
    """One response of a call."""

    description: str
    #: Media type -> type of the body; a plain `str` or `bytes` where it isn't JSON.
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One call."""

    method: str
    #: In Flask's syntax: "/jobs/<job_id>".
    path: str
    tag: str
    #: One imperative sentence.
    summary: str
    description: str
    name: str
    #: Type of the JSON body.
    body: Any = None
    #: Examples of it, by name.
    examples: Mapping[str, Any] = field(default_factory=dict)
    #: Body that isn't JSON: media type -> JSON schema.
    raw_body: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Model of the query; plain `Query` knows no field.
    query: type[Query] = Query
    #: The request headers it reads, and what they do.
    headers: Mapping[str, str] = field(default_factory=dict)
    responses: Mapping[int, ResponseSpec]
    #: Statuses of the errors it may respond with, in addition to those of every call (web/openapi/error_cases.py).
    problems: Sequence[int] = ()


class API:
    """A group of calls, under one tag of the document."""

    def __init__(self, tag: str, *, prefix: str = "/api/v1") -> None:
        self.tag = tag
        self.prefix = prefix
        self.calls: list[Endpoint] = []
        self.blueprint = Blueprint(f"api_{tag}", __name__, url_prefix=prefix)

    def call(
        self,
        method: str,
        path: str,
        *,
        responses: Mapping[int, ResponseSpec],
        body: Any = None,
        examples: Mapping[str, Any] | None = None,
        raw_body: Mapping[str, Mapping[str, Any]] | None = None,
        query: type[Query] = Query,
        headers: Mapping[str, str] | None = None,
        problems: Sequence[int] = (),
    ) -> Callable[[Handler], Handler]:
        """Declare a call. Its handler gets what the path names, and `body` and `query` if they are declared."""
        body_type = None if body is None else TypeAdapter(body)
        query_type = TypeAdapter(query)

        def declare(handler: Handler) -> Handler:
            summary, _, description = (handler.__doc__ or "").partition("\n")
            self.calls.append(
                Endpoint(
                    method=method,
                    path=self.prefix + path,
                    tag=self.tag,
                    summary=summary,
                    description=" ".join(description.split()),
                    name=handler.__name__,
                    body=body_type,
                    examples=examples or {},
                    raw_body=raw_body or {},
                    query=query,
                    headers=headers or {},
                    responses=responses,
                    problems=problems,
                )
            )

            @wraps(handler)
            def answer(**named: Any) -> ResponseReturnValue:
                asked = check_strings(query_type, _query_strings())
                if query is not Query:
                    named["query"] = asked
                if body_type is not None:
                    named["body"] = check(body_type, read_object())
                return handler(**named)

            self.blueprint.add_url_rule(path, handler.__name__, answer, methods=[method])
            return handler

        return declare


def _query_strings() -> dict[str, str]:
    """Return the query's fields."""
    if not request.query_string:
        return {}
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise refused(
            [
                FieldError(pointer=f"/{name}", detail=f"{name} is given twice; separate values by commas")
                for name in twice
            ]
        )
    return dict(request.args.items())
