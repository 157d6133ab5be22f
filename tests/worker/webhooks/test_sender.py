"""Webhook messages: queued with the change that they report, signed, delivered at least once, never to the inside."""

import base64
import os
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import standardwebhooks

from shared.jobs.record import JobError, NewJob, Status
from shared.jobs.schemas import Job as JobView
from shared.settings import Settings, load
from shared.store import Store, keys
from tests.jobs import make_job
from tests.waiting import eventually
from tests.worker.receiver import Receiver, receiving
from worker.webhooks.safe_http import Caller, look_up
from worker.webhooks.sender import RETRIES_S, WebhookSender

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TRACEPARENT = f"00-{1:032x}-{2:016x}-01"
#: The most metadata that a request may bring.
_LARGEST = {str(number): "😀" * 512 for number in range(16)}
ENDS = ["job.succeeded", "job.failed", "job.cancelled"]


def settings_of(**more: str) -> Settings:
    return load({"CHARLOOM_WEBHOOK_SECRET": SECRET, "CHARLOOM_WEBHOOK_ALLOW": "127.0.0.0/8"} | more)


def sender(
    store: Store,
    *,
    retries_s: Sequence[float] = (0, 0, 0),
    call_s: float = 15,
    resolve: Callable[[str, int], list[str]] = look_up,
    tls: ssl.SSLContext | None = None,
    **more: str,
) -> WebhookSender:
    settings = settings_of(**more)
    tls = tls or ssl.create_default_context()
    caller = Caller(allowed=settings.webhook_networks, tls=tls, call_s=call_s, resolve=resolve)
    return WebhookSender(store, settings, caller=caller, retries_s=retries_s)


def hooked(url: str, *events: str) -> NewJob:
    return make_job(params={"corpus_id": "cor_x", "webhook": {"url": url, "events": list(events) or ENDS}})


def ended(store: Store, url: str, *events: str, status: Status = Status.SUCCEEDED, **changes: Any) -> NewJob:
    """Let a job with a webhook end."""
    job = replace(hooked(url, *events), **changes)
    store.jobs.create(job)
    claim = store.jobs.claim(job.id, worker="w1", lease_s=10)
    assert claim is not None
    error = JobError(code="diverged", detail="x") if status is Status.FAILED else None
    store.jobs.finish(job.id, claim.token, status, error=error)
    return job


def waiting(client: "redis.Redis") -> list[str]:
    return list(client.zrange(keys.HOOKS, 0, -1))  # type: ignore[arg-type]


def pass_time(client: "redis.Redis") -> None:
    """Let everything be due."""
    client.zadd(keys.HOOKS, dict.fromkeys(waiting(client), 0))


def due_in_s(client: "redis.Redis") -> float:
    """Return the seconds until the only message is due."""
    due_ms: Any = client.zscore(keys.HOOKS, waiting(client)[0])
    now: Any = client.time()
    return float(due_ms / 1000 - now[0] - now[1] / 1e6)


def nothing_left(client: "redis.Redis") -> bool:
    """Return True if nothing is left of any message."""
    return not waiting(client) and not client.keys(f"{keys.LAYOUT['hook']}*")


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
def test_the_end_of_a_job_is_sent_signed_as_the_api_shows_it(
    store: Store, client: "redis.Redis", status: Status
) -> None:
    with receiving() as receiver:
        job = ended(store, receiver.url, status=status, traceparent=TRACEPARENT)
        assert sender(store).check()
        (came,) = receiver.received
    assert (came.path, came.headers["traceparent"]) == ("/hooks?a=b", TRACEPARENT)
    verified = standardwebhooks.Webhook(SECRET).verify(came.body, came.headers)
    record = store.jobs.get(job.id)
    assert verified["type"] == f"job.{status}"
    assert verified["data"] == JobView.of(record).model_dump(mode="json")
    assert verified["timestamp"] == verified["data"]["finished_at"]
    assert SECRET.encode() not in came.body
    assert nothing_left(client)
    assert not sender(store).check()


def test_only_what_was_asked_for_is_sent(store: Store, client: "redis.Redis") -> None:
    ended(store, "https://example.org/", "job.failed")
    assert waiting(client) == []
    job = ended(store, "https://example.org/", "job.running", "job.succeeded")
    tail = job.id.removeprefix("job_")
    assert waiting(client) == [f"msg_{tail}_running_1", f"msg_{tail}_succeeded"]


def test_a_queued_job_that_is_cancelled_is_sent(store: Store, client: "redis.Redis") -> None:
    job = hooked("https://example.org/")
    store.jobs.create(job)
    store.jobs.cancel(job.id)
    assert waiting(client) == [f"msg_{job.id.removeprefix('job_')}_cancelled"]


def test_a_job_that_fails_by_being_lost_is_sent(store: Store, client: "redis.Redis") -> None:
    job = hooked("https://example.org/")
    store.jobs.create(job)
    for _ in range(job.max_attempts):
        claim = store.jobs.claim(job.id, worker="w1", owner_id="h1", lease_s=10)
        assert claim is not None
        store.jobs.lose(job.id, owner_id="h1")
        store.jobs.reap(lease_s=10)
    assert store.jobs.get(job.id).status is Status.FAILED
    assert waiting(client) == [f"msg_{job.id.removeprefix('job_')}_failed"]


