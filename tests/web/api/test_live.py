"""What needs a real server: events as they happen, uploads of every kind, clients that hang up, and the end."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from shared.jobs.events import EventType
from tests.waiting import eventually
from tests.web.serving import STREAMS, Served, serve
from tests.web.world import API, BOOK, World, settings_of

SSE = {"Accept": "text/event-stream"}
#: More than any test lasts: nothing here waits for a time-out.
PATIENCE_S = 60


class Stream:
    """An open event stream, read block by block."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def block(self) -> str:
        """Return the next block: an event, a comment, or `retry`; "" at the end."""
        block: list[str] = []
        for line in self._lines:
            if not line:
                return "\n".join(block)
            block.append(line)
        return ""

    def event(self, kind: str) -> dict[str, Any]:
        """Read until an event of this kind and return its data."""
        while block := self.block():
            if f"event: {kind}" in block.splitlines():
                data: dict[str, Any] = json.loads(block.rpartition("data: ")[2])
                return data
        raise AssertionError(f"the stream ended without {kind!r}")


@contextmanager
def streaming(served: Served, job_id: str, **headers: str) -> Iterator[Stream]:
    """Open the event stream of a job."""
    address = f"{served.url}{API}/jobs/{job_id}/events"
    with httpx.Client(timeout=PATIENCE_S) as client:
        request = client.build_request("GET", address, headers=SSE | headers)

        def open_one() -> httpx.Response | None:
            answer = client.send(request, stream=True)
            if answer.status_code == 200:
                return answer
            assert answer.status_code == 503, "the places of streams that were left are free after a ping"
            answer.close()
            return None

        answer = eventually(open_one, "a place is free")
        assert answer is not None
        yield Stream(answer.iter_lines())
        answer.close()


@pytest.fixture
def job_id(live: World) -> str:
    written: str = live.write(live.model().id, prompt="the").json["id"]
    return written


def test_events_arrive_as_they_happen(served: Served, live: World, job_id: str) -> None:
    with streaming(served, job_id) as stream:
        assert stream.block() == "retry: 3000"
        assert stream.event("status")["status"] == "queued"
        claim = live.claim(job_id)
        assert stream.event("status")["status"] == "running"
        live.record(claim, (EventType.TEXT, {"index": 0, "offset": 0, "delta": "größer\n"}))
        assert stream.event("text") == {"index": 0, "offset": 0, "delta": "größer\n"}
        live.finish(claim, {"seed": 1})
        assert stream.event("done")["result"] == {"seed": 1}
        assert stream.block() == "", "it ends after done"


def test_a_silent_stream_pings(served: Served, job_id: str) -> None:
    with streaming(served, job_id) as stream:
        assert stream.event("status")
        assert stream.block() == ": ping"
        assert stream.block() == ": ping"


def test_a_stream_resumes_where_its_reader_was(served: Served, live: World, job_id: str) -> None:
    with streaming(served, job_id) as stream:
        stream.block()
        seen = stream.block().splitlines()[0].removeprefix("id: ")
    live.claim(job_id)
    with streaming(served, job_id, **{"Last-Event-ID": seen}) as stream:
        assert stream.event("status")["status"] == "running"


def test_clients_that_hang_up_free_their_places(served: Served, job_id: str) -> None:
    with ExitStack() as held:
        for _ in range(STREAMS):
            held.enter_context(streaming(served, job_id))
        refused = httpx.get(f"{served.url}{API}/jobs/{job_id}/events", headers=SSE, timeout=PATIENCE_S)
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert int(refused.headers["Retry-After"]) > 0
        assert httpx.get(f"{served.url}{API}/jobs/{job_id}").status_code == 200, "the rest still answers"
    with streaming(served, job_id) as stream:
        assert stream.event("status")


def test_it_ends_at_once_with_streams_and_polls_open(redis_url: str, tmp_path: Path) -> None:
    with serve(redis_url, tmp_path) as served:
        world = World(settings_of(redis_url, served.data_dir))
        job_id = world.write(world.model().id, prompt="the").json["id"]
        answers: list[httpx.Response] = []
        poll = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{served.url}{API}/jobs/{job_id}?wait=30", timeout=PATIENCE_S))
        )
        with redis.Redis.from_url(redis_url) as client:
            client.config_resetstat()
        with streaming(served, job_id) as stream:
            stream.event("status")
            poll.start()
            with redis.Redis.from_url(redis_url) as client:
                asked = "cmdstat_xrevrange"  # once by each who begins to watch
                eventually(lambda: client.info("commandstats")[asked]["calls"] == 2, "stream and poll wait")
            assert served.terminate() == 0
            while stream.block():
                pass
        poll.join()
        assert "killed" not in served.log.read_text().lower(), "no request outlived the grace"
        world.close()


