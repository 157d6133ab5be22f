"""Waiting for the end of a job, which groups of calls share."""

import time

from charloom.errors import TimedOut, TooManyRequests, Unavailable, Unreachable
from charloom.ids import api_path, id_of
from charloom.job_records import Job
from charloom.stream import PATIENCE_S
from charloom.transport import Transport

#: Seconds that one request waits for the end of a job; the server allows 30.
POLL_S = 20.0
#: Seconds between two requests if the server doesn't wait.
LOOK_S = 1.0


async def get_job(transport: Transport, job: Job | str, *, wait_s: float) -> Job:
    """Return a job now, or when it has ended or `wait_s` seconds have passed."""
    params = {"wait": f"{wait_s:g}"} if wait_s else {}
    return await transport.record(Job, "GET", api_path("jobs", id_of(job, "job")), params=params)


async def wait_for(
    transport: Transport, job: Job | str, *, timeout_s: float | None = None, patience_s: float = PATIENCE_S
) -> Job:
    """Return a job when it has ended. Arguments and errors are those of `Jobs.wait`."""
    begun = heard_at = time.monotonic()
    while True:
        asked_at = time.monotonic()
        left_s = POLL_S if timeout_s is None else timeout_s - (asked_at - begun)
        try:
            found = await get_job(transport, job, wait_s=max(0.0, min(POLL_S, left_s)))
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
            await transport.sleep(LOOK_S if timeout_s is None else min(LOOK_S, max(0.0, left_s)))
