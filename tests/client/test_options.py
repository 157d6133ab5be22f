"""The options that an editor completes are the server's own, by name and by type."""

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

from charloom import GenerateOptions, TrainOptions
from shared.requests.options import ClassicRequest, GenerateRequest, StreamRequest


def plain(kind: Any) -> Any:
    """Take limits and None away from a type, and name containers by what they promise."""
    origin = get_origin(kind)
    if origin is Annotated:
        return plain(get_args(kind)[0])
    if origin in (Union, UnionType):
        inner = [one for one in get_args(kind) if one is not NoneType]
        return plain(inner[0]) if len(inner) == 1 else frozenset(plain(one) for one in inner)
    if origin in (list, Sequence):
        return Sequence, plain(get_args(kind)[0])
    if origin in (dict, Mapping):
        return Mapping
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return Mapping
    return kind


@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        (TrainOptions, (StreamRequest, ClassicRequest), {"corpus_id", "init_from"}),
        (GenerateOptions, (GenerateRequest,), {"model_id"}),
    ],
)
def test_options_are_those_of_the_requests(ours: Any, theirs: tuple[type[BaseModel], ...], named: set[str]) -> None:
    offered = {name: plain(kind) for name, kind in get_type_hints(ours).items()}
    known = {name for request in theirs for name in request.model_fields} - named
    assert set(offered) - {"webhook"} <= known  # webhooks come with the server that knows them
    assert known <= set(offered)
    for request in theirs:
        for name, field in request.model_fields.items():
            if name in named or (get_origin(field.annotation) is Literal and get_args(field.annotation) == (0,)):
                continue
            wanted = plain(field.annotation)
            if get_origin(wanted) is Literal:
                assert set(get_args(wanted)) <= set(get_args(offered[name])), name
            else:
                assert offered[name] == wanted, name
