"""The HTTP API as the command line calls it: requests, problems in words, and a job's events as they come."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

API = "/api/v1"
#: Seconds that one answer may take; a waiting request waits far shorter.
TIMEOUT_S = 30.0
#: Longest silence on a stream, seconds, before the caller gets to do something else.
STREAM_SILENCE_S = 1.0
#: Seconds before a broken stream is taken up again.
RECONNECT_S = 0.5


class ApiError(Exception):
    """The service refused or can't be reached; the words are its own."""


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """One server-sent event."""

    id: str
    type: str
    data: Mapping[str, Any]


class Client:
    """A caller of one service; use it in a `with` block."""

    def __init__(self, url: str) -> None:
        # Proxies of the environment are for the world outside; a loopback service is none of it.
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Store a text and return the corpus. Raises ApiError."""
        return self._call("POST", "/corpora", files={"file": (name, content)}, data={"name": name})

    def text(self, corpus_id: str) -> str:
        """Return a corpus' text as it is stored. Raises ApiError."""
        return self._request("GET", f"/corpora/{corpus_id}/text").text

    def create(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a job of a kind ("train", "generate") and return it. Raises ApiError."""
        return self._call("POST", f"/{kind}-jobs", json=request)

    def job(self, job_id: str, *, wait_s: int = 0) -> dict[str, Any]:
        """Return a job, once it has ended or `wait_s` seconds are over. Raises ApiError."""
        return self._call("GET", f"/jobs/{job_id}", params={"wait": wait_s} if wait_s else {})

    def events(self, job_id: str) -> Iterator[StreamEvent | None]:
        """Follow a job's events to its end, over broken connections too.

        Yields:
            The events in order; None when none came for a while, so that the caller can look around.

        Raises:
            ApiError: the service refuses.
        """
        last_id = ""
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
            timeout = httpx.Timeout(TIMEOUT_S, read=STREAM_SILENCE_S)
            try:
                with self._http.stream(
                    "GET", f"{API}/jobs/{job_id}/events", headers=headers, timeout=timeout
                ) as answer:
                    if answer.status_code == httpx.codes.NO_CONTENT:
                        return
                    if answer.is_error:
                        answer.read()
                        raise ApiError(_explain(answer))
                    for event in _parse(answer.iter_lines()):
                        last_id = event.id or last_id
                        yield event
                        if event.type == "done":
                            return
            except httpx.ReadTimeout:
                yield None
            except httpx.TransportError:
                yield None
                time.sleep(RECONNECT_S)

    def _call(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        body: dict[str, Any] = self._request(method, path, **how).json()
        return body

    def _request(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, f"{API}{path}", **how)
        except httpx.TransportError as exc:
            raise ApiError(f"{self._http.base_url} doesn't answer: {exc}") from exc
        if answer.is_error:
            raise ApiError(_explain(answer))
        return answer


def _parse(lines: Iterator[str]) -> Iterator[StreamEvent]:
    """Read server-sent events, as far as this service writes them: one data line each."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield StreamEvent(
                id=fields.get("id", ""), type=fields.get("event", "message"), data=json.loads(fields["data"])
            )
            fields = {}


def _explain(answer: httpx.Response) -> str:
    """Put a problem document (RFC 9457) into words."""
    try:
        problem = answer.json()
        detail = str(problem["detail"])
        errors = problem.get("errors") or []
        more = [f"{error['pointer']}: {error['detail']}" for error in errors if error["detail"] not in detail]
    except (ValueError, KeyError, TypeError):
        return f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}"
    return "\n  ".join([detail, *more])