def test_an_emptied_server_sends_again_under_the_same_id(store: Store, client: "redis.Redis") -> None:
    with receiving() as receiver:
        job = ended(store, receiver.url)
        assert sender(store).check()
        client.flushall()
        store.jobs.restore(job, status=Status.SUCCEEDED)
        assert sender(store).check()
        first, again = receiver.received
    assert first.headers["webhook-id"] == again.headers["webhook-id"]


def test_an_end_of_more_than_a_day_ago_is_not_sent_again(store: Store, client: "redis.Redis") -> None:
    job, now_ms = hooked("https://example.org/"), time.time_ns() // 1_000_000
    for hours, expected in ((25, 0), (23, 1)):
        client.flushall()
        assert store.jobs.restore(job, status=Status.SUCCEEDED, finished_ms=now_ms - hours * 3_600_000)
        assert len(waiting(client)) == expected


@pytest.mark.parametrize("answer", [500, 404, 301, 302, 307, 308, "garbage"])
def test_what_fails_is_tried_again_under_the_same_id(store: Store, client: "redis.Redis", answer: Any) -> None:
    with receiving(answer, answer, 200) as receiver:
        ended(store, receiver.url)
        one = sender(store)
        for _ in range(3):
            assert one.check()
        assert not one.check()
    assert len({came.headers["webhook-id"] for came in receiver.received}) == 1
    assert len({came.body for came in receiver.received}) == 1
    assert [came.path for came in receiver.received] == ["/hooks?a=b"] * 3, "no redirect is followed"
    assert nothing_left(client)


def test_after_the_last_try_it_is_given_up(store: Store, client: "redis.Redis") -> None:
    with receiving(500) as receiver:
        ended(store, receiver.url)
        one = sender(store, retries_s=(0, 0))
        while one.check():
            pass
        assert len(receiver.received) == 3
    assert nothing_left(client)


def test_a_receiver_that_is_gone_for_good_is_left_alone(store: Store, client: "redis.Redis") -> None:
    with receiving(410) as receiver:
        ended(store, receiver.url)
        assert sender(store).check()
        assert len(receiver.received) == 1
    assert nothing_left(client)


def test_tries_come_at_growing_distances_for_most_of_a_day(store: Store, client: "redis.Redis") -> None:
    with receiving(503) as receiver:
        ended(store, receiver.url)
        one = sender(store, retries_s=RETRIES_S)
        for wait_s in RETRIES_S:
            assert one.check()
            assert not one.check(), "it is not due"
            assert wait_s - 5 < due_in_s(client) <= wait_s * 1.1
            pass_time(client)
    assert list(RETRIES_S) == sorted(RETRIES_S)
    assert 18 * 3600 < sum(RETRIES_S) < 24 * 3600


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_receiver_that_takes_for_ever_holds_nobody(store: Store, client: "redis.Redis", answer: str) -> None:
    with receiving(answer) as receiver:
        ended(store, receiver.url)
        assert sender(store, retries_s=(900,), call_s=0.5).check()
        assert len(receiver.received) == 1
        assert len(waiting(client)) == 1


def test_little_is_read_of_an_endless_answer(store: Store, client: "redis.Redis") -> None:
    with receiving("flood") as receiver:
        ended(store, receiver.url)
        assert sender(store).check()
    assert nothing_left(client), "its status was good"


def test_a_worker_that_dies_while_it_delivers_loses_nothing(store: Store, client: "redis.Redis") -> None:
    with receiving() as receiver:
        ended(store, receiver.url)
        taken = store.webhooks.take()  # and here it is killed
        assert taken is not None
        assert not sender(store).check(), "it isn't due before it must be taken for dead"
        pass_time(client)
        assert sender(store).check()
        assert [came.headers["webhook-id"] for came in receiver.received] == [taken.id]
        store.webhooks.put_off(taken, 5)  # the first one was only asleep
    assert nothing_left(client)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "https://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0x7f.1:{port}/",
        "http://2130706433:{port}/",
        "http://0.0.0.0:{port}/",
        "http://127.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_the_inside_is_never_called_unless_it_is_allowed(store: Store, client: "redis.Redis", url: str) -> None:
    with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        ended(store, url.format(port=port))
        assert sender(store, retries_s=(900,), CHARLOOM_WEBHOOK_ALLOW="10.0.0.0/8").check()
        assert receiver.received == []
    assert len(waiting(client)) == 1


