"""Builds a whole model in an attempt's folder and seals it; publishing is the last step of the runner."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from torch import Tensor

from shared.ids import model_id_of
from shared.text import Vocabulary
from shared.volume import Model
from shared.volume.files import translated
from shared.volume.models import ModelFile, write_meta
from worker.attempt import Attempt, Outcome, Sealed, Stopped
from worker.bundle import write_model
from worker.lease import Wish
from worker.publish import seal
from worker.trainevents import Losses, MetricRow, SampleRow


def build_and_seal(
    attempt: Attempt,
    *,
    name: str,
    params: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    vocabulary: Vocabulary,
    losses: Losses,
    metrics: Iterable[MetricRow],
    samples: Iterable[SampleRow],
    result: Mapping[str, Any],
) -> Outcome:
    """Write every file of the job's model, and seal it; a wish to cancel that comes before the seal is obeyed.

    Args:
        attempt: its folder must exist.
        name: what the model is called at first.
        params: the options of its training; "recipe" among them, "corpus_id" and "init_from" where they are known.
        weights: name -> float32 tensor.
        vocabulary: its characters.
        losses: of its best epoch, as far as known.
        metrics: all losses measured.
        samples: what it wrote while it learned.
        result: what the job tells beside the model's id.

    Raises:
        LeaseLost, StoreUnavailable, VolumeUnavailable
    """
    job, volume = attempt.job, attempt.host.volume
    built = volume.jobs.built_model(job.id, attempt.token)
    with translated():
        built.mkdir()
        files = write_model(
            built,
            params=params,
            vocabulary=vocabulary,
            weights=weights,
            losses=losses,
            metrics=metrics,
            samples=samples,
        )
    attempt.lease.tick()
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
        losses=asdict(losses),
        files={kind: ModelFile(**file) for kind, file in files.items()},
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        metadata=job.metadata,
    )
    write_meta(built, model)
    attempt.reporter.flush(now=True)
    told = {"model_id": model.id, **result}
    sealed = seal(attempt.host.store.jobs, job.id, attempt.token, built, sha256=files["bundle"]["sha256"], result=told)
    return Sealed() if sealed else Stopped(wish=Wish.CANCEL)
