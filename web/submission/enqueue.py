"""Send a job on its way: files to the volume, its record to the store, its id to the broker, in this order.

A crash between two steps loses nothing that was answered: without a record there was no answer, and a record whose
message was not sent is sent by a reaper.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from shared.broker import Broker
from shared.errors import Refused, StoreUnavailable
from shared.jobs.record import Job, NewJob
from shared.store import Store
from shared.volume import Volume

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """Queues jobs for one caller."""

    store: Store
    broker: Broker
    volume: Volume
    #: The most that an uploaded file may have.
    max_upload_bytes: int = 0
    #: Who sends the jobs.
    caller: str = ""
    #: Jobs of theirs that may wait, 0: any number.
    max_queued: int = 0

    def submit(
        self,
        job: NewJob,
        upload: BinaryIO | None = None,
        *,
        retried: bool = False,
        room: Mapping[str, int] | None = None,
    ) -> Job:
        """Queue a job and return its record.

        Args:
            job: the job, its options resolved.
            upload: the file of an import or an extraction.
            retried: an earlier attempt may have made this very job, or may still be making it. On an error its files
                stay for the next attempt, unless the job was refused.
            room: as `JobStore.create`.

        Raises:
            Conflict: something that the job needs is being deleted.
            TooManyQueued: the caller already has as many waiting jobs as allowed.
            QuotaExceeded: there is no room for what the job makes.
            TooLarge, InvalidRequest: the upload can't be used.
            StoreUnavailable, VolumeUnavailable: nothing was queued, nothing is left behind.
        """
        if retried and (made := self.volume.jobs.asked(job.id)):
            job = made
        else:
            if retried:
                self.volume.jobs.remove(job.id)  # the folder of a try that died before it had written what was asked
            self.volume.jobs.create(job, upload, max_bytes=self.max_upload_bytes)
        try:
            record = self.store.jobs.create(job, caller=self.caller, most_queued=self.max_queued, room=room)
        except BaseException as exc:
            if not retried or (isinstance(exc, Refused) and self.store.jobs.find(job.id) is None):
                self.volume.jobs.remove(job.id)
            raise
        try:
            self.broker.send(job.id, job.queue)
            self.store.jobs.sent(job.id)
        except StoreUnavailable as exc:
            log.warning("%s is queued; its message will be sent by a reaper: %s", job.id, exc)
        return record
