"""Options are made from the types of requests: every field has one, with the type's help, limits and values."""

import shlex

import click
import pytest
from pydantic import BaseModel, TypeAdapter

from cli.commands.train import train
from cli.commands.write import write
from cli.common.exit_codes import Exit, Failure
from cli.common.options import check_request, given_options
from shared.jobs.record import Job, JobType, Status
from shared.requests.options import AnyTrainRequest, ClassicRequest, StreamRequest, is_chosen
from shared.requests.writing import GenerateRequest
from web.pages import commands

#: Fields that a command has a way of its own for.
NAMED = {"corpus_id", "model_id"}


def flags(command: click.Command) -> set[str]:
    """Return the fields that have an option."""
    return {str(parameter.name) for parameter in command.params if isinstance(parameter, click.Option)}


@pytest.mark.parametrize(
    ("command", "request_type"), [(train, StreamRequest), (train, ClassicRequest), (write, GenerateRequest)]
)
def test_every_field_has_its_flag(command: click.Command, request_type: type[BaseModel]) -> None:
    assert set(request_type.model_fields) - NAMED <= flags(command)


def _parse(command: click.Command, *words: str) -> dict[str, object]:
    parsed = command.make_context("x", list(words)).params
    fields = {*StreamRequest.model_fields, *ClassicRequest.model_fields, *GenerateRequest.model_fields} - NAMED
    return given_options({name: value for name, value in parsed.items() if name in fields})


def test_only_what_is_given_is_sent_and_as_the_type_wants_it() -> None:
    assert _parse(train, "book.txt") == {}
    parsed = _parse(
        train,
        "book.txt",
        "--epochs",
        "3",
        "--dropout",
        "0",
        "--no-lowercase",
        "--recipe",
        "stream",
        "--metadata",
        "a=b=c",
        "--metadata",
        "d=",
        "--webhook",
        '{"url": "https://example.com/hook", "events": ["finished"]}',
    )
    webhook = {"url": "https://example.com/hook", "events": ["finished"]}
    assert parsed == {
        "epochs": 3,
        "dropout": 0.0,
        "lowercase": False,
        "recipe": "stream",
        "metadata": {"a": "b=c", "d": ""},
        "webhook": webhook,
    }
    assert _parse(write, "m", "--stop", "a", "--stop", "b", "--top-p", "0.5") == {"stop": ["a", "b"], "top_p": 0.5}


def test_help_has_defaults_and_limits() -> None:
    words = {
        parameter.name: str(parameter.help)
        for command in (train, write)
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    assert words["batch_size"].endswith("[default: chosen by the text for stream, 128 for classic; 1 to 4096]")
    assert words["layers"].endswith("[default: 1; 1 to 8]")
    assert words["dropout"].endswith("[default: chosen by the text for stream, 0.2 for classic; 0 to below 1]")
    assert words["learning_rate"].endswith("[default: chosen by the text for stream, 0.001 for classic; above 0 to 1]")
    assert words["embedding_size"].endswith("[default: 64 for stream, 0 for classic; 1 to 1024]")
    assert words["top_k"].endswith("[1 or more]")
    assert words["lowercase"].endswith("[default: no for stream, yes for classic]")
    assert words["recipe"].startswith("stream: Every character is a target")


def test_every_wrong_option_is_named_at_once() -> None:
    request = {"corpus_id": "", "epochs": 0, "dropout": 1.5, "metadata": {"": "x"}}
    with pytest.raises(Failure) as caught:
        check_request(TypeAdapter(AnyTrainRequest), request)
    assert caught.value.exit_code is Exit.USAGE
    assert [line.split()[0] for line in caught.value.message.splitlines()] == ["--dropout", "--epochs", "--metadata:"]


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (
            JobType.TRAIN,
            StreamRequest(corpus_id="c", name="my own", epochs=3, lowercase=True, validation="tail", seed=5),
        ),
        (JobType.TRAIN, ClassicRequest(corpus_id="c", recipe="classic", epochs=3, init_from="mod_1")),
        (
            JobType.GENERATE,
            GenerateRequest(model_id="mod_1", prompt='it\'s -- "so"', stop=["a b", "c"], top_k=3, seed=1),
        ),
    ],
)
def test_the_line_that_the_page_shows_asks_for_the_same(kind: JobType, params: BaseModel) -> None:
    job = Job(
        id="job_1",
        type=kind,
        status=Status.SUCCEEDED,
        params=params.model_dump(mode="json"),
        metadata={},
        model_id="mod_1",
        uses=(),
        parent_id=None,
        created_ms=0,
    )
    shown = commands.of(job, host_url="http://127.0.0.1:8000/", recognized=True)
    assert shown is not None
    words = shlex.split(shown.charloom)
    command = {"train": train, "write": write}[words[1]]
    # What was chosen for the text is asked for too: left out, it might be chosen otherwise.
    chosen = {name for name, field in type(params).model_fields.items() if is_chosen(field)}
    wanted = {name: getattr(params, name) for name in params.model_fields_set | chosen if name not in NAMED}
    assert _parse(command, *words[2:]) == wanted
