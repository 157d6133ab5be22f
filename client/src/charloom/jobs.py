"""The calls for jobs."""

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from charloom.calls import Calls, M, call, iterate
from charloom.errors import TimedOut, TooManyRequests, Unavailable, Unreachable
from charloom.events import AnyEvent
from charloom.ids import api_path, check_event_id, id_of
from charloom.listing import items, joined
from charloom.records import Item, Job, Listing, Metric
from charloom.stream import PATIENCE_S, SILENCE_S, Silence, watch
from charloom.values import JobStatus, JobType, Order

#: Seconds that one request waits for the end of a job; the server allows 30.
POLL_S = 20.0
#: Seconds between two requests if the server doesn't wait.
LOOK_S = 1.0
#: Items of a list that one request brings.
ITEMS_PAGE = 1000


class Jobs(Calls[M]):
    """Calls for jobs. All raise Unreachable and ApiError; those that take an id raise InvalidId."""

    @call
    async def get(self, job: Job | str, *, wait_s: float = 0) -> Job:
        """Return a job now, or when it has ended or `wait_s` seconds (at most 30) have passed. Raises NotFound."""
        return await self._get(job, wait_s=wait_s)

    @iterate
    async def list(
        self,
        *,
        type: JobType | Sequence[JobType] | None = None,  # noqa: A002 (the name in the API)
        status: JobStatus | Sequence[JobStatus] | None = None,
        model_id: str | None = None,
        order: Order = "desc",
        after: str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Yield jobs, newest first.

        Args:
            type: only jobs of this type, or of one of these types.
            status: only jobs with this status, or one of these.
            model_id: only jobs that made or used this model.
            order: "desc" for newest first.
            after: only jobs after the one with this id.
            limit: how many at most.
        """
        query = {"type": joined(type), "status": joined(status), "model_id": model_id, "order": order, "after": after}
        async for job in items(self._transport, Job, api_path("jobs"), query, limit=limit):
            yield job

    @call
    async def cancel(self, job: Job | str) -> Job:
        """Cancel a job and return it; a running one is `cancelling` until its worker has noticed.

        Raises:
            Conflict: it has succeeded or failed. NotFound.
        """
        path = api_path("jobs", id_of(job, "job"), "cancel")
        return await self._transport.record(Job, "POST", path, repeatable=True)

    @call
    async def resume(self, job: Job | str, *, idempotency_key: str | None = None) -> Job:
        """Resume a failed or cancelled training, as a new job with the same options, and return the new job.

        Raises:
            Conflict: it can't be resumed; the message says why. NotFound.
        """
        path = api_path("jobs", id_of(job, "job"), "resume")
        return await self._transport.record(Job, "POST", path, headers=key_header(idempotency_key), repeatable=True)

    @call
    async def wait(self, job: Job | str, *, timeout_s: float | None = None, patience_s: float = PATIENCE_S) -> Job:
        """Return a job when it has ended, successfully or not (see `Job.check`).

        Args:
            job: the job.
            timeout_s: seconds to wait at most.
            patience_s: seconds to keep trying while the server can't be reached: it may be restarted meanwhile.

        Raises:
            TimedOut, Unreachable, NotFound.
        """
        begun = heard_at = time.monotonic()
        while True:
            asked_at = time.monotonic()
            left_s = POLL_S if timeout_s is None else timeout_s - (asked_at - begun)
            try:
                found = await self._get(job, wait_s=max(0.0, min(POLL_S, left_s)))
            except (Unreachable, Unavailable, TooManyRequests):
                if time.monotonic() - heard_at > patience_s:
                    raise
            else:
                heard_at = time.monotonic()
                if found.ended:
                    return found
            if timeout_s is not None and time.monotonic() - begun >= timeout_s:
                raise TimedOut(f"{id_of(job, 'job')} has not ended within {timeout_s:g} s.")
            if time.monotonic() - asked_at < LOOK_S:
                await self._transport.sleep(LOOK_S if timeout_s is None else min(LOOK_S, max(0.0, left_s)))

    @iterate
    async def events(
        self, job: Job | str, *, after: str = "", patience_s: float = PATIENCE_S
    ) -> AsyncGenerator[AnyEvent, None]:
        """Yield the events of a job until it has ended (`done`), across broken connections and restarts.

        Args:
            job: the job.
            after: id of the event to continue after; from the beginning if left out.
            patience_s: seconds to keep trying while the server can't be reached.

        Raises:
            Unreachable, NotFound.
        """
        async with aclosing(self._watch(job, after=after, patience_s=patience_s)) as found:
            async for event in found:
                if not isinstance(event, Silence):
                    yield event

    @iterate
    async def watch(
        self, job: Job | str, *, after: str = "", silence_s: float = SILENCE_S, patience_s: float = PATIENCE_S
    ) -> AsyncGenerator[AnyEvent | Silence, None]:
        """Yield as `events`, and a Silence if none came for `silence_s` or the server can't be reached."""
        async with aclosing(self._watch(job, after=after, silence_s=silence_s, patience_s=patience_s)) as found:
            async for event in found:
                yield event

    @call
    async def metrics(self, job: Job | str) -> Sequence[Metric]:
        """Return every loss measured, oldest first. Raises NotFound."""
        page = await self._transport.record(Listing, "GET", api_path("jobs", id_of(job, "job"), "metrics"))
        return [self._transport.read(Metric, row) for row in page.data]

    @iterate
    async def items(
        self, job: Job | str, *, after: int | None = None, limit: int | None = None
    ) -> AsyncGenerator[Item, None]:
        """Yield the items that a generate job has written, in order.

        Args:
            job: the job, which has ended.
            after: only items after the one with this index.
            limit: how many at most.

        Raises:
            Conflict: the job is live. NotFound: it wrote no items.
        """
        path = api_path("jobs", id_of(job, "job"), "items")
        async for item in items(self._transport, Item, path, {"after": after}, limit=limit, page=ITEMS_PAGE):
            yield item

    async def _get(self, job: Job | str, *, wait_s: float) -> Job:
        params = {"wait": f"{wait_s:g}"} if wait_s else {}
        return await self._transport.record(Job, "GET", api_path("jobs", id_of(job, "job")), params=params)

    def _watch(
        self, job: Job | str, *, after: str, patience_s: float, silence_s: float = SILENCE_S
    ) -> AsyncGenerator[AnyEvent | Silence, None]:
        job_id, last_id = id_of(job, "job"), check_event_id(after)
        return watch(self._transport, job_id, after=last_id, silence_s=silence_s, patience_s=patience_s)


def key_header(key: str | None) -> dict[str, str]:
    """Return the Idempotency-Key header; with a new key if none is given."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}