def services_of(text: bytes) -> Iterator[bytes]:
    """Give a text in pieces, so that it is sent without a length."""
    for start in range(0, len(text), 1000):
        yield text[start : start + 1000]


@pytest.mark.parametrize("chunked", [True, False])
def test_a_text_comes_in_whole_however_it_is_sent(served: Served, live: World, chunked: bool) -> None:
    text = (BOOK + str(chunked)).encode()
    body = services_of(text) if chunked else text
    sent = httpx.post(f"{served.url}{API}/corpora?name=x", content=body, headers={"Content-Type": "text/plain"})
    assert sent.status_code == 201, sent.text
    assert live.get(f"/corpora/{sent.json()['id']}/text").data == text
    folder = served.data_dir / "corpora" / sent.json()["id"]
    assert [path for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077] == []


def speak(served: Served, head: str, body: bytes = b"", *, hang_up: bool = False) -> bytes:
    """Speak HTTP by hand and return the answer, "" where the line is dead."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S) as line:
        line.sendall(f"{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode() + body)
        if hang_up:
            line.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := line.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


BOUNDARY = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body"), [("text/plain", BOOK.encode()), ("multipart/form-data; boundary=x", BOUNDARY + BOOK.encode())]
)
@pytest.mark.parametrize("length", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["corpora", "models/import"])
def test_an_upload_that_is_cut_leaves_nothing(
    served: Served, live: World, kind: str, body: bytes, length: str, path: str
) -> None:
    before = live.traces()
    if "chunked" in length:
        body = b"%x\r\n%s\r\n%x\r\nbut no more" % (len(body), body, 5000)
    answer = speak(served, f"POST {API}/{path} HTTP/1.1\r\nContent-Type: {kind}\r\n{length}", body, hang_up=True)
    assert answer.split(b"\r\n")[0].split()[1] in (b"400", b"415")
    assert b"application/problem+json" in answer
    assert live.traces() == before


def test_a_broken_chunk_is_a_broken_request(served: Served, live: World) -> None:
    before = live.traces()
    head = f"POST {API}/corpora HTTP/1.1\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked"
    answer = speak(served, head, b"5\r\nhello\r\nzz\r\n", hang_up=True)
    assert answer.startswith(b"HTTP/1.1 400")
    assert live.traces() == before


def test_a_gigabyte_is_refused_by_its_length_before_it_comes(served: Served, live: World) -> None:
    before = live.traces()
    head = f"POST {API}/corpora HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: {1 << 30}"
    answer = speak(served, head)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"too_large"' in answer
    assert live.traces() == before


@pytest.mark.parametrize("form", [True, False])
def test_an_endless_upload_is_cut_at_the_limit(redis_url: str, tmp_path: Path, form: bool) -> None:
    limit = 4 << 20
    with serve(redis_url, tmp_path, CHARLOOM_MAX_CORPUS_BYTES=str(limit)) as served:
        sent = 0

        def endless() -> Iterator[bytes]:
            nonlocal sent
            yield BOUNDARY if form else b""
            while sent < 64 * limit:
                sent += 1 << 16
                yield b"all work and no play\n" * 3120 + b"made " * 3

        kind = "multipart/form-data; boundary=x" if form else "text/plain"
        answer = httpx.post(
            f"{served.url}{API}/corpora", content=endless(), headers={"Content-Type": kind}, timeout=PATIENCE_S
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert sent < 64 * limit
        assert {path.name for path in served.data_dir.rglob("*") if path.is_file()} <= {"volume.json"}


def test_the_head_of_a_stream_ends(served: Served, job_id: str) -> None:
    answer = speak(served, f"HEAD {API}/jobs/{job_id}/events HTTP/1.1\r\nAccept: text/event-stream")
    assert answer.startswith(b"HTTP/1.1 200")
