"""A receiver of webhooks: a real HTTP server in a thread, which responds as configured."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came in, and how to answer: statuses to give in turn, the last one for ever; "hang" never answers."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[Any] = field(default_factory=lambda: [204])
    closing: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> Any:
        """Return how to answer now."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving(*answers: Any, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Receive on a free port of 127.0.0.1."""
    receiver = Receiver()
    receiver.answers = list(answers) or [204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append(Received(path=self.path, headers=dict(self.headers), body=body))
            answer = receiver.next_answer()
            if answer == "hang":
                receiver.closing.wait()
            elif answer == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not receiver.closing.wait(0.05):
                    self.wfile.write(b"X-Drip: drop\r\n")
            elif answer == "flood":
                self.send_response(200)
                self.end_headers()
                while not receiver.closing.is_set():
                    self.wfile.write(b"x" * 65536)
            elif answer == "garbage":
                self.wfile.write(b"not HTTP at all\r\n\r\n")
            else:
                self.send_response(answer)
                if 300 <= answer < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def handle(self) -> None:
            """Bear callers that hang up."""
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/hooks?a=b"
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
