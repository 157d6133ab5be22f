"""Builds a complete model in an attempt's folder and seals it. The runner publishes it, which is the last step."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from shared.errors import VolumeUnavailable
from shared.ids import model_id_of
from shared.jobs.record import Job
from shared.jobs.rows import MetricRow, ModelLosses, SampleRow
from shared.text.items import ModelItems
from shared.text.vocabulary import Vocabulary
from shared.volume import Model
from shared.volume.files import translated
from shared.volume.models import ModelFile, write_meta
from worker.formats.bundle import write_model
from worker.jobs.attempt import Attempt, Outcome, Sealed, Stopped
from worker.jobs.lease import StopRequest
from worker.jobs.publish import seal
from worker.jobs.volume_retry import VolumeRetry


def build_and_seal(attempt: Attempt, build: Callable[[], str], *, result: Mapping[str, Any]) -> Outcome:
    """Build the job's model and seal it. A cancel that comes before the seal is obeyed.

    While the volume takes no files, the job removes what it wrote, waits and tries again, for CHARLOOM_VOLUME_WAIT_S
    at most.

    Args:
        attempt: its folder must exist.
        build: calls `build_model` for the attempt's folder and returns what it does.
        result: of the job, in addition to the model's id.

    Raises:
        StopRequested, LeaseLost, StoreUnavailable, VolumeUnavailable
    """
    attempt.reporter.flush(now=True)
    job_id, jobs, volume = attempt.job.id, attempt.host.store.jobs, attempt.host.volume
    built = volume.jobs.built_model(job_id, attempt.token)
    retry = VolumeRetry(attempt)
    while True:
        try:
            with attempt.host.tracer.span("build"):
                sha256 = build()
            attempt.lease.tick()
            attempt.host.volume_guard.check(fresh=True)  # a model that is sealed must be where others find it
            whole = {"model_id": model_id_of(job_id), **result}
            sealed = seal(jobs, volume, job_id, attempt.token, sha256=sha256, result=whole)
            return Sealed() if sealed else Stopped(request=StopRequest.CANCEL)
        except VolumeUnavailable as exc:
            shutil.rmtree(built, ignore_errors=True)  # its space is needed
            retry.wait(exc)


def build_model(
    folder: Path,
    job: Job,
    *,
    name: str,
    params: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    vocabulary: Vocabulary,
    losses: ModelLosses,
    metrics: Sequence[MetricRow],
    samples: Sequence[SampleRow],
    items: ModelItems | None = None,
    longest_runs: Mapping[str, int] | None = None,
) -> str:
    """Write all files of a model.

    Args:
        folder: where to write them; made if it doesn't exist.
        job: the job that makes the model.
        name: the model's first name.
        params: the options of its training; "recipe" among them, "corpus_id" and "init_from" where they are known.
        weights: name -> float32 tensor.
        vocabulary: its characters.
        losses: of its best epoch, as far as known.
        metrics: all losses measured.
        samples: what it wrote while it was trained.
        items: the list that it was trained on, if it was one.
        longest_runs: of its corpus; None if they aren't known.

    Returns:
        The sha256 of its bundle.

    Raises:
        VolumeUnavailable
    """
    with translated():
        folder.mkdir(exist_ok=True)
    files = write_model(
        folder,
        params=params,
        vocabulary=vocabulary,
        weights=weights,
        losses=losses,
        metrics=metrics,
        samples=samples,
        items=items,
        starting_point=job.starting_point,
        longest_runs=longest_runs,
    )
    model = Model(
        id=model_id_of(job.id),
        name=name,
        recipe=params["recipe"],
        job_id=job.id,
        parent_model_id=params.get("init_from"),
        corpus_id=params.get("corpus_id"),
        params=params,
        vocabulary=vocabulary.characters,
        parameters=sum(weight.numel() for weight in weights.values()),
        losses=losses,
        files={kind: ModelFile(**file) for kind, file in files.items()},
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        metadata=job.metadata,
        items=items,
        starting_point=job.starting_point,
        longest_runs=longest_runs,
        owner=job.owner,
    )
    write_meta(folder, model)
    return str(files["bundle"]["sha256"])
