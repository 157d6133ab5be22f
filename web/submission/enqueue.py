"""Send a job on its way: files to the volume, its record to the store, its id to the broker, in this order.

A crash between two steps loses nothing that was answered: without a record there was no answer, and a record whose
message was not sent is sent by a reaper.
"""

import logging
from typing import BinaryIO

from shared.broker import Broker
from shared.errors import Refused, StoreUnavailable
from shared.jobs.record import Job, NewJob
from shared.store import Store
from shared.volume import Volume

log = logging.getLogger(__name__)


def submit(
    job: NewJob,
    *,
    store: Store,
    broker: Broker,
    volume: Volume,
    upload: BinaryIO | None = None,
    max_bytes: int = 0,
    repeated: bool = False,
    caller: str = "",
    most_queued: int = 0,
) -> Job:
    """Queue a job and return its record.

    Args:
        job: what is to be done, its options resolved.
        store: where records are kept.
        broker: who wakes a worker.
        volume: where the job has its files.
        upload: an import's file.
        max_bytes: the most that `upload` may hold.
        repeated: another try may have made this very job, or be making it now. On an error its files stay for the next
            try, but where it was refused.
        caller: who sends it.
        most_queued: jobs of theirs that may wait, 0: any number.

    Raises:
        Conflict: what it needs is being deleted.
        TooManyQueued: as many of the caller's jobs wait as may.
        TooLarge, InvalidRequest: the upload won't do.
        StoreUnavailable, VolumeUnavailable: nothing was queued, nothing is left behind.
    """
    if repeated and (made := volume.jobs.asked(job.id)):
        job = made
    else:
        if repeated:
            volume.jobs.remove(job.id)  # the folder of a try that died before it had written what was asked
        volume.jobs.create(job, upload, max_bytes=max_bytes)
    try:
        record = store.jobs.create(job, caller=caller, most_queued=most_queued)
    except BaseException as exc:
        if not repeated or (isinstance(exc, Refused) and store.jobs.find(job.id) is None):
            volume.jobs.remove(job.id)
        raise
    try:
        broker.send(job.id, job.queue)
        store.jobs.sent(job.id)
    except StoreUnavailable as exc:
        log.warning("%s is queued; its message will be sent by a reaper: %s", job.id, exc)
    return record
