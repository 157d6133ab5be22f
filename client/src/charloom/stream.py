"""A job's events to their end, through broken connections and servers that are restarted.

Each connection goes on after the last event that came (`Last-Event-ID`), so nothing is missed and nothing comes twice.
Where the server has forgotten some events, `reset` with the whole job comes first.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import httpx

from charloom.errors import Unreachable, error_of
from charloom.lines import messages
from charloom.records import ENDED, Event
from charloom.transport import Transport, describe, retry_after_s

#: Seconds without a byte after which a connection counts as dead: the server pings every 15.
SILENCE_S = 40.0
#: Seconds without any answer after which it is given up.
PATIENCE_S = 300.0
#: Longest wait between two tries, seconds: a server that is back should soon be noticed.
MAX_WAIT_S = 5.0
#: Statuses after which it is worth trying again.
_NOT_NOW = (429, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Nothing came for a while."""

    #: Why, where the server can't be reached; "" where it is there and has nothing to tell.
    reason: str


def watch(
    transport: Transport,
    job_id: str,
    *,
    after: str = "",
    silence_s: float = SILENCE_S,
    patience_s: float = PATIENCE_S,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Event | Silence]:
    """Yield a job's events, `done` last, and a Silence wherever none came for a while.

    Args:
        transport: the server.
        job_id: whose events.
        after: id of the event to go on after; from the beginning when "".
        silence_s: seconds without a byte before a Silence, and before the connection is made anew.
        patience_s: seconds without any answer before Unreachable.
        now: the clock.

    Raises:
        Unreachable, ApiError.
    """
    retrying = replace(transport.retrying, most_wait_s=MAX_WAIT_S)
    heard_at, failures, last_id = now(), 0, after
    over: Event | None = None
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        wait_s, reason = 0.0, ""
        try:
            with transport.stream("GET", f"/api/v1/jobs/{job_id}/events", read_s=silence_s, headers=headers) as answer:
                if answer.status_code == httpx.codes.NO_CONTENT:
                    return
                if not answer.is_success:
                    answer.read()
                    problem = error_of(answer, retry_after_s=retry_after_s(answer))
                    if answer.status_code not in _NOT_NOW:
                        raise problem
                    failures += 1
                    wait_s = min(patience_s, problem.retry_after_s or retrying.wait_s(failures))
                    reason = str(problem)
                else:
                    heard_at = now()
                    for event in _events(answer):
                        heard_at, failures = now(), 0
                        last_id = event.id or last_id
                        yield event
                        if event.type == "done":
                            return
                        over = event if event.type == "reset" and event.data.get("status") in ENDED else over
                    if over is not None:
                        # The job's events are gone: the record is all there is to tell of its end.
                        told = {name: over.data.get(name) for name in ("status", "result", "error")}
                        yield Event(type="done", data=told)
                        return
                    failures += 1
                    wait_s = retrying.wait_s(failures)  # the server ends, or is to end
        except httpx.ReadTimeout:
            pass
        except (httpx.TransportError, httpx.DecodingError) as exc:
            failures += 1
            wait_s, reason = retrying.wait_s(failures), describe(exc)
        if now() - heard_at > patience_s:
            raise Unreachable(transport.url, reason or f"nothing came for {patience_s:g} s")
        yield Silence(reason=reason)
        if wait_s:
            transport.sleep(wait_s)


def _events(answer: httpx.Response) -> Iterator[Event]:
    for message in messages(answer.iter_bytes()):
        try:
            data = json.loads(message.data)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            yield Event(id=message.id, type=message.event, data=data)
