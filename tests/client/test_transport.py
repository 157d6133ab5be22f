"""Requests are retried where that is safe; refusals are exceptions with the server's message."""

import email.utils
import re
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from charloom import (
    ApiError,
    Charloom,
    CharloomError,
    Conflict,
    Forbidden,
    Invalid,
    InvalidId,
    NotFound,
    ServerError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    WrongValue,
)
from charloom.transport import Retrying
from tests.client.scripted import Reply, Scripted, problem, recording

#: Short waits.
QUICK = Retrying(tries=4, first_wait_s=0.001, most_wait_s=2)
JOB = b'{"id":"job_1","type":"train","status":"queued","created_at":"2026-11-24T12:00:00.000Z"}'
BROKEN = Reply(status=0)
#: JSON that Python's parser gives up on with a RecursionError.
DEEP = b"[" * 200_000


@pytest.fixture
def loom(scripted: Scripted, connect: Callable[[str, Retrying], Charloom]) -> Charloom:
    return connect(scripted.url, QUICK)


@pytest.mark.parametrize("reply", [problem(503, "away"), problem(429, "too many"), problem(502, "?"), BROKEN])
def test_a_read_is_tried_again(scripted: Scripted, loom: Charloom, reply: Reply) -> None:
    scripted.replies = [reply, reply, Reply(body=JOB)]
    assert loom.jobs.get("job_1").status == "queued"
    assert len(scripted.asked) == 3


