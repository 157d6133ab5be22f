"""One JSON object a line, with what it is about."""

import json
import logging
import sys
from contextvars import copy_context
from threading import Thread
from typing import Any

import pytest

from shared import logs
from shared.settings import Settings, load


def line(settings: Settings, *, error: bool = False, **extra: Any) -> str:
    record = logging.LogRecord("worker.jobs", logging.INFO, __file__, 1, "%s starts", ("job_1",), None)
    vars(record).update(extra)
    if error:
        try:
            raise ValueError("boom")
        except ValueError:
            record.exc_info = sys.exc_info()
    return logs.formatter(settings, worker="w1").format(record)


@pytest.fixture
def settings() -> Settings:
    return load({"CHARLOOM_LOG_FORMAT": "json"})


def test_a_line_says_what_it_is_about(settings: Settings) -> None:
    with logs.bound(job="job_1", attempt=2, request_id=None):
        written = line(settings, error=True, data={"args": "no"})
    found = json.loads(written)
    assert "\n" not in written
    assert found.pop("time").endswith("+00:00")
    assert "ValueError: boom" in found.pop("exception")
    assert isinstance(found.pop("process"), int)
    assert found == {
        "level": "INFO",
        "logger": "worker.jobs",
        "message": "job_1 starts",
        "worker": "w1",
        "job": "job_1",
        "attempt": 2,
    }
    assert "job" not in json.loads(line(settings))


def test_a_thread_has_the_context_that_it_is_handed(settings: Settings) -> None:
    found: list[str] = []
    with logs.bound(job="job_1"):
        for run in (copy_context().run, lambda what: what()):
            thread = Thread(target=run, args=(lambda: found.append(line(settings)),))
            thread.start()
            thread.join()
    assert ["job" in json.loads(text) for text in found] == [True, False]


def test_what_is_bound_can_be_taken_away(settings: Settings) -> None:
    def work() -> None:
        logs.bind(request_id="a")
        assert json.loads(line(settings))["request_id"] == "a"
        logs.bind(request_id=None)
        assert "request_id" not in json.loads(line(settings))

    copy_context().run(work)


def test_plain_lines_are_as_ever() -> None:
    assert line(load({})).endswith("INFO worker.jobs: job_1 starts")
