"""A log of every training step, with its attempt and times, by which the fault tests judge.

Written only if CHARLOOM_STEP_LOG names a folder, one file per process, outside the volume (which may be full). Times
are CLOCK_BOOTTIME, which all processes of one machine share; `spent` is processor time. A line is written by a single
`write`, so that only the last line of a killed process can be incomplete.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.jobs.lease import boottime
from worker.training.events import TrainEvent

#: Of a line.
VERSION = 1


class StepLog:
    """The log of one process; without a folder nothing is written."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file = -1
        self._pid = 0

    def follow(self, events: Iterator[TrainEvent], *, job_id: str, token: int, worker: str) -> Iterator[TrainEvent]:
        """Yield a training's events, and log how long each was computed."""
        if self._folder is None:
            yield from events
            return
        who = {"job": job_id, "token": token, "worker": worker}
        while True:
            began, worked = boottime(), time.process_time()
            event = next(events, None)
            if event is None:
                return
            spent = time.process_time() - worked
            self._write({**who, "step": event.step, "began": began, "ended": boottime(), "spent": spent})
            yield event

    def refuse(self, *, job_id: str, token: int, worker: str) -> None:
        """Log that an attempt lost its job."""
        self._write({"job": job_id, "token": token, "worker": worker, "refused": boottime()})

    def _write(self, line: dict[str, Any]) -> None:
        if self._folder is None:
            return
        if self._pid != os.getpid():  # a forked child writes to a file of its own
            self._pid = os.getpid()
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self._pid}-{boottime():.3f}.jsonl"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(self._file, (json.dumps({"version": VERSION, **line}) + "\n").encode())
