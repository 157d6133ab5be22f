"""A job's events to its end, across broken connections and restarts of the server.

Each connection continues after the last event received (`Last-Event-ID`), so none is lost and none comes twice. If the
server no longer has some of the events, `reset` with the whole job comes first.
"""

import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, replace

import httpx

from charloom.errors import Unreachable, error_of
from charloom.events import AnyEvent, DoneEvent, ResetEvent, read_event
from charloom.ids import api_path
from charloom.job_records import Outcome
from charloom.sse import Parser
from charloom.transport import TRY_AGAIN, Transport, describe, retry_after_s

#: Seconds without a byte after which a connection counts as dead: the server pings every 15.
SILENCE_S = 40.0
#: Seconds without any response after which watching ends.
PATIENCE_S = 300.0
#: Longest wait between two attempts, seconds: a server that is back should soon be noticed.
MAX_WAIT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Silence:
    """No event came for a while."""

    #: Why, if the server can't be reached; "" if it can, and there was no event.
    reason: str


async def watch(
    transport: Transport,
    job_id: str,
    *,
    after: str = "",
    silence_s: float = SILENCE_S,
    patience_s: float = PATIENCE_S,
    now: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[AnyEvent | Silence, None]:
    """Yield a job's events, `done` last, and a Silence if none came for a while.

    Args:
        transport: the server.
        job_id: the job.
        after: id of the event to continue after; from the beginning if "".
        silence_s: seconds without a byte before a Silence and a new connection.
        patience_s: seconds without any response before Unreachable.
        now: the clock.

    Raises:
        Unreachable, ApiError.
    """
    path = api_path("jobs", job_id, "events")
    retrying = replace(transport.retrying, most_wait_s=MAX_WAIT_S)
    heard_at, failures, last_id = now(), 0, after
    end: Outcome | None = None
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        wait_s, reason = 0.0, ""
        try:
            async with transport.stream("GET", path, read_s=silence_s, headers=headers) as stream:
                response = stream.response
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                if not response.is_success:
                    await stream.read()
                    problem = error_of(response, retry_after_s=retry_after_s(response))
                    if response.status_code not in TRY_AGAIN:
                        raise problem
                    failures += 1
                    wait_s = min(patience_s, problem.retry_after_s or retrying.wait_s(failures))
                    reason = str(problem)
                else:
                    heard_at, parser = now(), Parser()
                    while chunk := await stream.chunk():
                        for event in _events(parser, chunk):
                            heard_at, failures = now(), 0
                            last_id = event.id or last_id
                            yield event
                            if isinstance(event, DoneEvent):
                                return
                            end = event.data if isinstance(event, ResetEvent) and event.data.ended else end
                    if end is not None:  # the events are gone: only the record knows the end
                        yield DoneEvent(data=Outcome(status=end.status, result=end.result, error=end.error))
                        return
                    failures += 1
                    wait_s = retrying.wait_s(failures)  # the server is shutting down
        except httpx.ReadTimeout:
            pass
        except (httpx.TransportError, httpx.DecodingError) as exc:
            failures += 1
            wait_s, reason = retrying.wait_s(failures), describe(exc)
        if now() - heard_at > patience_s:
            raise Unreachable(transport.url, reason or f"nothing came for {patience_s:g} s")
        yield Silence(reason=reason)
        if wait_s:
            await transport.sleep(wait_s)


def _events(parser: Parser, chunk: bytes) -> Iterator[AnyEvent]:
    for message in parser.feed(chunk):
        try:
            data = json.loads(message.data)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            yield read_event(id=message.id, type=message.event, data=data)
