"""The calls for jobs."""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from charloom.calls import Calls, M, call, iterate
from charloom.events import AnyEvent
from charloom.ids import api_path, check_event_id, id_of
from charloom.job_records import Item, Job, Metric
from charloom.listing import items, joined
from charloom.record import Listing
from charloom.stream import PATIENCE_S, SILENCE_S, Silence, watch
from charloom.values import JobStatus, JobType, Order
from charloom.waiting import get_job, wait_for

#: Items of a list that one request brings.
ITEMS_PAGE = 1000


class Jobs(Calls[M]):
    """Calls for jobs. All raise Unreachable and ApiError; those that take an id raise InvalidId."""

    @call
    async def get(self, job: Job | str, *, wait_s: float = 0) -> Job:
        """Return a job now, or when it has ended or `wait_s` seconds (at most 30) have passed. Raises NotFound."""
        return await get_job(self._transport, job, wait_s=wait_s)

    @iterate
    async def list(
        self,
        *,
        type: JobType | Sequence[JobType] | None = None,  # noqa: A002 (the name in the API)
        status: JobStatus | Sequence[JobStatus] | None = None,
        model_id: str | None = None,
        corpus_id: str | None = None,
        order: Order = "desc",
        after: str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Yield jobs, newest first.

        Args:
            type: only jobs of this type, or of one of these types.
            status: only jobs with this status, or one of these.
            model_id: only jobs that made or used this model.
            corpus_id: only jobs that used this corpus.
            order: "desc" for newest first.
            after: only jobs after the one with this id.
            limit: how many at most.
        """
        query = {"type": joined(type), "status": joined(status), "model_id": model_id, "corpus_id": corpus_id}
        query |= {"order": order, "after": after}
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
        return await wait_for(self._transport, job, timeout_s=timeout_s, patience_s=patience_s)

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

    def _watch(
        self, job: Job | str, *, after: str, patience_s: float, silence_s: float = SILENCE_S
    ) -> AsyncGenerator[AnyEvent | Silence, None]:
        job_id, last_id = id_of(job, "job"), check_event_id(after)
        return watch(self._transport, job_id, after=last_id, silence_s=silence_s, patience_s=patience_s)


def key_header(key: str | None) -> dict[str, str]:
    """Return the Idempotency-Key header; with a new key if none is given."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}
