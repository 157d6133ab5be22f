"""Servers that misbehave, on real sockets: one with scripted responses, and a proxy that cuts connections."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One response; status 0 breaks the connection without one."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


def problem(status: int, detail: str, **more: Any) -> Reply:
    """Return a response that is a problem document."""
    document = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": "no", **more}
    return Reply(
        status=status, body=json.dumps(document).encode(), headers={"Content-Type": "application/problem+json"}
    )


def recording(waits: list[float]) -> Callable[[float], Coroutine[Any, Any, None]]:
    """Return a transport's `sleep` that doesn't wait, and notes how long it should have."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return sleep


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request received."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Scripted:
    """Responds to each request with the next reply; the last one is repeated."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append(Asked(method=self.command, path=self.path, headers=dict(self.headers), body=body))
                reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                if reply.status == 0:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(reply.status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            do_GET = do_HEAD = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815 (the names that http.server calls)

            def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the base's name)
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Cutting:
    """A proxy that cuts each connection after so many bytes of responses."""

    def __init__(self, port: int, *, cut_after: Callable[[int], int | None]) -> None:
        """Listen.

        Args:
            port: the server's port on this machine.
            cut_after: returns for a connection's number, from 0, how many bytes of responses pass; None for all.
        """
        self._port = port
        self._cut_after = cut_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            _end(one)
        self._thread.join()

    def _accept(self) -> None:
        threads = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            server = socket.create_connection(("127.0.0.1", self._port))
            self._open += [client, server]
            left = self._cut_after(self.connections)
            self.connections += 1
            threads += [
                threading.Thread(target=self._pass, args=(client, server, None)),
                threading.Thread(target=self._pass, args=(server, client, left)),
            ]
            for thread in threads[-2:]:
                thread.start()
        for thread in threads:
            thread.join()

    def _pass(self, source: socket.socket, target: socket.socket, left: int | None) -> None:
        try:
            while left is None or left > 0:
                found = source.recv(4096)
                if not found:
                    break
                found = found if left is None else found[:left]
                left = None if left is None else left - len(found)
                target.sendall(found)
        except OSError:
            pass
        _end(source)
        _end(target)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
