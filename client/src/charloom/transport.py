"""Requests and answers: the address, the key, errors as exceptions, and trying again where that is safe.

Tried again are: connections that never came about, 429 and 503 (both mean that nothing was done), and, of requests that
may be repeated without harm, every broken connection and 502 or 504 too. A create may be repeated: its Idempotency-Key
makes the server give the first answer again.
"""

import email.utils
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from charloom.errors import ApiError, CharloomError, Unreachable, error_of
from charloom.records import Record

R = TypeVar("R", bound=Record)

#: Seconds that a connection, and the next bytes of an answer, may take.
CONNECT_S, READ_S = 5.0, 60.0
#: Names of this machine: a proxy of the environment is for the world outside.
_LOOPBACK = ("localhost", "127.", "[::1]", "::1")
#: Paths that the client adds itself.
_API_PATH = re.compile(r"/api(/v1)?/?$")
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
#: Statuses that say "not now": nothing was done.
_NOT_NOW = (429, 503)
#: Statuses of a proxy that doesn't know whether something was done.
_UNKNOWN = (502, 504)


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """How often and how long to try again."""

    #: Tries at most, the first included.
    tries: int = 6
    #: Seconds before the second try; doubled with each, and spread, so that many clients don't come at once.
    first_wait_s: float = 0.2
    #: Longest wait, seconds; a server that asks for a longer one is taken as an error.
    most_wait_s: float = 30.0

    def wait_s(self, number: int) -> float:
        """Return the seconds to wait after the `number`th failure, from 1."""
        return float(min(self.most_wait_s, self.first_wait_s * 2 ** (number - 1)) * random.uniform(0.5, 1.0))


class Transport:
    """One server, as bytes."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        retrying: Retrying,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is connected yet. Raises CharloomError where address or key can't be ones."""
        self.url = url if "://" in url else f"http://{url}"
        self.retrying = retrying
        self.sleep = sleep
        headers = {"User-Agent": "charloom-client", "Accept": "application/json"}
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise CharloomError("The API key holds characters that no key has; look at CHARLOOM_API_KEY.")
            headers["Authorization"] = f"Bearer {api_key}"
        try:
            parsed = httpx.URL(self.url)
            host = parsed.host
            self.http = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
                trust_env=not host.startswith(_LOOPBACK),
                transport=transport,
            )
        except (httpx.InvalidURL, ValueError) as exc:
            raise CharloomError(f"{url!r} is no address of a server: {exc}") from exc
        if not host or parsed.scheme not in ("http", "https") or not 0 < (parsed.port or 80) < 2**16:
            raise CharloomError(f"{url!r} is no address of a server; one looks like http://127.0.0.1:8000")
        if _API_PATH.search(parsed.path):
            server = parsed.copy_with(path=_API_PATH.sub("", parsed.path) or "/")
            raise CharloomError(f"{url} is the address of the API; give the server's, {str(server).rstrip('/')}")

    def send(
        self, method: str, path: str, *, repeatable: bool | None = None, tries: int | None = None, **how: Any
    ) -> httpx.Response:
        """Send a request and return its answer, read.

        Args:
            method: GET, POST and so on.
            path: what is called, without the server's address.
            repeatable: whether sending it twice does no harm; every method but POST is, when left out.
            tries: other than what `retrying` says.
            how: what httpx takes: params, json, files, data, content, headers.

        Raises:
            Unreachable, ApiError.
        """
        may_repeat = method != "POST" if repeatable is None else repeatable
        most = tries or self.retrying.tries
        failures = 0
        while True:
            failures += 1
            try:
                answer = self.http.request(method, path, **how)
            except httpx.TransportError as exc:
                never_sent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if failures >= most or not (may_repeat or never_sent):
                    raise Unreachable(self.url, describe(exc)) from exc
                self.sleep(self.retrying.wait_s(failures))
                continue
            except (httpx.InvalidURL, httpx.DecodingError) as exc:
                raise CharloomError(f"{method} {path}: {exc}") from exc
            if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
                return answer
            if method == "DELETE" and failures > 1 and answer.status_code == httpx.codes.NOT_FOUND:
                return answer  # an earlier try came through, only its answer was lost
            asked_s = retry_after_s(answer)
            again = answer.status_code in (*_NOT_NOW, *(_UNKNOWN if may_repeat else ()))
            wait_s = self.retrying.wait_s(failures) if asked_s is None else asked_s
            if not again or failures >= most or wait_s > self.retrying.most_wait_s:
                raise error_of(answer, retry_after_s=asked_s)
            self.sleep(wait_s)

    @contextmanager
    def stream(self, method: str, path: str, *, read_s: float, **how: Any) -> Iterator[httpx.Response]:
        """Open an answer whose body is read bit by bit; sent once. Raises httpx.TransportError as it comes."""
        with self.http.stream(method, path, timeout=httpx.Timeout(read_s, connect=CONNECT_S), **how) as answer:
            yield answer

    def document(self, method: str, path: str, **how: Any) -> Mapping[str, Any]:
        """Send a request and return the JSON object that it is answered with. Raises Unreachable, ApiError."""
        answer = self.send(method, path, **how)
        try:
            found = answer.json()
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._not_charloom(answer)
        return found

    def text(self, path: str) -> str:
        """Return the text at a path. Raises Unreachable, ApiError."""
        answer = self.send("GET", path)
        try:
            return answer.content.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise self._not_charloom(answer) from exc

    def record(self, kind: type[R], method: str, path: str, **how: Any) -> R:
        """Send a request and return the record that it is answered with. Raises Unreachable, ApiError."""
        return self.read(kind, self.document(method, path, **how))

    def read(self, kind: type[R], document: Mapping[str, Any]) -> R:
        """Make a record. Raises ApiError where a field is missing."""
        try:
            return kind.model_validate(document)
        except ValidationError as exc:
            wrong = ", ".join(".".join(str(part) for part in error["loc"]) for error in exc.errors())
            raise ApiError(
                status=200,
                code="not_charloom",
                detail=f"{self.url} answers with a {kind.__name__.lower()} that can't be read (fields: {wrong}).",
            ) from exc

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _not_charloom(self, answer: httpx.Response) -> ApiError:
        detail = f"{self.url} answers, but not as Charloom does."
        return ApiError(status=answer.status_code, code="not_charloom", detail=detail)


def retry_after_s(answer: httpx.Response) -> float | None:
    """Return the seconds that an answer asks to wait: a number or a date in its Retry-After."""
    asked = answer.headers.get("Retry-After", "").strip()
    if not asked:
        return None
    if asked.isdigit():
        return float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def describe(error: Exception) -> str:
    """Put a broken connection into words."""
    words = str(error).strip()
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_S:g} s"
    if isinstance(error, httpx.TimeoutException):
        return "nothing came for too long"
    return _ERRNO.sub("", words) or type(error).__name__
