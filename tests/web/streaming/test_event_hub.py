"""One reader for all subscriptions: each gets every event once, in order, or learns that it missed some."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import redis

from shared.errors import StoreUnavailable
from shared.jobs.events import Event, EventType
from shared.jobs.record import Status
from shared.store import Claim, Store, connect
from shared.store.connection import MAX_CONNECTIONS
from tests.jobs import make_job
from tests.waiting import eventually
from web.streaming import event_hub
from web.streaming.event_hub import BATCH, EventHub, RenderedEvent, Subscription


@pytest.fixture
def closing() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def hub(store: Store, closing: threading.Event) -> Iterator[EventHub]:
    hub = EventHub(store.events, closing=closing)
    yield hub
    hub.close()


def running(store: Store) -> Claim:
    job = make_job()
    store.jobs.create(job)
    claim = store.jobs.claim(job.id, worker="w", lease_s=3600)
    assert claim is not None
    return claim


def say(store: Store, claim: Claim, *numbers: int) -> None:
    events = [Event(type=EventType.LOG, data={"n": number}) for number in numbers]
    store.jobs.record(claim.job.id, claim.token, events=events)


def receive(subscription: Subscription, count: int) -> list[int]:
    """Wait for so many events, and return their numbers."""
    found: list[int] = []
    last = "0-0"

    def enough() -> bool:
        nonlocal last
        received, missing = subscription.wait(after=last, timeout_s=1)
        assert not missing
        found.extend(one.event.data["n"] for one in received)
        last = received[-1].event.id if received else last
        return len(found) >= count

    eventually(enough, f"{count} events")
    return found


def next_of(subscription: Subscription) -> Sequence[RenderedEvent]:
    return subscription.wait(after="0-0", timeout_s=1)[0]


def test_every_subscription_gets_every_event_of_its_job_once(store: Store, hub: EventHub) -> None:
    one, other = running(store), running(store)
    with ExitStack() as held:
        ours = [held.enter_context(hub.watch(one.job.id)) for _ in range(20)]
        theirs = held.enter_context(hub.watch(other.job.id))
        for number in range(30):
            say(store, one, number)
        say(store, other, 100, 101)
        assert [receive(subscription, 30) for subscription in ours] == [list(range(30))] * 20
        assert receive(theirs, 2) == [100, 101]


def test_what_is_received_twice_is_delivered_once(store: Store, hub: EventHub) -> None:
    """A watcher that fetched what came after its subscription began."""
    claim = running(store)
    with hub.watch(claim.job.id) as subscription:
        say(store, claim, 1, 2, 3)
        fetched = store.events.read(claim.job.id).events
        eventually(lambda: len(subscription._events) == 3, "the reader has them too")
        say(store, claim, 4)
        eventually(lambda: len(subscription._events) == 4, "and one more")
        received, missing = subscription.wait(after=fetched[-1].id, timeout_s=1)
    assert ([one.event.data["n"] for one in received], missing) == ([4], False)


def test_an_event_is_serialized_once_for_all(store: Store, hub: EventHub) -> None:
    claim = running(store)
    with hub.watch(claim.job.id) as first, hub.watch(claim.job.id) as second:
        say(store, claim, 1)
        received = [eventually(partial(next_of, subscription)) for subscription in (first, second)]
    assert received[0][0] is received[1][0]
    assert received[0][0].text.endswith('event: log\ndata: {"n":1}\n\n')


def test_a_slow_subscription_learns_that_events_are_missing(
    store: Store, hub: EventHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_hub, "_WAITING", 10)
    claim = running(store)
    with hub.watch(claim.job.id) as slow, hub.watch(claim.job.id) as quick:
        for number in range(20):
            say(store, claim, number)
            assert receive(quick, 1) == [number]
        received, missing = slow.wait(after="0-0", timeout_s=1)
        assert (list(received), missing) == ([], True)
        say(store, claim, 20)
        assert receive(quick, 1) == [20]
        assert receive(slow, 1) == [20], "it is even again"


def test_a_full_batch_may_have_a_gap_before_it(store: Store, hub: EventHub) -> None:
    claim = running(store)
    with hub.watch(claim.job.id) as subscription:
        say(store, claim, *range(BATCH))

        def missing() -> bool:
            return subscription.wait(after="0-0", timeout_s=1)[1]

        eventually(missing, "it has to fetch")


def test_without_redis_subscriptions_fail(tmp_path: Path, closing: threading.Event) -> None:
    store = Store(connect(f"unix://{tmp_path}/nobody.sock"))
    hub = EventHub(store.events, closing=closing)
    with pytest.raises(StoreUnavailable), hub.watch("job_x"):
        pass
    subscription = Subscription()
    subscription.fail()
    with pytest.raises(StoreUnavailable):
        subscription.wait(after="0-0", timeout_s=0)


def test_a_waiting_subscription_fails_when_redis_goes_away(
    store: Store, hub: EventHub, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = running(store)

    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    with hub.watch(claim.job.id) as subscription:
        say(store, claim, 1)
        assert receive(subscription, 1) == [1]
        monkeypatch.setattr(client, "xread", away)

        def failed() -> bool:
            try:
                subscription.wait(after="0-0", timeout_s=1)
            except StoreUnavailable:
                return True
            return False

        eventually(failed, "the subscription fails")
        monkeypatch.undo()
        with hub.watch(claim.job.id) as next_one:
            say(store, claim, 2)
            assert receive(next_one, 1) == [2], "the reader goes on"


def test_the_end_of_the_process_wakes_everybody(store: Store, hub: EventHub, closing: threading.Event) -> None:
    claim = running(store)
    woken: list[Sequence[object]] = []

    def wait() -> None:
        with hub.watch(claim.job.id) as subscription:
            while not closing.is_set():
                woken.append(subscription.wait(after="9999999999999-0", timeout_s=3600)[0])

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(hub._jobs.get(claim.job.id, event_hub._Watched(last="")).subscriptions) == 5, "all wait")
    closing.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert hub._jobs == {}


def test_jobs_that_nobody_watches_are_not_read(store: Store, hub: EventHub) -> None:
    claim = running(store)
    with hub.watch(claim.job.id), hub.watch(claim.job.id):
        assert set(hub._jobs) == {claim.job.id}
    assert hub._jobs == {}


def test_more_threads_than_connections_are_all_answered(store: Store) -> None:
    """redis-py's own pool refuses the 101st; ours lets them wait."""
    claim = running(store)
    start, failed = threading.Barrier(4 * MAX_CONNECTIONS), list[Exception]()

    def ask() -> None:
        start.wait()
        try:
            for _ in range(5):
                store.jobs.get(claim.job.id)
        except StoreUnavailable as exc:
            failed.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(4 * MAX_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_feed_of_one_kind_is_not_woken_by_others(store: Store, hub: EventHub) -> None:
    claim = running(store)
    with hub.watch(claim.job.id, only=EventType.DONE) as done, hub.watch(claim.job.id) as all_of_it:
        say(store, claim, 1)
        receive(all_of_it, 1)
        assert not done._events
        store.jobs.finish(claim.job.id, claim.token, Status.SUCCEEDED)
        assert [one.event.type for one in done.wait(after="0-0", timeout_s=60)[0]] == [EventType.DONE]


def test_a_subscription_after_others_learns_that_events_are_missing(store: Store, hub: EventHub) -> None:
    claim = running(store)
    last = store.events.last_id(claim.job.id)
    with hub.watch(claim.job.id) as first:
        say(store, claim, 1)
        receive(first, 1)
        with hub.watch(claim.job.id, after=last, only=EventType.DONE) as late:
            assert late.wait(after=last, timeout_s=60) == ([], True)


def test_a_subscription_after_an_event_gets_all_that_came_since(store: Store, hub: EventHub) -> None:
    claim = running(store)
    job, last = store.jobs.watched(claim.job.id)
    assert job == store.jobs.get(claim.job.id)
    say(store, claim, 1, 2)
    with hub.watch(claim.job.id, after=last) as subscription:
        assert receive(subscription, 2) == [1, 2]


def test_the_reader_rests_once_all_watched_jobs_have_ended_and_is_there_for_the_next(
    store: Store, hub: EventHub
) -> None:
    first, second = running(store), running(store)
    with hub.watch(first.job.id) as subscription:
        store.jobs.finish(first.job.id, first.token, Status.SUCCEEDED)
        eventually(
            lambda: any(one.event.type is EventType.DONE for one in next_of(subscription)), "the end is received"
        )
        eventually(lambda: hub._asked is None, "the reader asks for nothing")
        with hub.watch(second.job.id) as other:
            say(store, second, 1)
            assert receive(other, 1) == [1]