def test_the_connection_goes_to_the_very_address_that_was_checked(store: Store) -> None:
    """A name whose second look-up would find another address: there is no second look-up."""
    asked: list[str] = []

    def rebound(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1" if len(asked) == 1 else "127.0.0.2"]

    with receiving() as receiver:
        ended(store, receiver.url.replace("127.0.0.1", "hooks.test"))
        assert sender(store, resolve=rebound, CHARLOOM_WEBHOOK_ALLOW="127.0.0.1").check()
        assert receiver.received[0].headers["Host"].startswith("hooks.test:")
    assert asked == ["hooks.test"]


def test_one_address_inside_spoils_a_name(store: Store) -> None:
    with receiving() as receiver:
        ended(store, receiver.url.replace("127.0.0.1", "hooks.test"))
        assert sender(store, retries_s=(900,), resolve=lambda *_: ["127.0.0.1", "10.0.0.1"]).check()
        assert receiver.received == []


def test_an_address_that_does_not_answer_leaves_the_next_one(store: Store) -> None:
    with receiving() as receiver:
        ended(store, receiver.url.replace("127.0.0.1", "hooks.test"))
        assert sender(store, resolve=lambda *_: ["127.0.0.9", "127.0.0.1"]).check()
        assert len(receiver.received) == 1


def test_a_certificate_must_be_good_for_the_name(store: Store, client: "redis.Redis", tmp_path: Path) -> None:
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-days",
            "2",
            "-subj",
            "/CN=hooks.test",
            "-addext",
            "subjectAltName=DNS:hooks.test",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    ours = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    def deliver(receiver: Receiver, name: str, tls: ssl.SSLContext) -> int:
        before = len(receiver.received)
        ended(store, receiver.url.replace("127.0.0.1", name))
        assert sender(store, retries_s=(900,), tls=tls, resolve=lambda *_: ["127.0.0.1"]).check()
        return len(receiver.received) - before

    with receiving(tls=theirs) as receiver:
        assert deliver(receiver, "hooks.test", ours) == 1
        assert deliver(receiver, "other.test", ours) == 0
        assert deliver(receiver, "hooks.test", ssl.create_default_context()) == 0
    assert len(waiting(client)) == 2


def test_a_webhook_s_own_secret_signs_its_messages(store: Store, client: "redis.Redis") -> None:
    own = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    with receiving() as receiver:
        for secret in (own, None):
            ended(store, receiver.url, webhook_secret=secret)
            assert sender(store).check()
        with_own, with_ours = receiver.received
    assert own.removeprefix("whsec_").encode() not in with_own.body
    standardwebhooks.Webhook(own).verify(with_own.body, with_own.headers)
    standardwebhooks.Webhook(SECRET).verify(with_ours.body, with_ours.headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(with_own.body, with_own.headers)
    # A worker whose service has no secret delivers those that have one of their own, and puts off the others.
    bare = {"CHARLOOM_WEBHOOK_ALLOW": "127.0.0.0/8"}
    with receiving() as receiver:
        for secret in (own, None):
            ended(store, receiver.url, webhook_secret=secret)
            assert WebhookSender(store, load(bare)).check()
        assert len(receiver.received) == 1
    assert len(waiting(client)) == 1
    assert due_in_s(client) > 1


@pytest.mark.parametrize(
    ("params", "metadata", "omitted"),
    [
        ({}, {"who": "é"}, None),
        ({"epochs": "x" * 15_000}, {"a": "€" * 1000}, None),
        ({"epochs": "x" * 20_000}, {"a": "€" * 1000}, ["params"]),
        ({"metadata": _LARGEST}, _LARGEST, ["params", "metadata"]),
    ],
)
def test_a_message_has_at_most_20_kb_and_says_what_it_leaves_out(
    store: Store, params: dict[str, Any], metadata: dict[str, str], omitted: list[str] | None
) -> None:
    with receiving() as receiver:
        job = hooked(receiver.url)
        job = ended(store, receiver.url, params={**job.params, **params}, metadata=metadata)
        assert sender(store).check()
        (came,) = receiver.received
    assert len(came.body) <= 20_000
    verified = standardwebhooks.Webhook(SECRET).verify(came.body, came.headers)
    assert verified.get("omitted") == omitted
    whole = JobView.of(store.jobs.get(job.id)).model_dump(mode="json")
    assert verified["data"] == whole | {name: {} for name in omitted or ()}
    JobView.model_validate(verified["data"])


def test_several_senders_deliver_each_message_once(store: Store, client: "redis.Redis") -> None:
    with receiving() as receiver:
        jobs = [ended(store, receiver.url) for _ in range(30)]
        senders = [WebhookSender(store, settings_of(), poll_s=0.01) for _ in range(3)]
        for one in senders:
            one.start()
        eventually(lambda: nothing_left(client), "all are delivered")
        for one in senders:
            one.stop()
        ids = [came.message["data"]["id"] for came in receiver.received]
    assert sorted(ids) == sorted(job.id for job in jobs)


def test_a_message_of_a_forgotten_job_is_given_up(store: Store, client: "redis.Redis") -> None:
    ended(store, "https://example.org/")
    time.sleep(0.01)  # "longer ago than" no time at all
    assert store.jobs.purge(age_s=0)
    assert sender(store).check()
    assert nothing_left(client)


def test_the_environment_s_proxy_is_not_taken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HTTP_PROXY", "http://127.0.0.1:9/")
    with receiving() as receiver:
        ended(store, receiver.url)
        assert sender(store).check()
        assert len(receiver.received) == 1
