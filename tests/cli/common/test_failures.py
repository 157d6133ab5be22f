"""Whatever a server answers, a command ends with one sentence and never with a traceback."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.client.scripted import Reply, Scripted, problem

JOB: dict[str, Any] = {
    "id": "job_" + "0" * 26,
    "type": "train",
    "status": "running",
    "created_at": "2026-11-24T12:00:00.000Z",
}
DONE: dict[str, Any] = {"status": "succeeded", "result": {}, "error": None}


def reply(value: Any) -> Reply:
    """Answer with a value as JSON."""
    return Reply(body=json.dumps(value).encode())


def stream(kind: str, data: dict[str, Any]) -> Reply:
    """Answer with a stream of one event."""
    body = f"id: 1-0\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()
    return Reply(body=body, headers={"Content-Type": "text/event-stream"})


def run(*words: str) -> Result:
    """Run a command in this process. An exception that would be a traceback fails the test."""
    result = CliRunner(catch_exceptions=False).invoke(main, words)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("words", [("jobs",), ("models",), ("corpora",), ("workers",), ("job", JOB["id"])])
@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b"<html>", b"\xff", b'{"data": 7}', b'{"data": [{"id": {}}]}'], ids=len
)
def test_an_answer_that_can_t_be_read_is_one_sentence(words: tuple[str, ...], body: bytes) -> None:
    with Scripted() as server:
        server.replies = [Reply(body=body)]
        failed = run(*words, "--url", server.url)
    assert (failed.exit_code, failed.stdout) == (3, "")
    assert failed.stderr.startswith(f"Error: {server.url} responds")
    assert failed.stderr.count("\n") == 1


@pytest.mark.parametrize("fields", [{"progress": {"fraction": "half"}}, {"metrics": {"train_loss": "low"}}])
def test_an_event_that_can_t_be_read_is_one_sentence(fields: dict[str, Any]) -> None:
    with Scripted() as server:
        server.replies = [reply(JOB), stream("progress", fields)]
        failed = run("job", JOB["id"], "--follow", "--url", server.url)
    assert failed.exit_code == 3
    assert f"Error: {server.url} responds, but not as Charloom does." in failed.stderr


def test_a_server_that_is_away_for_long_is_reported_once() -> None:
    job = {**JOB, "type": "import"}
    away = problem(503, "Redis is away")
    ended = {**job, "status": "succeeded", "result": {"model_id": "mod_1"}}
    with Scripted() as server:
        server.replies = [reply(job), away, away, away, stream("done", DONE), reply(ended)]
        followed = run("job", JOB["id"], "--follow", "--url", server.url)
    assert (followed.exit_code, followed.stdout) == (0, "mod_1\n")
    assert followed.stderr == "waiting: the server can't be reached; trying again\n"


def test_a_command_that_doesn_t_exist_is_answered_with_one_that_does() -> None:
    failed = run("trian")
    assert failed.exit_code == 2
    assert "No such command 'trian'. (Did you mean one of: 'drain', 'train'?)" in failed.stderr
