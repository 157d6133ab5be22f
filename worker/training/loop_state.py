"""What decides a training's next step and isn't a tensor: plain JSON values, stored in the training state's facts."""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from shared.jobs.rows import MetricRow, SampleRow
from worker.training.events import StopReason

#: Fields that training states store under another name than they have here.
_STORED_NAMES = {"decay": "height", "epochs_since_best": "waited", "pending_rows": "untold"}
_ROWS: Mapping[str, type[MetricRow] | type[SampleRow]] = {"metric": MetricRow, "sample": SampleRow}


class Phase(StrEnum):
    """What a training does next. The values are stored."""

    TRAINING = "training"
    EVALUATING = "evaluating"
    SAMPLING = "sampling"
    FINISHED = "finished"


@dataclass(kw_only=True)
class LoopState:
    """Where a training is."""

    phase: Phase = Phase.TRAINING
    #: Training batches done, and to do at most; `max_seconds` makes the latter smaller.
    step: int = 0
    total_steps: int
    #: Computing seconds at which `total_steps` is planned again; None without a time limit.
    plan_at: float | None = None
    #: Fraction of the learning rate's decay that is left, 1 to 0: linear, ends at the last planned step.
    decay: float = 1.0
    #: The running epoch, from 0, and the next batch in it, of training and of evaluation.
    epoch: int = 0
    batch: int = 0
    evaluation_batch: int = 0
    #: Summed losses in nats and their characters: this epoch, since the last row, this evaluation.
    epoch_loss: float = 0.0
    epoch_characters: int = 0
    row_loss: float = 0.0
    row_characters: int = 0
    evaluation_loss: float = 0.0
    evaluation_characters: int = 0
    #: Loss of the first batch, and the running mean, to detect divergence.
    first_loss: float | None = None
    running_loss: float = 0.0
    #: Work done, in training batches, and the largest fraction reported.
    work: float = 0.0
    fraction: float = 0.0
    #: Computing seconds, over all attempts; and how many there were at the last snapshot.
    seconds: float = 0.0
    snapshot_seconds: float = 0.0
    validation_loss: float | None = None
    best_loss: float | None = None
    best_epoch: int | None = None
    best_train: float | None = None
    best_validation: float | None = None
    epochs_since_best: int = 0
    stop_reason: StopReason | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    #: Rows of the two lists above that no event has reported yet, oldest first: [kind, values].
    pending_rows: list[list[Any]] = field(default_factory=list)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "LoopState":
        """Read what `as_facts` returned.

        Fields that the facts lack get their defaults; those that a newer version has added, to rows as well, are left
        out.
        """
        stored = {name: _STORED_NAMES.get(name, name) for name in cls.__dataclass_fields__}
        loop = cls(**{name: copy.deepcopy(facts[key]) for name, key in stored.items() if key in facts})
        loop.phase = Phase(loop.phase)
        loop.metrics = [_known("metric", row) for row in loop.metrics]
        loop.samples = [_known("sample", row) for row in loop.samples]
        loop.pending_rows = [[kind, _known(kind, row)] for kind, row in loop.pending_rows]
        return loop

    def as_facts(self) -> dict[str, Any]:
        """Return a copy as a training state stores it."""
        return {_STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}


def _known(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without fields that a newer version has added."""
    return {name: value for name, value in row.items() if name in _ROWS[kind].__dataclass_fields__}
