"""Messages that somebody else has put into the queues: they run nothing, harm nothing, and the worker goes on."""

import base64
import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads

from shared.broker import Broker, make_app
from shared.jobs.record import Queue, Status
from shared.volume import Corpus
from tests.waiting import eventually
from tests.worker.cluster import Cluster


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.target),))


@pytest.fixture
def bomb(tmp_path: Path) -> Iterator[tuple[bytes, Path]]:
    """Give a pickle, and the file that it would make."""
    target = tmp_path / "exploded"
    yield pickle.dumps(([Bomb(target)], {}, {})), target
    assert not target.exists()


def put(cluster: Cluster, body: bytes, *, kind: str, encoding: str, headers: Mapping[str, Any] | None = None) -> None:
    """Put a message into the queue of trainings, as raw as Redis would hold it."""
    task = {"task": "run.train", "id": "x", "lang": "py", "argsrepr": "", "kwargsrepr": "", "root_id": "x"}
    message = {
        "body": base64.b64encode(body).decode(),
        "content-type": kind,
        "content-encoding": encoding,
        "headers": task | dict(headers or {}),
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "train"},
            "delivery_tag": base64.b32encode(body[:10]).decode(),
            "correlation_id": "x",
            "body_encoding": "base64",
            "priority": 0,
        },
    }
    app = make_app(cluster.settings)
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.client.lpush("train", json.dumps(message))


def test_the_pickle_would_go_off(bomb: tuple[bytes, Path]) -> None:
    pickle.loads(bomb[0])  # noqa: S301 (that is the point)
    assert bomb[1].exists()
    bomb[1].unlink()


def messages(pickled: bytes) -> list[dict[str, Any]]:
    """List what a stranger might send."""

    def as_json(body: object, **headers: Any) -> dict[str, Any]:
        return {
            "body": body if isinstance(body, bytes) else json.dumps(body).encode(),
            "kind": "application/json",
            "encoding": "utf-8",
            "headers": headers,
        }

    ours = [["job_" + "0" * 26], {}, {"callbacks": None}]
    chained = {"chain": [{"task": "run.train", "args": ["job_1"], "kwargs": {}, "options": {}}]}
    return [
        {"body": pickled, "kind": "application/x-python-serialize", "encoding": "binary"},
        {"body": pickled, "kind": "pickle", "encoding": "binary"},
        {"body": b"!!python/object/apply:os.system ['true']", "kind": "application/x-yaml", "encoding": "utf-8"},
        {"body": b"\x93", "kind": "application/x-msgpack", "encoding": "binary"},
        as_json(pickled),
        as_json(b"\xff\xfe"),
        as_json(b"[" * 100_000),
        as_json({}),
        as_json([]),
        as_json([ours[0], {}, []]),
        as_json([ours[0], {"x": 1}, {}]),
        as_json([[], {}, {}]),
        as_json([[["job_1"]], {}, {}]),
        as_json([["../../etc/passwd"], {}, {}]),
        as_json([["job_1\nERROR a forged line"], {}, {}]),
        as_json([ours[0], {}, chained]),
        as_json([ours[0], {}, {"callbacks": [{"task": "os.system", "args": ["true"]}]}]),
        as_json(ours, task="os.system"),
        as_json(ours, task=["run.train"]),
        as_json(ours, id=["x"]),
        as_json(ours, eta="never"),
        as_json(ours, expires="1999-01-01T00:00:00"),
        as_json(ours, timelimit=[1, 1]),
        as_json(ours, stamps=[1]),
    ]


def test_strange_messages_are_dropped_and_the_worker_goes_on(
    cluster: Cluster, corpus: Corpus, bomb: tuple[bytes, Path]
) -> None:
    pickled, target = bomb
    strange = messages(pickled)
    for message in strange:
        put(cluster, **message)
    with cluster.worker("w-foreign") as worker:
        eventually(lambda: Broker.of(cluster.settings).waiting(Queue.TRAIN) == 0, "all are taken")
        job = cluster.ended(cluster.train(corpus))
        assert job.status is Status.SUCCEEDED, job.error
        assert worker.poll() is None
    assert not target.exists()
    log = (cluster.logs / "w-foreign.log").read_text()
    assert log.count("A message that isn't Charloom's was dropped") == len(strange)
    assert "forged" not in log
    assert "Traceback" not in log


def test_the_application_reads_json_alone(cluster: Cluster, bomb: tuple[bytes, Path]) -> None:
    """Celery checks each message as well: nothing but JSON is ever deserialized."""
    accepted = make_app(cluster.settings).conf.accept_content
    assert accepted == ["json"]
    with pytest.raises(ContentDisallowed):
        loads(bomb[0], "application/x-python-serialize", "binary", accept=accepted)  # type: ignore[no-untyped-call]
