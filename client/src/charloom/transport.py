"""Requests and responses: address, key, errors as exceptions, and retries where they are safe.

Sent again are: requests whose connection never came about, and those answered by 429 or 503 (nothing was done then)
or by a 409 with Retry-After (the first one is still being carried out); and, if repeating them does no harm, those
answered by 502 or 504 and those whose connection broke. A request that makes a job may be repeated, since its
Idempotency-Key makes the server return the first response again.

The coroutines here are for both clients (`charloom/calls.py`); what differs is in `charloom/blocking_transport.py` and
`charloom/async_transport.py`.
"""

import email.utils
import random
import re
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import httpx
from pydantic import ValidationError

from charloom.errors import ApiError, CharloomError, Unreachable, error_of
from charloom.record import Record
from charloom.tracing import trace_headers

R = TypeVar("R")
Kind = TypeVar("Kind", bound=Record)

#: Seconds for a connection, and for the next bytes of a response.
CONNECT_S, READ_S = 5.0, 60.0
#: Names of this machine; proxies of the environment aren't used for them.
_LOOPBACK = ("localhost", "127.", "[::1]", "::1")
#: Paths that the client adds itself.
_API_PATH = re.compile(r"/api(/v1)?/?$")
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
#: Statuses that mean "not now": nothing was done.
_NOT_NOW = (429, 503)
#: Statuses of a proxy that doesn't know whether anything was done.
_UNKNOWN = (502, 504)
#: Statuses after which a stream or a download is tried again.
TRY_AGAIN = (*_NOT_NOW, *_UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """How often and how long to retry."""

    #: Attempts at most, the first included.
    tries: int = 6
    #: Seconds before the second attempt; doubled with each, and randomized, so that many clients don't come at once.
    first_wait_s: float = 0.2
    #: Longest wait, seconds; a server that asks for a longer one is treated as an error.
    most_wait_s: float = 30.0

    def wait_s(self, number: int) -> float:
        """Return the seconds to wait after the `number`th failure, from 1."""
        return float(min(self.most_wait_s, self.first_wait_s * 2 ** (number - 1)) * random.uniform(0.5, 1.0))


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A response whose body is read in chunks."""

    response: httpx.Response
    #: Return the next bytes of the body; b"" at its end.
    chunk: Callable[[], Awaitable[bytes]]
    #: Read the whole body, so that the response can be used like any other.
    read: Callable[[], Awaitable[bytes]]


class Transport(ABC):
    """One server."""

    #: Whether no coroutine ever waits for an event loop.
    blocking: ClassVar[bool]
    http: httpx.Client | httpx.AsyncClient
    #: The place in a trace that the process was started with.
    inherited_trace: str | None = None

    def __init__(self, url: str, *, api_key: str | None, retrying: Retrying) -> None:
        """Prepare; nothing is connected yet. Raises CharloomError if address or key can't be one."""
        self.url = url if "://" in url else f"http://{url}"
        self.retrying = retrying
        headers = {"User-Agent": "charloom-client", "Accept": "application/json"}
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise CharloomError("The API key contains characters that no key has; see CHARLOOM_API_KEY.")
            headers["Authorization"] = f"Bearer {api_key}"
        try:
            parsed = httpx.URL(self.url)
        except (httpx.InvalidURL, ValueError) as exc:
            raise CharloomError(f"{url!r} is not the address of a server: {exc}") from exc
        if not parsed.host or parsed.scheme not in ("http", "https") or not 0 < (parsed.port or 80) < 2**16:
            raise CharloomError(f"{url!r} is not the address of a server, such as http://127.0.0.1:8000")
        if _API_PATH.search(parsed.path):
            server = parsed.copy_with(path=_API_PATH.sub("", parsed.path) or "/")
            raise CharloomError(f"{url} is the address of the API; give the server's, {str(server).rstrip('/')}")
        local = parsed.host.startswith(_LOOPBACK)
        self._http_options: Mapping[str, Any] = {
            "base_url": parsed,
            "headers": headers,
            "timeout": httpx.Timeout(READ_S, connect=CONNECT_S),
            "trust_env": not local,
            # To read the certificates of all authorities takes 40 ms. Without TLS none is needed, and none is trusted.
            "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if local and parsed.scheme == "http" else True,
        }

    @abstractmethod
    async def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request once and return its response, read."""

    @abstractmethod
    def stream(self, method: str, path: str, *, read_s: float, **how: Any) -> AbstractAsyncContextManager[Streamed]:
        """Send a request once and open its response; at most `read_s` seconds may pass without a byte."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait."""

    @abstractmethod
    async def run(self, function: Callable[[], R]) -> R:
        """Call a function that takes a while, such as one that reads a large file."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    async def send(
        self, method: str, path: str, *, repeatable: bool | None = None, tries: int | None = None, **how: Any
    ) -> httpx.Response:
        """Send a request, with retries, and return its response, read.

        Args:
            method: GET, POST and so on.
            path: path and query.
            repeatable: whether sending it twice does no harm; if left out, yes for all methods but POST.
            tries: attempts at most, if not `retrying.tries`.
            how: arguments of httpx: params, json, files, data, headers, timeout.

        Raises:
            Unreachable, ApiError.
        """
        may_repeat = method != "POST" if repeatable is None else repeatable
        how["headers"] = {**trace_headers(self.inherited_trace), **how.get("headers", {})}
        most = tries or self.retrying.tries
        failures = 0
        while True:
            failures += 1
            try:
                response = await self.request(method, path, **how)
            except httpx.TransportError as exc:
                never_sent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if failures >= most or not (may_repeat or never_sent):
                    raise Unreachable(self.url, describe(exc)) from exc
                await self.sleep(self.retrying.wait_s(failures))
                continue
            except (httpx.InvalidURL, httpx.DecodingError) as exc:
                raise CharloomError(f"{method} {path}: {exc}") from exc
            if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
                return response
            if method == "DELETE" and failures > 1 and response.status_code == httpx.codes.NOT_FOUND:
                return response  # an earlier attempt succeeded, only its response was lost
            asked_s = retry_after_s(response)
            in_progress = response.status_code == httpx.codes.CONFLICT and asked_s is not None
            again = in_progress or response.status_code in (*_NOT_NOW, *(_UNKNOWN if may_repeat else ()))
            wait_s = self.retrying.wait_s(failures) if asked_s is None else asked_s
            if not again or failures >= most or wait_s > self.retrying.most_wait_s:
                raise error_of(response, retry_after_s=asked_s)
            await self.sleep(wait_s)

    async def document(self, method: str, path: str, **how: Any) -> Mapping[str, Any]:
        """Send a request and return the JSON object of its response. Raises Unreachable, ApiError."""
        response = await self.send(method, path, **how)
        try:
            found = response.json()
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._not_charloom(response)
        return found

    async def text(self, path: str) -> str:
        """Return the text at a path. Raises Unreachable, ApiError."""
        response = await self.send("GET", path)
        try:
            return response.content.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise self._not_charloom(response) from exc

    async def record(self, kind: type[Kind], method: str, path: str, **how: Any) -> Kind:
        """Send a request and return its response as a record. Raises Unreachable, ApiError."""
        return self.read(kind, await self.document(method, path, **how))

    def read(self, kind: type[Kind], document: Mapping[str, Any]) -> Kind:
        """Validate a record. Raises ApiError if a field is missing or wrong."""
        try:
            return kind.model_validate(document)
        except ValidationError as exc:
            wrong = ", ".join(".".join(str(part) for part in error["loc"]) for error in exc.errors())
            raise ApiError(
                status=200,
                code="not_charloom",
                detail=f"{self.url} responds with a {kind.__name__.lower()} that can't be read (fields: {wrong}).",
            ) from exc

    def _not_charloom(self, response: httpx.Response) -> ApiError:
        detail = f"{self.url} responds, but not as Charloom does."
        return ApiError(status=response.status_code, code="not_charloom", detail=detail)


def retry_after_s(response: httpx.Response) -> float | None:
    """Return the seconds to wait that a response asks for: a number or a date in its Retry-After."""
    asked = response.headers.get("Retry-After", "").strip()
    if not asked:
        return None
    if asked.isdigit():
        return float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def describe(error: Exception) -> str:
    """Return the reason of a broken connection, for people."""
    words = str(error).strip()
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_S:g} s"
    if isinstance(error, httpx.TimeoutException):
        return "no response in time"
    return _ERRNO.sub("", words) or type(error).__name__
