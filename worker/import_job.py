"""Runs an import job: reads an uploaded model file with every check, and publishes it."""

from datetime import UTC, datetime

from shared.ids import model_id_of
from shared.volume import Model
from shared.volume.files import translated
from shared.volume.models import ModelFile, write_meta
from worker.attempt import Attempt, Outcome, Sealed, Stopped
from worker.bundle import read_upload, write_model
from worker.lease import Wish
from worker.publish import seal


def run_import(attempt: Attempt) -> Outcome:
    """Read the file and publish the model. Raises BadModelFile, LeaseLost, StoreUnavailable, VolumeUnavailable."""
    host, job = attempt.host, attempt.job
    read = read_upload(host.volume.jobs.upload(job.id))
    attempt.lease.tick()
    built = attempt.folder() / "model"
    with translated():
        built.mkdir()
        written = write_model(
            built,
            request=read.request,
            weights=read.weights,
            vocabulary=read.vocabulary,
            losses=read.losses,
            metrics=read.metrics,
            samples=read.samples,
        )
    model = Model(
        id=model_id_of(job.id),
        name=str(job.params["name"]),
        recipe=read.recipe,
        job_id=job.id,
        parent_model_id=None,
        corpus_id=None,
        params=read.params,
        vocabulary=read.vocabulary.characters,
        parameters=sum(weight.numel() for weight in read.weights.values()),
        losses=vars(read.losses),
        files={name: ModelFile(**file) for name, file in written.items()},
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        metadata=job.metadata,
    )
    write_meta(built, model)
    attempt.reporter.flush(now=True)
    result = {"model_id": model.id}
    if wish := attempt.lease.look():
        return Stopped(wish=wish)
    sealed = seal(host.store.jobs, job.id, attempt.token, built, sha256=model.files["bundle"].sha256, result=result)
    return Sealed() if sealed else Stopped(wish=Wish.CANCEL)
