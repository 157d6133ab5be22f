"""POSTs to URLs that users chose, but never to forbidden addresses.

A name is resolved once, each of its addresses is checked, and the connection goes to a checked one: resolving again
could yield another (DNS rebinding). No proxy is used and no redirect followed, little of the response is read, and one
deadline holds for everything, so that a receiver that drips bytes blocks nobody.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpcore

from shared.requests.webhook_urls import Network, WebhookUrl, refusal_of_address

#: Seconds for a whole call.
CALL_S = 15.0
#: Bytes of a response that are read; only its status is used.
_MAX_BYTES = 16 * 1024
#: Most addresses of one name that are tried.
_MAX_ADDRESSES = 4


class Unreachable(Exception):
    """The receiver can't or may not be called."""


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises Unreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise Unreachable(f"the name {host} can't be resolved: {exc}") from exc
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Caller:
    """Posts to receivers. Thread-safe: each call has its own connection."""

    def __init__(
        self,
        *,
        allowed: Iterable[Network],
        tls: ssl.SSLContext,
        call_s: float = CALL_S,
        resolve: Callable[[str, int], list[str]] = look_up,
    ) -> None:
        """Make a caller that may also reach the networks in `allowed`."""
        self._resolve = resolve
        self._allowed = list(allowed)
        self._tls = tls
        self._call_s = call_s

    def post(self, receiver: WebhookUrl, headers: Mapping[str, str], body: bytes) -> int:
        """Post a body and return the response's status. Raises Unreachable with the reason."""
        deadline = time.monotonic() + self._call_s
        backend = _CheckedBackend(receiver.scheme, self._allowed, deadline, self._resolve)
        url = httpcore.URL(
            scheme=receiver.scheme.encode(),
            host=receiver.host.encode(),
            port=receiver.port,
            target=receiver.target.encode(),
        )
        sent = [("Host", receiver.authority), ("Connection", "close"), ("Content-Length", str(len(body)))]
        limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._call_s)}
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend, max_connections=1) as pool,
                pool.stream("POST", url, headers=[*sent, *headers.items()], content=body, extensions=limits) as answer,
            ):
                read = 0
                for part in answer.iter_stream():
                    read += len(part)
                    if read > _MAX_BYTES:
                        break
                return answer.status
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as exc:
            raise Unreachable(str(exc) or type(exc).__name__) from exc


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only, within a deadline."""

    def __init__(
        self, scheme: str, allowed: Sequence[Network], deadline: float, resolve: Callable[[str, int], list[str]]
    ) -> None:
        self._scheme, self._allowed, self._deadline, self._resolve = scheme, allowed, deadline, resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve the name, check its addresses, and connect to one of them."""
        failed: Exception | None = None
        for address in self._checked(host, port):
            try:
                left = _left(self._deadline, timeout)
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failed = exc
            else:
                return _TimedStream(stream, self._deadline)
        raise failed or Unreachable(f"{host} has no address")

    def _checked(self, host: str, port: int) -> list[str]:
        addresses = self._resolve(host, port)
        for address in addresses:
            why_not = refusal_of_address(ipaddress.ip_address(address), self._scheme, self._allowed)
            if why_not is not None:
                raise Unreachable(why_not)
        return addresses[:_MAX_ADDRESSES]


class _TimedStream(httpcore.NetworkStream):
    """A stream whose operations end at a deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline, timeout))
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the receiver took too long")
    return left if timeout is None else min(left, timeout)
