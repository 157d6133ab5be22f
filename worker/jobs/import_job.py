"""Run an import job: reads an uploaded model file with every check, and builds a model of it."""

from worker.formats.bundle import read_upload
from worker.jobs.attempt import Attempt, Outcome, Stopped
from worker.jobs.build import build_and_seal


def run_import(attempt: Attempt) -> Outcome:
    """Read the file and build the model. Raises BadModelFile, LeaseLost, StoreUnavailable, VolumeUnavailable."""
    read = read_upload(attempt.host.volume.jobs.upload(attempt.job.id))
    if stop := attempt.lease.check():
        return Stopped(request=stop)
    attempt.folder()
    # Ids of another volume mean nothing here: where it came from is not followed.
    foreign = {"corpus_id": None, "init_from": None}
    return build_and_seal(
        attempt,
        name=str(attempt.job.params["name"]),
        params={**read.params, **foreign},
        weights=read.weights,
        vocabulary=read.vocabulary,
        losses=read.losses,
        metrics=read.metrics,
        samples=read.samples,
        result={},
    )
