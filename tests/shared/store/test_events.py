"""Reading a job's events while they are written."""

import threading

import redis

from shared.store import EventLog, keys

JOB_ID = "job_01m86z6zv2e5vq8r8b3z3w8k4d"


def test_what_is_added_while_a_page_is_read_does_not_look_trimmed(redis_url: str, client: "redis.Redis") -> None:
    log, done = EventLog(client), threading.Event()

    def write() -> None:
        with redis.Redis.from_url(redis_url) as other:
            for _ in range(2_000):
                other.xadd(keys.events(JOB_ID), {"type": "log", "data": "{}"})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    last = "0-0"
    while not done.is_set():
        page = log.read(JOB_ID, after=last)
        assert not page.trimmed
        last = page.events[-1].id if page.events else last
    writer.join()


def test_events_that_were_trimmed_unread_are_reported_as_missing(client: "redis.Redis") -> None:
    ids = [str(client.xadd(keys.events(JOB_ID), {"type": "log", "data": "{}"})) for _ in range(5)]
    log = EventLog(client)
    assert not log.read(JOB_ID, after="0-0").trimmed
    client.xtrim(keys.events(JOB_ID), maxlen=2, approximate=False)
    assert log.read(JOB_ID, after="0-0").trimmed
    assert not log.read(JOB_ID, after=ids[3]).trimmed
    assert not log.read("job_of_nobody").trimmed
