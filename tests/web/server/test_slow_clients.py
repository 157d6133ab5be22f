"""Clients without a key that hold connections: they are cut off, and others are served meanwhile."""

import select
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.waiting import eventually
from tests.web.server.conftest import CLIENTS
from tests.web.serving import Served, serve

#: What is promised is one second; a busy machine gets more.
HEALTH_S = 5.0
#: The server has ended the connection.
ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR

KINDS = {
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
    "nothing": b"",
    "half a form": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nkey=",
    "half a chunked form": b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nkey=",
    "responses that are never read": b"GET /static/app.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 900,
}


def connect(opened: ExitStack, served: Served, number: int, sent: bytes = b"") -> select.poll:
    """Open connections, send the same on each, and return what sees them closed by the server."""
    poll = select.poll()
    for _ in range(number):
        client = opened.enter_context(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", served.port))
        client.setblocking(False)
        client.send(sent)
        poll.register(client, select.POLLIN | select.POLLRDHUP)
    return poll


def count(poll: select.poll, event: int) -> int:
    """Return how many clients have something to read, or were cut off."""
    return sum(bool(events & event) for _, events in poll.poll(0))


@pytest.mark.parametrize("sent", KINDS.values(), ids=KINDS)
def test_many_slow_clients_shut_nobody_out_and_are_cut_off(impatient: Served, sent: bytes) -> None:
    with ExitStack() as opened:
        poll = connect(opened, impatient, CLIENTS, sent)
        if b"/static/" in sent:  # 1,200 good requests: after them the clients hold up nothing
            eventually(lambda: count(poll, select.POLLIN | ENDED) == CLIENTS, "all are answered")
        for _ in range(3):
            assert httpx.get(f"{impatient.url}/healthz", timeout=HEALTH_S).status_code == 200
        eventually(lambda: count(poll, ENDED) == CLIENTS, "all are cut off")
    assert "Traceback" not in impatient.log.read_text()


def test_one_address_gets_a_share_of_the_connections(redis_url: str, tmp_path: Path) -> None:
    """The oldest give way; none is cut off for its time here."""
    share = 1024
    with serve(redis_url, tmp_path, CHARLOOM_WEB_STALL_S="600") as served, ExitStack() as opened:
        poll = connect(opened, served, CLIENTS)
        eventually(lambda: count(poll, ENDED) == CLIENTS - share, "those beyond the share are closed")
        assert httpx.get(f"{served.url}/healthz", timeout=HEALTH_S).status_code == 200
        assert count(poll, ENDED) == CLIENTS - share + 1
