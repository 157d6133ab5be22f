"""One call of the API: its address, what it takes, what it answers. From this table the OpenAPI document is made.

A handler declared with `API.call` gets its body and query already read and checked by the types that the document
shows.
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
    """One answer of a call."""

    description: str
    #: Media type -> type of the body; None where it isn't JSON of ours.
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One call."""

    method: str
    #: As Flask spells it, "/jobs/<job_id>".
    path: str
    tag: str
    #: One imperative sentence.
    summary: str
    description: str
    name: str
    #: Type of the JSON body.
    body: Any = None
    #: Examples of it, by what they are called.
    examples: Mapping[str, Any] = field(default_factory=dict)
    #: Body that isn't JSON: media type -> JSON schema.
    raw_body: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Model of the query; plain `Query` knows no field.
    query: type[Query] = Query
    #: Request headers it looks at, with what they do.
    headers: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[int, ResponseSpec]
    #: Statuses of the problems it may answer with, beside those that every call may (web/openapi/error_cases.py).
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
        answers: Mapping[int, ResponseSpec],
        body: Any = None,
        examples: Mapping[str, Any] | None = None,
        raw_body: Mapping[str, Mapping[str, Any]] | None = None,
        query: type[Query] = Query,
        headers: Mapping[str, str] | None = None,
        problems: Sequence[int] = (),
    ) -> Callable[[Handler], Handler]:
        """Declare a call; its handler gets `body` and `query` where they are declared, beside what the path names."""
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
                    answers=answers,
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
            [FieldError(pointer=f"/{name}", detail=f"{name} stands twice; separate values by commas") for name in twice]
        )
    return dict(request.args.items())
