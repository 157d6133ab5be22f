"""Jobs: look at them, wait for them, watch them, end them."""

import time
from collections.abc import Iterator, Sequence
from typing import Literal

from charloom.errors import TimedOut, TooManyRequests, Unavailable, Unreachable
from charloom.keys import key_header
from charloom.listing import every, joined
from charloom.records import Event, Job, Listing, Metric
from charloom.stream import PATIENCE_S, SILENCE_S, Silence, watch
from charloom.transport import Transport

_PATH = "/api/v1/jobs"
#: Seconds that one request waits for a job's end; the server allows 30.
POLL_S = 20.0
#: Seconds between two looks where the server has no place to wait in.
LOOK_S = 1.0


class Jobs:
    """Calls that concern jobs. Any of them raises Unreachable or ApiError. A job is named by its id or its record."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, job: Job | str, *, wait_s: float = 0) -> Job:
        """Return a job now, or once it has ended or `wait_s` seconds (30 at most) are over. Raises NotFound."""
        asked = {"wait": f"{wait_s:g}"} if wait_s else {}
        return self._transport.record(Job, "GET", f"{_PATH}/{_id(job)}", params=asked)

    def list(
        self,
        *,
        type: str | Sequence[str] | None = None,  # noqa: A002 (the name in the API)
        status: str | Sequence[str] | None = None,
        model_id: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Yield jobs, newest first.

        Args:
            type: "train", "generate", "import", or several of them.
            status: "queued", "running", "cancelling", "succeeded", "failed", "cancelled", or several of them.
            model_id: only those that made or use this model.
            order: "desc" for newest first.
            after: only those after this id.
            limit: so many at most.
        """
        query = {"type": joined(type), "status": joined(status), "model_id": model_id, "order": order, "after": after}
        return every(self._transport, Job, _PATH, query, limit=limit)

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job and return it; one that runs is `cancelling` until its worker has seen it.

        Raises:
            Conflict: it has ended otherwise. NotFound.
        """
        return self._transport.record(Job, "POST", f"{_PATH}/{_id(job)}/cancel", repeatable=True)

    def resume(self, job: Job | str, *, idempotency_key: str | None = None) -> Job:
        """Go on with a failed or cancelled training, as a new job with the same options.

        Raises:
            Conflict: there is nothing to go on with; it says why. NotFound.
        """
        return self._transport.record(
            Job, "POST", f"{_PATH}/{_id(job)}/resume", headers=key_header(idempotency_key), repeatable=True
        )

    def wait(self, job: Job | str, *, timeout_s: float | None = None, patience_s: float = PATIENCE_S) -> Job:
        """Return a job once it has ended, well or not (`check()` tells).

        Args:
            job: the one to wait for.
            timeout_s: seconds to wait at most.
            patience_s: seconds to go on trying while nobody answers: the server may be restarted meanwhile.

        Raises:
            TimedOut, Unreachable, NotFound.
        """
        begun = heard_at = time.monotonic()
        while True:
            left_s = POLL_S if timeout_s is None else timeout_s - (time.monotonic() - begun)
            asked_at = time.monotonic()
            try:
                found = self.get(job, wait_s=max(0.0, min(POLL_S, left_s)))
            except (Unreachable, Unavailable, TooManyRequests):
                if time.monotonic() - heard_at > patience_s:
                    raise
            else:
                heard_at = time.monotonic()
                if found.ended:
                    return found
            if timeout_s is not None and time.monotonic() - begun >= timeout_s:
                raise TimedOut(f"{_id(job)} has not ended within {timeout_s:g} s.")
            if time.monotonic() - asked_at < LOOK_S:
                self._transport.sleep(LOOK_S if timeout_s is None else min(LOOK_S, max(0.0, left_s)))

    def events(self, job: Job | str, *, after: str = "", patience_s: float = PATIENCE_S) -> Iterator[Event]:
        """Yield what happens to a job until it has ended (`done`), through broken connections and restarts.

        Args:
            job: the one to watch.
            after: go on after the event with this id; from the beginning when left out.
            patience_s: seconds to go on trying while nobody answers.

        Raises:
            Unreachable, NotFound.
        """
        told = self.watch(job, after=after, patience_s=patience_s)
        return (event for event in told if isinstance(event, Event))

    def watch(
        self, job: Job | str, *, after: str = "", silence_s: float = SILENCE_S, patience_s: float = PATIENCE_S
    ) -> Iterator[Event | Silence]:
        """Yield as `events`, and a Silence wherever none came for `silence_s` or the server couldn't be reached."""
        return watch(self._transport, _id(job), after=after, silence_s=silence_s, patience_s=patience_s)

    def metrics(self, job: Job | str) -> Sequence[Metric]:
        """Return every loss measured, oldest first. Raises NotFound."""
        page = self._transport.record(Listing, "GET", f"{_PATH}/{_id(job)}/metrics")
        return [self._transport.read(Metric, row) for row in page.data]


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id
