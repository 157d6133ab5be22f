"""Clients without a key that hold connections: they are cut off, and others are served meanwhile."""

import resource
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.waiting import eventually
from tests.web.locked import ANNA
from tests.web.serving import Served, serve

CLIENTS = 1200
#: What is promised is one second; a busy machine gets more.
HEALTH_S = 5.0
#: Seconds after which the server under test gives a client up.
STALL_S = 2.0

KINDS = {
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
    "nothing": b"",
    "half a form": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nkey=",
    "half a chunked form": b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nkey=",
    "responses that are never read": b"GET /static/app.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 900,
}


@pytest.fixture(scope="module")
def impatient(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, max(files, 4 * CLIENTS)), most))
    folder = tmp_path_factory.mktemp("impatient")
    with serve(valkey, folder, CHARLOOM_WEB_STALL_S=str(STALL_S), CHARLOOM_API_KEYS=ANNA) as served:
        yield served


@pytest.mark.parametrize("sent", KINDS.values(), ids=KINDS)
def test_many_slow_clients_shut_nobody_out_and_are_cut_off(impatient: Served, sent: bytes) -> None:
    with ExitStack() as opened:
        clients = [opened.enter_context(socket.socket()) for _ in range(CLIENTS)]
        poll = select.poll()
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", impatient.port))
            client.setblocking(False)
            client.send(sent)
            poll.register(client, select.POLLRDHUP)
        for _ in range(3):
            answer = httpx.get(f"{impatient.url}/healthz", timeout=HEALTH_S)
            assert answer.status_code == 200
        eventually(lambda: len(poll.poll(0)) == CLIENTS, "all are cut off")
    assert "Traceback" not in impatient.log.read_text()
