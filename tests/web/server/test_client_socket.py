"""The socket that gunicorn's threads use: what it keeps, what it waits for, and how it ends."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually
from web.server.client_socket import MAX_BACKLOG_BYTES, ClientSocket

STALL_S = 0.2


class Pair:
    """A client socket, and the client."""

    def __init__(self) -> None:
        ours, self.client = socket.socketpair()
        self.notified = 0
        self.socket = ClientSocket(ours, stall_s=STALL_S, on_backlog=self._tell)

    def _tell(self) -> None:
        self.notified += 1


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.socket.release()
    pair.client.close()


def test_without_waiting_there_is_data_the_end_or_an_exception(pair: Pair) -> None:
    with pytest.raises(BlockingIOError):
        pair.socket.recv(10)
    pair.client.sendall(b"abc")
    assert pair.socket.recv(10) == b"abc"
    pair.client.close()
    assert pair.socket.recv(10) == b""


def test_a_thread_gives_up_a_client_that_sends_too_little(pair: Pair) -> None:
    """Not one byte now and then: they earn too little time."""
    pair.socket.setblocking(True)
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(STALL_S / 10):
            pair.client.send(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    while pair.socket.recv(10):
        pass
    stop.set()
    dripping.join()
    # For the next request it waits anew.
    pair.socket.setblocking(False)
    pair.socket.setblocking(True)
    pair.client.send(b"y")
    assert pair.socket.recv(1) in (b"x", b"y")


def test_time_that_the_application_takes_is_not_the_client_s(pair: Pair) -> None:
    pair.socket.setblocking(True)
    pair.client.send(b"abc")
    time.sleep(2 * STALL_S)
    pair.client.send(b"d")
    received = b""
    while len(received) < 4:
        received += pair.socket.recv(10) or b"-"
    assert received == b"abcd"


def test_what_the_client_does_not_read_is_kept_and_sent_in_order(pair: Pair) -> None:
    sent = b"".join(b"%07d\n" % number for number in range(MAX_BACKLOG_BYTES // 16))
    for start in range(0, len(sent), 50_000):
        pair.socket.sendall(sent[start : start + 50_000])
    assert pair.notified == 1
    assert pair.socket.backlog > 0
    received = bytearray()
    while len(received) < len(sent):
        received += pair.client.recv(70_000)
        pair.socket.flush()
    assert received == sent
    assert pair.socket.backlog == 0


def test_a_thread_waits_until_little_enough_is_kept_or_the_client_is_cut_off(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 40_000)
    failed: list[OSError] = []

    def send() -> None:
        with path.open("rb") as file:
            assert pair.socket.sendfile(file, 5, 2 * MAX_BACKLOG_BYTES) == 2 * MAX_BACKLOG_BYTES
            try:
                pair.socket.sendfile(file)
            except OSError as exc:
                failed.append(exc)

    thread = threading.Thread(target=send)
    thread.start()
    received = bytearray()
    while len(received) < 2 * MAX_BACKLOG_BYTES:
        received += pair.client.recv(50_000)
        pair.socket.flush()
    assert received[: 2 * MAX_BACKLOG_BYTES] == path.read_bytes()[5 : 5 + 2 * MAX_BACKLOG_BYTES]
    eventually(lambda: pair.socket.backlog > MAX_BACKLOG_BYTES, "the thread has more than is kept")
    assert thread.is_alive()
    pair.socket.abort()
    thread.join()
    assert failed
