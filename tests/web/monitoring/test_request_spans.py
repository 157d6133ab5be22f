"""The place in a trace: read from a request, kept with its job, passed on without OpenTelemetry as well."""

import logging

import pytest

from shared.tracing import NO_TRACER, read_traceparent
from tests.web.world import World

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WHOLE = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (WHOLE, WHOLE),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"cc-{TRACE}-{SPAN}-01-what-comes", WHOLE),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        (WHOLE + "\n", None),
        ("", None),
        (None, None),
    ],
)
def test_a_place_in_a_trace_is_read_as_the_standard_says(header: str | None, read: str | None) -> None:
    assert read_traceparent(header) == read


def test_a_job_keeps_the_place_of_its_request(world: World, caplog: pytest.LogCaptureFixture) -> None:
    corpus_id = world.corpus()
    caplog.set_level(logging.INFO)
    for header, kept in ((WHOLE, WHOLE), ("nonsense", None)):
        sent = world.http.post("/api/v1/train-jobs", json={"corpus_id": corpus_id}, headers={"traceparent": header})
        job = world.services.store.jobs.get(sent.json["id"])
        asked = world.services.volume.jobs.asked(job.id)
        assert asked is not None
        assert (job.traceparent, asked.traceparent) == (kept, kept)


def test_without_traces_a_span_does_nothing_but_pass_its_place_on() -> None:
    with NO_TRACER.span("a phase") as span:
        span.set({"a": 1})
        span.fail("why")
    assert span.traceparent is None
    assert NO_TRACER.begin("an attempt", parent=WHOLE).traceparent == WHOLE
    NO_TRACER.close()
