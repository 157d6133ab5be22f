"""Builds a whole model in an attempt's folder and seals it; publishing is the last step of the runner."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from shared.errors import VolumeUnavailable
from shared.ids import model_id_of
from shared.text.vocabulary import Vocabulary
from shared.volume import Model
from shared.volume.files import translated
from shared.volume.models import ModelFile, write_meta
from worker.formats.bundle import write_model
from worker.jobs.attempt import Attempt, Outcome, Sealed, Stopped
from worker.jobs.lease import StopRequest
from worker.jobs.publish import seal
from worker.jobs.volume_retry import VolumeRetry
from worker.training.events import Losses, MetricRow, SampleRow


def build_and_seal(
    attempt: Attempt,
    *,
    name: str,
    params: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    vocabulary: Vocabulary,
    losses: Losses,
    metrics: Sequence[MetricRow],
    samples: Sequence[SampleRow],
    result: Mapping[str, Any],
) -> Outcome:
    """Write every file of the job's model, and seal it; a cancel that comes before the seal is obeyed.

    While the volume takes no files the job waits, for CHARLOOM_VOLUME_WAIT_S at most; what was half written is removed.

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
    attempt.reporter.flush(now=True)
    told = {"model_id": model_id_of(attempt.job.id), **result}
    retry = VolumeRetry(attempt)
    while True:
        try:
            sha256 = _write(attempt, name, params, vocabulary, weights, losses, metrics, samples)
            job_id, token, jobs = attempt.job.id, attempt.token, attempt.host.store.jobs
            sealed = seal(jobs, job_id, token, _built(attempt), sha256=sha256, result=told)
            return Sealed() if sealed else Stopped(request=StopRequest.CANCEL)
        except VolumeUnavailable as exc:
            shutil.rmtree(_built(attempt), ignore_errors=True)  # its space is needed
            if stop := retry.wait(exc):
                return Stopped(request=stop)


def _built(attempt: Attempt) -> Path:
    return attempt.host.volume.jobs.built_model(attempt.job.id, attempt.token)


def _write(
    attempt: Attempt,
    name: str,
    params: Mapping[str, Any],
    vocabulary: Vocabulary,
    weights: Mapping[str, Tensor],
    losses: Losses,
    metrics: Sequence[MetricRow],
    samples: Sequence[SampleRow],
) -> str:
    """Write every file of the model, and return its bundle's sha256."""
    job, built = attempt.job, _built(attempt)
    with translated():
        built.mkdir(exist_ok=True)
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
    return str(files["bundle"]["sha256"])
