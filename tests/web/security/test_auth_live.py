"""Keys at a real gunicorn's socket, and what its log says of the clients."""

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.preloaded import popen
from tests.waiting import eventually
from tests.web.locked import ANNA, WRONG, bearer, token_in
from tests.web.serving import ROOT, Served, serve
from tests.web.world import API, BOOK

#: Signs the sessions.
SIGNING = "sign" * 10
#: What a name may hold that would forge a line of a log or move a terminal's cursor.
ODD_NAME = "odd \N{SNOWMAN}\nERROR forged line \x1b[31mred../../etc/passwd"


@pytest.fixture(scope="module")
def locked_server(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    variables = {
        "CHARLOOM_API_KEYS": f"anna:{ANNA}",
        "CHARLOOM_SECRET_KEY": SIGNING,
        "CHARLOOM_LOG_LEVEL": "DEBUG",
        "CHARLOOM_WEB_STALL_S": "2",
    }
    with serve(valkey, tmp_path_factory.mktemp("locked"), **variables) as served:
        yield served


@pytest.fixture
def http(locked_server: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=locked_server.url, trust_env=False) as client:
        yield client


def test_a_key_opens_and_none_does_not(http: httpx.Client) -> None:
    assert http.get("/healthz").status_code == 200
    assert http.get(f"{API}/jobs").status_code == 401
    assert http.get(f"{API}/jobs", headers=bearer()).status_code == 200
    with http.stream("GET", f"{API}/jobs/job_{'0' * 26}/events", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.status_code == 401


def test_a_book_sent_without_a_key_is_refused_with_the_reason(http: httpx.Client) -> None:
    for content in (b"x" * 5_000_000, iter([b"x" * 100_000] * 50)):
        answer = http.post(f"{API}/corpora?name=x", content=content, headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert not list(http.get(f"{API}/corpora", headers=bearer()).json()["data"])


@pytest.mark.parametrize("size", [10_000, 10_000_000])
@pytest.mark.parametrize("path", [f"{API}/corpora?name=x", "/login", "/write"])
def test_a_stranger_who_sends_slowly_is_cut_off(locked_server: Served, path: str, size: int) -> None:
    """Or a few of them would hold every thread."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\na little"
    if path == "/login":
        head = head.replace("text/plain", "application/x-www-form-urlencoded")
    with socket.create_connection(("127.0.0.1", locked_server.port), timeout=60) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65_536)
        assert re.match(rb"HTTP/1\.1 4\d\d ", answer), "it answers without the rest"
        while connection.recv(65_536):  # and hangs up
            pass


def send_raw(served: Served, request: bytes) -> bytes:
    """Send bytes as they are and return the answer's."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    return received


BROKEN = [
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {ANNA}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization{ANNA} : Bearer\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n {ANNA}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: \0{ANNA}\r\n\r\n",
    f"Authorization: Bearer {ANNA}\r\n\r\n",
    f"{ANNA} / HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /?{ANNA} HTTP/{ANNA}\r\nHost: x\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ANNA}\r\nX: {'x' * 9000}\r\n\r\n",
    f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {ANNA}\r\n\r\n",
    f"POST {API}/train-jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ANNA}\r\nTransfer-Encoding: chunked\r\n\r\nx",
]


@pytest.mark.parametrize("request_text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_request_is_refused(locked_server: Served, request_text: str) -> None:
    assert re.match(rb"HTTP/1\.1 (4\d\d|501) ", send_raw(locked_server, request_text.encode()))


def test_no_key_no_session_no_text_and_no_forged_line_is_in_the_log(
    locked_server: Served, http: httpx.Client, valkey: str
) -> None:
    # Given: somebody who does all kinds of things, some of them wrong, and one thing that breaks.
    for request_text in BROKEN:
        send_raw(locked_server, request_text.encode())
    corpus = http.post(f"{API}/corpora", files={"file": (ODD_NAME, BOOK.encode())}, headers=bearer())
    assert corpus.status_code == 201
    body = {"corpus_id": corpus.json()["id"], "name": ODD_NAME, "x": ANNA}
    http.post(f"{API}/train-jobs", json=body, headers=bearer())
    http.get(f"{API}/jobs?api_key={ANNA}", headers=bearer())
    http.get(f"{API}/jobs", headers=bearer(WRONG))
    http.get(f"/jobs/%0aERROR forged line {ANNA}")
    page = http.get("/login")
    form = {"csrf_token": token_in(page.text), "key": ANNA, "next": "/jobs"}
    entered = http.post("/login", data=form)
    assert entered.status_code == 303
    [session] = [value for name, value in http.cookies.items() if "session" in name]
    with redis.Redis.from_url(valkey) as client:
        client.set("charloom:index:train:queued", "not a sorted set")
        try:
            assert http.get(f"/jobs?{ANNA}").status_code == 503
            assert http.get(f"{API}/jobs", headers=bearer()).status_code == 503
        finally:
            client.delete("charloom:index:train:queued")
    # Then
    log = locked_server.log.read_text()
    assert "A broken request from 127.0.0.1: Invalid HTTP Header" in log
    assert "A wrong key was sent from 127.0.0.1" in log
    for secret in (ANNA, WRONG, SIGNING, session, BOOK[:20], "snow", "\N{SNOWMAN}"):
        assert secret not in log, secret
    assert "\nERROR forged line" not in log
    assert "\x1b" not in log


def test_gunicorn_believes_no_header_about_scheme_and_address(locked_server: Served) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    answer = httpx.get(f"{locked_server.url}/login", headers=headers, trust_env=False)
    assert "Secure" not in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "CHARLOOM_API_KEYS"),
        ({"CHARLOOM_API_KEYS": f"{ANNA},short"}, "key 2 has 5 characters"),
        ({"CHARLOOM_API_KEYS": f"{ANNA}"}, ""),
        ({"CHARLOOM_ALLOW_ANONYMOUS": "1"}, ""),
    ],
)
def test_a_server_without_keys_binds_loopback_only(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    variables = {"CHARLOOM_HOST": "0.0.0.0", "CHARLOOM_PORT": "0", "CHARLOOM_DATA_DIR": str(tmp_path)} | changes  # noqa: S104
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARLOOM_")}
    log = tmp_path / "log"
    with log.open("wb") as output:
        words = [sys.executable, "-m", "gunicorn", "web:create_app()"]
        process = popen(words, cwd=ROOT, environment=kept | variables, stdout=output)
    try:
        if says:
            assert process.wait(60) == 1
            assert says in log.read_text()
            assert "Listening" not in log.read_text()
        else:
            eventually(lambda: "Listening at: http://0.0.0.0" in log.read_text(), "it listens")
        assert ANNA not in log.read_text()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)
