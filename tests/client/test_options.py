"""The options that an editor completes are the server's own, by name and by type."""

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from pydantic import BaseModel, SecretStr

from charloom import Format, GenerateOptions, JobStatus, JobType, Recipe, TrainOptions, Webhook, WriteItems
from charloom.events import KnownEvent
from charloom.job_records import ENDED
from shared.jobs.events import EventType
from shared.jobs.record import TERMINAL, Status
from shared.jobs.record import JobType as ServerJobType
from shared.requests import options, writing
from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.recipes import RecipeName
from shared.requests.writing import GenerateRequest
from web.http.queries import DownloadQuery


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
    if is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return Mapping
    return str if kind is SecretStr else kind


@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        (TrainOptions, (StreamRequest, ClassicRequest), {"corpus_id", "init_from"}),
        (GenerateOptions, (GenerateRequest,), {"model_id"}),
        (Webhook, (options.Webhook,), set()),
        (WriteItems, (writing.WriteItems,), set()),
    ],
)
def test_options_are_those_of_the_requests(ours: Any, theirs: tuple[type[BaseModel], ...], named: set[str]) -> None:
    offered = {name: plain(kind) for name, kind in get_type_hints(ours).items()}
    known = {name for request in theirs for name in request.model_fields} - named
    assert known == set(offered)
    for request in theirs:
        for name, field in request.model_fields.items():
            if name in named or (get_origin(field.annotation) is Literal and get_args(field.annotation) == (0,)):
                continue
            wanted = plain(field.annotation)
            if get_origin(wanted) is Literal:
                assert set(get_args(wanted)) <= set(get_args(offered[name])), name
            else:
                assert offered[name] == wanted, name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (get_args(JobType), ServerJobType),
        (get_args(JobStatus), Status),
        (ENDED, TERMINAL),
        ([kind.model_fields["type"].default for kind in get_args(KnownEvent)], EventType),
        (get_args(Recipe), get_args(RecipeName)),
        (get_args(Format), get_args(DownloadQuery.model_fields["format"].annotation)),
    ],
)
def test_values_are_those_of_the_server(ours: Sequence[str], theirs: Sequence[str]) -> None:
    assert sorted(ours) == sorted(theirs)
