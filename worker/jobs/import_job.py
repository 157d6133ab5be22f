"""Run an import job: reads an uploaded model file with every check, and builds a model of it, in a child process."""

from functools import partial
from pathlib import Path

from shared.jobs.record import Job
from worker.formats.bundle import MAX_RATIO_OF_WEIGHTS, read_upload
from worker.jobs.attempt import Attempt, Outcome
from worker.jobs.build import build_and_seal, build_model
from worker.jobs.child_process import run_in_child

#: Copies of the weights in memory while they are read and written, and memory for all else, bytes.
COPIES, MEMORY_BYTES = 5, 512 << 20


def run_import(attempt: Attempt) -> Outcome:
    """Build a model of the uploaded file.

    Raises:
        BadModelFile, StopRequested, LeaseLost, StoreUnavailable, VolumeUnavailable
    """
    volume, job = attempt.host.volume, attempt.job
    attempt.folder()
    upload, built = volume.jobs.upload(job.id), volume.jobs.built_model(job.id, attempt.token)
    memory_bytes = MEMORY_BYTES + COPIES * MAX_RATIO_OF_WEIGHTS * upload.stat().st_size
    read = partial(_import, job, upload, built)
    return build_and_seal(
        attempt, lambda: run_in_child(lambda _: read(), lease=attempt.lease, memory_bytes=memory_bytes), result={}
    )


def _import(job: Job, upload: Path, built: Path) -> str:
    """Read the file and write the model; return the sha256 of its bundle."""
    read = read_upload(upload)
    return build_model(
        built,
        job,
        name=str(job.params["name"]),
        # Ids of another volume mean nothing here.
        params={**read.params, "corpus_id": None, "init_from": None},
        weights=read.weights,
        vocabulary=read.vocabulary,
        losses=read.losses,
        metrics=read.metrics,
        samples=read.samples,
        items=read.items,
        longest_runs=read.longest_runs,
    )
