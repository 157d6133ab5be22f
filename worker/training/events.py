"""The events of a training. The caller decides what to do with them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import Tensor

from shared.errors import Diverged
from shared.jobs.rows import Baselines, MetricRow, ModelLosses, SampleRow
from shared.text.items import ModelItems
from shared.text.vocabulary import Vocabulary
from worker.training.state import TrainState

StopReason = Literal["completed", "early_stopped", "time_limit"]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A batch has been computed. Base of all events.

    `state()` returns what another process needs to continue from exactly here. Call it before the next event is
    requested, or not at all: afterwards it describes a later step.
    """

    state: Callable[[], TrainState]
    #: Training batches done.
    step: int
    #: Characters trained on since the event before.
    new_characters: int = 0


TrainEvent = Tick


@dataclass(frozen=True, kw_only=True)
class Progress(Tick):
    """How far the training is: two to ten times a second, as far as the batches allow."""

    #: Most training batches.
    total_steps: int
    #: The current epoch, from 1, and the most that there will be.
    epoch: int
    total_epochs: int
    #: Share of all work done, evaluation included; 0..1, never falls.
    fraction: float
    chars_per_second: float
    eta_seconds: float | None
    #: Mean nats per character: over the running epoch so far, and at the last evaluation.
    train_loss: float | None
    validation_loss: float | None
    #: What the best epoch is chosen by: validation, evaluation in classic, or training without a validation part.
    best_loss: float | None
    best_epoch: int | None
    baselines: Baselines | None


@dataclass(frozen=True, kw_only=True)
class Metric(Tick, MetricRow):
    """Losses were measured. A resumed training repeats those after its state: the same steps, the same losses."""


@dataclass(frozen=True, kw_only=True)
class Sample(Tick, SampleRow):
    """The model has written a sample."""


@dataclass(frozen=True, kw_only=True)
class Snapshot(Tick):
    """`checkpoint_seconds` of computing have passed since the last snapshot: save `state()` now."""


@dataclass(frozen=True, kw_only=True)
class Done(Tick):
    """The training has ended; the last event."""

    #: The best epoch's weights, float32, copied.
    weights: Mapping[str, Tensor]
    vocabulary: Vocabulary
    stop_reason: StopReason
    losses: ModelLosses
    #: What the best epoch was chosen by, mean nats per character; None where nothing was measured.
    best_loss: float | None
    metrics: tuple[MetricRow, ...]
    #: The newest samples, at most MAX_SAMPLES.
    samples: tuple[SampleRow, ...]
    #: The list that it was trained on, if it was one.
    items: ModelItems | None = None


class TrainingDiverged(Diverged):
    """The loss diverged. The last good state is kept. Try a smaller learning_rate, or grad_clip 1."""

    def __init__(self, detail: str, state: TrainState) -> None:
        super().__init__(detail)
        #: The training after its best epoch, or at the start of this attempt.
        self.state = state


def row(record: MetricRow | SampleRow) -> dict[str, Any]:
    """Return a record as plain JSON values, without an event's state."""
    plain = record if type(record) in (MetricRow, SampleRow) else bare(record)
    return asdict(plain)


def bare(record: MetricRow | SampleRow) -> MetricRow | SampleRow:
    """Return the record alone, without the event around it."""
    kind = MetricRow if isinstance(record, MetricRow) else SampleRow
    return kind(**{name: getattr(record, name) for name in kind.__dataclass_fields__})