def test_a_request_names_the_callers_place_in_a_trace(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    inherited, current = (
        f"00-{1:032x}-{2:016x}-01",
        SimpleNamespace(is_valid=True, trace_id=3, span_id=4, trace_flags=1),
    )
    module = SimpleNamespace(get_current_span=lambda: SimpleNamespace(get_span_context=lambda: current))
    scripted.replies = [Reply(body=JOB)]
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    with Charloom(scripted.url) as loom:
        loom.jobs.get("job_1")
    monkeypatch.setenv("TRACEPARENT", inherited)
    with Charloom(scripted.url) as loom:
        loom.jobs.get("job_1")
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
        loom.jobs.get("job_1")
    sent = [request.headers.get("traceparent") for request in scripted.asked]
    assert sent == [None, inherited, f"00-{3:032x}-{4:016x}-01"]


def test_retries_are_bounded_and_the_last_response_is_raised(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [problem(503, "Redis is away")]
    with pytest.raises(Unavailable, match="Redis is away"):
        loom.jobs.get("job_1")
    assert len(scripted.asked) == QUICK.tries


def test_a_longer_wait_than_is_allowed_is_an_error_at_once(scripted: Scripted, loom: Charloom) -> None:
    in_an_hour = email.utils.formatdate(time.time() + 3600, usegmt=True)
    for asked in ("3600", in_an_hour):
        scripted.replies = [Reply(status=429, headers={"Retry-After": asked})]
        scripted.asked.clear()
        with pytest.raises(TooManyRequests) as caught:
            loom.jobs.get("job_1")
        assert caught.value.retry_after_s == pytest.approx(3600, abs=60)
        assert len(scripted.asked) == 1


def test_retry_after_is_waited_for(scripted: Scripted, loom: Charloom, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    scripted.replies = [Reply(status=503, headers={"Retry-After": "1"}), Reply(body=JOB)]
    monkeypatch.setattr(loom._transport, "sleep", recording(waits))
    loom.jobs.get("job_1")
    assert waits == [1.0]


def test_a_repeated_request_keeps_its_key_and_the_next_has_another(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [BROKEN, problem(503, "away"), Reply(status=202, body=JOB)]
    loom.train("cor_1", epochs=2)
    loom.generate("mod_1")
    keys = [asked.headers["Idempotency-Key"] for asked in scripted.asked]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]
    assert scripted.asked[2].body == b'{"corpus_id":"cor_1","epochs":2}'
    loom.train("cor_1", idempotency_key="mine")
    assert scripted.asked[-1].headers["Idempotency-Key"] == "mine"


def test_what_is_not_safe_to_repeat_is_not(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [BROKEN, Reply(status=202, body=JOB)]
    with pytest.raises(Unreachable):
        loom.models.import_file(__file__)
    assert len(scripted.asked) == 1


def test_a_deletion_whose_answer_was_lost_has_worked(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [BROKEN, problem(404, "no such model")]
    loom.models.delete("mod_1")
    scripted.replies = [problem(404, "no such model")]
    with pytest.raises(NotFound):
        loom.models.delete("mod_1")


def test_an_unreachable_server_is_named() -> None:
    with Charloom("http://127.0.0.1:1", retrying=QUICK) as loom, pytest.raises(Unreachable) as caught:
        loom.workers()
    assert str(caught.value) == "http://127.0.0.1:1 doesn't answer: Connection refused"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (415, Invalid),
        (422, Invalid),
        (500, ServerError),
        (418, ApiError),
    ],
)
def test_a_problem_becomes_an_exception_with_its_fields(
    scripted: Scripted, loom: Charloom, status: int, kind: type[ApiError]
) -> None:
    errors = [{"pointer": "/epochs", "detail": "epochs is 0, but must be at least 1"}]
    scripted.replies = [problem(status, "That won't do.", request_id="r1", errors=errors, type="about:blank")]
    with pytest.raises(kind) as caught:
        loom.train("cor_1", epochs=0)
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, CharloomError)
    assert (error.status, error.detail, error.code, error.request_id) == (status, "That won't do.", "no", "r1")
    assert (error.title, error.type) == ("No", "about:blank")
    assert error.errors == (WrongValue(pointer="/epochs", detail="epochs is 0, but must be at least 1"),)


def test_a_proxy_s_page_and_another_service_are_recognized(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [Reply(status=500, body=b"<html>oh no</html>")]
    with pytest.raises(ServerError, match=r"GET http.*/api/v1/jobs/job_1 answered 500"):
        loom.jobs.get("job_1")
    for body in (b"<html>", b"[1]", b'{"hello":"world"}', DEEP):
        scripted.replies = [Reply(body=body)]
        with pytest.raises(ApiError) as caught:
            loom.jobs.get("job_1")
        assert caught.value.code == "not_charloom"


@pytest.mark.parametrize(
    "call",
    [lambda loom: loom.workers(), lambda loom: loom.jobs.metrics("job_1"), lambda loom: list(loom.models.list())],
    ids=["workers", "metrics", "models"],
)
@pytest.mark.parametrize("body", [DEEP, b'{"data":7}', b'{"data":["w1"]}', b'{"data":[{}]}'], ids=len)
def test_a_list_that_can_t_be_read_is_another_service_s(
    scripted: Scripted, loom: Charloom, call: Callable[[Charloom], object], body: bytes
) -> None:
    scripted.replies = [Reply(body=body)]
    with pytest.raises(ApiError) as caught:
        call(loom)
    assert caught.value.code == "not_charloom"


def test_a_refusal_nested_too_deeply_is_one_with_its_status_alone(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [Reply(status=500, body=DEEP)]
    with pytest.raises(ServerError, match="answered 500"):
        loom.workers()


def test_a_text_that_is_not_utf_8_is_another_service_s(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [Reply(body=b"\xff\xfe")]
    with pytest.raises(ApiError) as caught:
        loom.corpora.text("cor_1")
    assert caught.value.code == "not_charloom"


def test_the_key_is_sent_as_a_bearer(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted.replies = [Reply(body=JOB)]
    monkeypatch.setenv("CHARLOOM_URL", scripted.url)
    monkeypatch.setenv("CHARLOOM_API_KEY", "from-the-environment")
    for key in (None, "given"):
        with Charloom(api_key=key) as loom:
            loom.jobs.get("job_1")
    assert [asked.headers["Authorization"] for asked in scripted.asked] == [
        "Bearer from-the-environment",
        "Bearer given",
    ]


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999"])
def test_an_address_that_can_t_be_one_is_refused(url: str) -> None:
    with pytest.raises(CharloomError, match="address"):
        Charloom(url)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://127.0.0.1:8000/api/v1", "http://127.0.0.1:8000"),
        ("example.com/api/v1/", "http://example.com"),
        ("https://example.com/loom/api", "https://example.com/loom"),
    ],
)
def test_the_address_of_the_api_is_refused_with_that_of_the_server(url: str, server: str) -> None:
    with pytest.raises(CharloomError, match="address of the API") as caught:
        Charloom(url)
    assert str(caught.value).endswith(f" {server}")
    assert Charloom(server).url == server


#: Not the ids of models, jobs or corpora, though some would do as a part of a path.
NO_IDS = [
    "../corpora/cor_1",
    "",
    ".",
    "..",
    "mod",
    "mod_",
    "mod_1/..",
    "mod_1?x=1",
    "mod_1#",
    "mod_%2e",
    "mod_1\n",
    "x_1",
]


@pytest.mark.parametrize("wrong", NO_IDS)
def test_what_is_no_id_is_refused_before_anything_is_sent(scripted: Scripted, loom: Charloom, wrong: str) -> None:
    scripted.replies = [Reply(body=JOB)]
    models, jobs, corpora = loom.models, loom.jobs, loom.corpora
    calls: list[Callable[[str], object]] = [models.get, models.patch, models.delete, models.download]
    calls += [jobs.get, jobs.wait, jobs.cancel, jobs.resume, jobs.metrics, lambda job: list(jobs.events(job))]
    calls += [corpora.get, corpora.text, corpora.delete, loom.train, loom.estimate, loom.generate]
    calls += [lambda model: loom.train("cor_1", init_from=model)]
    for call in calls:
        with pytest.raises(InvalidId, match=f"{re.escape(repr(wrong))} is not the id of a"):
            call(wrong)
    with pytest.raises(InvalidId, match="is not the id of an event"):
        list(jobs.events("job_1", after=wrong or "1"))
    assert scripted.asked == []


def test_an_id_of_another_kind_is_refused(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [Reply(body=JOB)]
    with pytest.raises(InvalidId, match="is not the id of a model"):
        loom.models.delete("cor_1")
    with pytest.raises(InvalidId, match="is not the id of a corpus"):
        loom.corpora.delete("mod_1")
    assert scripted.asked == []


def test_an_address_may_do_without_its_scheme_and_a_key_must_fit_a_header() -> None:
    assert Charloom("127.0.0.1:8000").url == "http://127.0.0.1:8000"
    with pytest.raises(CharloomError, match="CHARLOOM_API_KEY"):
        Charloom(api_key="schlüssel\n")


@pytest.mark.parametrize(
    ("url", "reads"),
    [("http://127.0.0.1:1", 0), ("localhost:1", 0), ("https://127.0.0.1:1", 1), ("http://charloom.example", 1)],
)
def test_certificates_are_read_only_where_tls_may_be(monkeypatch: pytest.MonkeyPatch, url: str, reads: int) -> None:
    read: list[object] = []
    monkeypatch.setattr("httpx._transports.default.create_ssl_context", lambda verify, **_: read.append(verify))
    with Charloom(url):
        assert read.count(True) == reads


def test_what_a_newer_server_adds_is_kept_and_breaks_nothing(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [Reply(body=JOB[:-1] + b',"status":"dreaming","mood":{"good":true}}')]
    job = loom.jobs.get("job_1")
    assert (job.status, job.ended, job.model_extra) == ("dreaming", False, {"mood": {"good": True}})
    assert job.model_dump(mode="json")["mood"] == {"good": True}
    with pytest.raises(ValueError, match="frozen"):
        job.status = "queued"  # type: ignore[misc]
