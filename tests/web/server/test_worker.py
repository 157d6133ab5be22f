"""Requests as bytes: what gunicorn refuses, what is pipelined, what waits for "100 Continue", and large responses."""

import json
import re
import socket

import httpx
import pytest

from tests.web.locked import bearer
from tests.web.serving import Served
from tests.web.world import API

JOBS = f"{API}/jobs"
#: What is sent, and the status.
REFUSED = {
    "a long address": (f"GET {{}}?{'x' * 5000} HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"),
    "half of a long address": (f"GET {{}}?{'x' * 5000}", 414, "uri_too_long"),
    "a long header": (f"GET {{}} HTTP/1.1\r\nX: {'x' * 9000}\r\n\r\n", 431, "headers_too_large"),
    "many headers": ("GET {} HTTP/1.1\r\n" + "X: x\r\n" * 101 + "\r\n", 431, "headers_too_large"),
    "an endless head": ("GET {} HTTP/1.1\r\n" + "X: x\r\n" * 20_000, 431, "headers_too_large"),
    "no colon": ("GET {} HTTP/1.1\r\nHost x\r\n\r\n", 400, "malformed"),
    "a bare line feed": ("GET {} HTTP/1.1\nHost: x\n\n", 400, "malformed"),
    "a second length": ("POST {} HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400, "malformed"),
    "a strange coding": ("POST {} HTTP/1.1\r\nTransfer-Encoding: snail\r\n\r\n", 501, "not_implemented"),
    "a strange expectation": ("POST {} HTTP/1.1\r\nExpect: miracles\r\n\r\n", 417, "expectation_failed"),
    "half a body": ("POST {} HTTP/1.1\r\nContent-Length: 9\r\n\r\n{{", 408, "timeout"),
    "an absolute address": ("GET http://localhost{} HTTP/1.1\r\nHost x\r\n\r\n", 400, "malformed"),
}


def exchange(served: Served, sent: bytes, *, until: bytes = b"") -> bytes:
    """Send bytes and return what is answered, up to `until` or the end of the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(sent)
        received = b""
        while not (until and until in received) and (piece := connection.recv(65_536)):
            received += piece
    return received


@pytest.mark.parametrize(("sent", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_a_request_refused_before_the_application_is_a_problem_under_api(
    impatient: Served, sent: str, status: int, code: str
) -> None:
    head, _, body = exchange(impatient, sent.format(JOBS).encode()).partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    problem = json.loads(body)
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert head.startswith(f"HTTP/1.1 {status} {problem['title']}\r\n".encode())
    assert (problem["status"], problem["code"]) == (status, code)
    assert f"X-Request-Id: {problem['request_id']}".encode() in head
    assert b"Content-Type: text/plain" in exchange(impatient, sent.format("/jobs").encode())


def test_pipelined_requests_are_answered_in_order(impatient: Served) -> None:
    """And a body that belongs to one isn't taken for the next."""
    sent = [
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\nPOST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n\r",
        "POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    ]
    answer = exchange(impatient, "".join(sent).encode()).decode()
    assert re.findall(r"HTTP/1.1 (\d+)[^\0]*?Connection: ([\w-]+)", answer) == [
        ("200", "keep-alive"),
        ("405", "keep-alive"),
        ("405", "close"),  # the chunks weren't read
    ]


def test_a_client_that_waits_for_100_continue_gets_it_once(impatient: Served) -> None:
    head = "POST /login HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"a=bc")
        assert re.match(rb"HTTP/1\.1 4\d\d ", connection.recv(65_536))


@pytest.mark.parametrize("part", [None, (1_000_000, 3_999_999)])
def test_a_large_response_comes_whole_to_a_client_that_reads_in_small_pieces(
    impatient: Served, part: tuple[int, int] | None
) -> None:
    text = "".join(f"line {number}\n" for number in range(400_000))
    url = f"{impatient.url}{API}/corpora?name=x"
    sent = httpx.post(url, content=text.encode(), headers=bearer() | {"Content-Type": "text/plain"}, timeout=60)
    assert sent.is_success, sent.text
    request = f"GET {API}/corpora/{sent.json()['id']}/text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    request += f"Authorization: {bearer()['Authorization']}\r\n"
    if part is not None:
        request += f"Range: bytes={part[0]}-{part[1]}\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", impatient.port))
        connection.sendall(f"{request}\r\n".encode())
        received = bytearray()
        while piece := connection.recv(3000):
            received += piece
    first, last = part or (0, len(text))
    assert received.partition(b"\r\n\r\n")[2].decode() == text[first : last + 1]
