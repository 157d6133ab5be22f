"""The loop around a recipe's batches: optimizer, epochs, evaluation, the best weights, samples, and telling about it.

Longer than most files here: it is one state machine, and everything that decides its next move is in `LoopState` or in
the tensors that `capture` copies, so that a training can be taken up elsewhere between any two moves. Each move is one
batch, or a few characters of a sample. Nothing random is carried: chance comes from the step's number (randomness.py).
"""

import copy
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import JobFailed
from shared.requests.options import ClassicRequest, StreamRequest
from shared.text.vocabulary import Vocabulary
from worker.nn.model import CharLSTM
from worker.nn.optimizer import Optimizer
from worker.nn.randomness import seed_torch
from worker.training.classic import Classic
from worker.training.data import Codes
from worker.training.events import (
    Done,
    Losses,
    Metric,
    MetricRow,
    Progress,
    Sample,
    SampleRow,
    Snapshot,
    StopReason,
    Tick,
    TrainEvent,
    TrainingDiverged,
    row,
)
from worker.training.pace import Beat, Pace
from worker.training.samples import SampleWriter
from worker.training.state import TrainState
from worker.training.stream import Stream

#: Version of `TrainState.facts`; another one is refused.
FACTS_VERSION = 1
_MUST_AGREE = ("version", "request", "vocabulary", "text_sha256")
#: Rows of the loss curve within epochs (stream), and samples kept for the end.
CURVE_POINTS, MAX_SAMPLES = 100, 200
#: Seconds between two Progress events: between the two and ten a second that watchers are promised.
PROGRESS_S = 0.2
#: A loss is taken to blow up when its mean over about this many characters is this many times its start.
DIVERGED_CHARACTERS, DIVERGED_TIMES = 2000, 3.0
#: With `max_seconds`: the speed is taken after these many steps, and when this share of the time, at most that many
#: seconds, has passed, and again each time that a tenth of it has: other processes come and go. This share of what
#: remains is planned for.
PLAN_AFTER_STEPS, PLAN_AFTER_SHARE, PLAN_AFTER_S, PLAN_AGAIN_SHARE, PLAN_USE = 8, 0.05, 3.0, 0.1, 0.97
#: With `max_seconds`: the last evaluation is left out where it would take more than this share of the time.
LAST_EVALUATION_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class TrainContext:
    """What stays the same through a training."""

    request: ClassicRequest | StreamRequest
    vocabulary: Vocabulary
    codes: Codes
    threads: int
    bfloat16: bool
    muon: bool


@dataclass(kw_only=True)
class LoopState:
    """All that decides the next move and isn't a tensor: plain JSON values."""

    #: "training", "evaluating", "sampling" or "finished".
    phase: str = "training"
    #: Training batches done, and to do at most; the latter changes when `seconds` reach `plan_at`.
    step: int = 0
    total_steps: int
    plan_at: float | None = None
    #: How much of the learning rate is left to fall, 1 to 0: in a straight line to the last step that is planned.
    height: float = 1.0
    #: The running epoch, from 0, and the next batch in it, of training and of evaluation.
    epoch: int = 0
    batch: int = 0
    evaluation_batch: int = 0
    #: Summed losses in nats and their characters: the epoch so far, since the last row, evaluation so far.
    epoch_loss: float = 0.0
    epoch_characters: int = 0
    row_loss: float = 0.0
    row_characters: int = 0
    evaluation_loss: float = 0.0
    evaluation_characters: int = 0
    #: Loss of the first batch, and its running mean, to notice that it blows up.
    first_loss: float | None = None
    running_loss: float = 0.0
    #: Work done, in training batches, and the largest fraction told.
    work: float = 0.0
    fraction: float = 0.0
    #: Computing seconds, and where among them the last snapshot was.
    seconds: float = 0.0
    snapshot_seconds: float = 0.0
    validation_loss: float | None = None
    best_loss: float | None = None
    best_epoch: int | None = None
    best_train: float | None = None
    best_validation: float | None = None
    #: Epochs since the best one.
    waited: int = 0
    stop_reason: StopReason | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    #: Rows of the two lists above, newest last, that haven't been told yet.
    untold: list[list[Any]] = field(default_factory=list)


class Training:
    """One training in one process."""

    def __init__(
        self,
        setting: TrainContext,
        model: CharLSTM,
        recipe: Classic | Stream,
        *,
        clock: Callable[[], float],
        state: TrainState | None,
    ) -> None:
        self._setting, self._request, self._model, self._recipe = setting, setting.request, model, recipe
        self._clock, self._pace, self._beat = clock, Pace(), Beat(PROGRESS_S)
        self._optimizer = Optimizer(model, muon=setting.muon, bfloat16=setting.bfloat16)
        self._sample: SampleWriter | None = None
        self._best: dict[str, Tensor] = {}
        total = self._request.epochs * recipe.batches
        limited = self._request.recipe == "stream" and self._request.max_seconds is not None
        self._ledger = LoopState(total_steps=total)
        if limited:
            self._ledger.plan_at = min(PLAN_AFTER_S, PLAN_AFTER_SHARE * (self._request.max_seconds or 0.0))
        self._constants: dict[str, Any] = {
            "version": FACTS_VERSION,
            "threads": setting.threads,
            "bfloat16": setting.bfloat16,
            "muon": setting.muon,
            "kernel_path": model.computed_by,
            "torch": str(torch.__version__),
            "vocabulary": setting.vocabulary.characters,
            "text_sha256": hashlib.sha256(setting.codes.data).hexdigest(),
            "request": self._request.model_dump(mode="json", exclude={"corpus_id", "name", "metadata", "webhook"}),
        }
        if state is not None:
            self._restore(state)
        self._good = state or self.capture()

    def events(self) -> Iterator[TrainEvent]:
        """Yield what happens until Done; the first event comes before the first batch."""
        while True:
            yield from self._tell()
            if self._ledger.phase == "finished":
                yield self._done()
                return
            self._move()

    # -- one move ---------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        began = self._clock()
        torch.set_num_threads(self._setting.threads)  # another caller may have changed it meanwhile; a tenth of a us
        if self._ledger.phase == "training":
            characters = self._train_one()
            seconds = self._clock() - began
            self._pace.trained(seconds, characters)
            self._ledger.seconds += seconds
            self._after_training()
        elif self._ledger.phase == "evaluating":
            self._evaluate_one()
            seconds = self._clock() - began
            self._pace.evaluated(seconds, self._recipe.evaluation_cost)
            self._ledger.seconds += seconds
            self._after_evaluation()
        else:
            self._write_some(began)
            self._ledger.seconds += self._clock() - began

    def _train_one(self) -> int:
        ledger, request = self._ledger, self._request
        if ledger.batch == 0:
            self._recipe.begin_epoch()
        seed_torch(self._setting.request.seed or 0, "step", ledger.step)
        self._model.train()
        loss, characters = self._recipe.train_batch(ledger.epoch, ledger.batch)
        self._watch(loss / characters, characters)
        if request.grad_clip:
            nn.utils.clip_grad_norm_(self._model.parameters(), request.grad_clip)
        rate = self._recipe.rate(ledger.step, ledger.total_steps, ledger.height)
        self._optimizer.step(request.learning_rate * rate)
        if self._recipe.is_warm(ledger.step, ledger.total_steps):
            ledger.height -= ledger.height / max(1, ledger.total_steps - ledger.step)
        ledger.step, ledger.batch, ledger.work = ledger.step + 1, ledger.batch + 1, ledger.work + 1
        ledger.epoch_loss, ledger.epoch_characters = ledger.epoch_loss + loss, ledger.epoch_characters + characters
        ledger.row_loss, ledger.row_characters = ledger.row_loss + loss, ledger.row_characters + characters
        return characters

    def _watch(self, loss: float, characters: int) -> None:
        """Raise TrainingDiverged where the loss is no number, or its running mean three times what it began with.

        The start is taken as at least that of blind guessing, ln V: a model to start from may begin far below it.
        """
        ledger = self._ledger
        if ledger.first_loss is None and math.isfinite(loss):
            ledger.first_loss = ledger.running_loss = loss
        ledger.running_loss += (loss - ledger.running_loss) * min(1.0, characters / DIVERGED_CHARACTERS)
        limit = DIVERGED_TIMES * max(ledger.first_loss or 0.0, math.log(max(2, len(self._setting.vocabulary))))
        if not math.isfinite(loss) or ledger.running_loss > limit:
            self._fail(f"the loss blew up to {loss:.4g} nats per character at step {ledger.step + 1}")

    def _fail(self, what: str) -> None:
        raise TrainingDiverged(
            f"{what}; it began with {self._ledger.first_loss or math.nan:.4g}. Try a smaller learning_rate than "
            f"{self._request.learning_rate:g}" + ("" if self._request.grad_clip else ", or grad_clip 1"),
            self._good,
        )

    def _after_training(self) -> None:
        ledger, recipe = self._ledger, self._recipe
        if ledger.plan_at is not None and ledger.seconds >= ledger.plan_at and ledger.step >= PLAN_AFTER_STEPS:
            self._plan()
        over = self._time_is_up()
        ended = ledger.batch == recipe.batches or ledger.step >= ledger.total_steps or over
        if not ended:
            if not recipe.sums_are_printed and ledger.step % max(1, -(-ledger.total_steps // CURVE_POINTS)) == 0:
                self._add_row(
                    MetricRow(
                        step=ledger.step, epoch=ledger.epoch + 1, seconds=ledger.seconds, train_loss=self._recent_loss()
                    )
                )
            return
        if over:
            ledger.stop_reason = "time_limit"
        if recipe.evaluation_batches and not (over and self._evaluation_seconds() > self._most_for_evaluation()):
            ledger.phase, ledger.evaluation_batch = "evaluating", 0
            ledger.evaluation_loss, ledger.evaluation_characters = 0.0, 0
        else:
            self._close_epoch(evaluated=False)

    def _evaluate_one(self) -> None:
        ledger = self._ledger
        if ledger.evaluation_batch == 0:
            self._recipe.begin_evaluation()
        self._model.eval()
        loss, characters = self._recipe.evaluate_batch(ledger.evaluation_batch)
        ledger.evaluation_batch += 1
        ledger.work += self._recipe.evaluation_cost
        ledger.evaluation_loss += loss
        ledger.evaluation_characters += characters

    def _after_evaluation(self) -> None:
        ledger, limit = self._ledger, self._request.max_seconds
        if ledger.evaluation_batch == self._recipe.evaluation_batches:
            self._close_epoch(evaluated=True)
        elif limit is not None and ledger.seconds > limit * (1 + LAST_EVALUATION_SHARE) + 1:
            # The machine has become so much slower that this evaluation can't be waited for.
            ledger.stop_reason = "time_limit"
            self._close_epoch(evaluated=False)

    def _close_epoch(self, *, evaluated: bool) -> None:
        ledger, recipe, request = self._ledger, self._recipe, self._request
        train = ledger.epoch_loss / ledger.epoch_characters
        judged = measured = ledger.evaluation_loss / ledger.evaluation_characters if evaluated else None
        if not recipe.evaluation_batches:
            judged = train
        if not all(bool(torch.isfinite(p).all()) for p in self._model.parameters()) or not math.isfinite(judged or 0.0):
            self._fail(f"the weights stopped being numbers in epoch {ledger.epoch + 1}")
        printed = recipe.sums_are_printed
        self._add_row(
            MetricRow(
                step=ledger.step,
                epoch=ledger.epoch + 1,
                seconds=ledger.seconds,
                train_loss=train if printed else self._recent_loss(),
                validation_loss=None if printed else measured,
                evaluation_loss=measured if printed else None,
                evaluation_sum=ledger.evaluation_loss if printed and evaluated else None,
            )
        )
        ledger.validation_loss = measured if evaluated else ledger.validation_loss
        better = judged is not None and (ledger.best_loss is None or judged < ledger.best_loss)
        first = ledger.best_epoch is None
        if better or first:
            self._best = self._model.weights()
            ledger.best_loss, ledger.best_epoch, ledger.waited = judged, ledger.epoch + 1, 0
            ledger.best_train, ledger.best_validation = train, measured
        else:
            ledger.waited += 1
        if ledger.stop_reason is None and ledger.step >= ledger.total_steps:
            cut = ledger.total_steps < request.epochs * recipe.batches
            ledger.stop_reason = "time_limit" if cut else "completed"
        if ledger.stop_reason is None and request.patience and ledger.waited >= request.patience:
            ledger.stop_reason = "early_stopped"
        ledger.phase = "sampling"
        if not request.sample_chars:
            self._next_epoch()
        if better:
            self._good = self.capture()

    def _write_some(self, began: float) -> None:
        ledger, request = self._ledger, self._request
        self._model.eval()
        if self._sample is None:
            self._sample = SampleWriter(self._model, request, self._setting.codes, epoch=ledger.epoch)
        if not self._sample.write(began, self._clock):
            return
        decode = self._setting.vocabulary.decode
        sample = SampleRow(
            step=ledger.step,
            epoch=ledger.epoch + 1,
            text=decode(self._sample.written),
            prompt=decode(self._sample.prompt),
            temperature=self._sample.temperature,
        )
        ledger.samples = [*ledger.samples, row(sample)][-MAX_SAMPLES:]
        ledger.untold.append(["sample", row(sample)])
        self._sample = None
        self._next_epoch()

    def _next_epoch(self) -> None:
        ledger = self._ledger
        if ledger.stop_reason is not None:
            ledger.phase = "finished"
            return
        ledger.phase, ledger.epoch, ledger.batch = "training", ledger.epoch + 1, 0
        ledger.epoch_loss, ledger.epoch_characters = 0.0, 0

    def _add_row(self, metric: MetricRow) -> None:
        self._ledger.metrics.append(row(metric))
        self._ledger.untold.append(["metric", row(metric)])

    def _recent_loss(self) -> float | None:
        ledger = self._ledger
        recent = ledger.row_loss / ledger.row_characters if ledger.row_characters else None
        ledger.row_loss, ledger.row_characters = 0.0, 0
        return recent

    # -- time -------------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Decide how many steps fit into `max_seconds`, so that the learning rate falls to its end in time."""
        ledger, limit = self._ledger, self._request.max_seconds or math.inf
        ledger.plan_at = ledger.seconds + PLAN_AGAIN_SHARE * limit
        evaluation = self._evaluation_seconds()
        if evaluation > self._most_for_evaluation():
            evaluation = 0.0
        remaining = (limit - ledger.seconds - evaluation) * PLAN_USE
        per_step = self._pace.seconds_per_step.value + evaluation / self._recipe.batches
        most = self._request.epochs * self._recipe.batches
        ledger.total_steps = min(most, ledger.step + max(1, int(remaining / per_step)))

    def _time_is_up(self) -> bool:
        """Return True if what remains of `max_seconds` is needed for the last evaluation, or nothing remains."""
        limit = self._request.max_seconds
        if limit is None:
            return False
        evaluation = self._evaluation_seconds()
        kept = evaluation if evaluation <= self._most_for_evaluation() else 0.0
        return self._ledger.seconds + self._pace.seconds_per_step.value + kept >= limit

    def _evaluation_seconds(self) -> float:
        per_batch = self._pace.seconds_per_evaluation_batch.value
        guess = self._recipe.evaluation_cost * self._pace.seconds_per_step.value
        return self._recipe.evaluation_batches * (per_batch or guess)

    def _most_for_evaluation(self) -> float:
        return LAST_EVALUATION_SHARE * (self._request.max_seconds or math.inf)

    # -- telling ----------------------------------------------------------------------------------------------------

    def _tell(self) -> Iterator[TrainEvent]:
        ledger, told = self._ledger, False
        while ledger.untold:
            kind, values = ledger.untold.pop(0)
            told = True
            yield Metric(state=self.capture, **values) if kind == "metric" else Sample(state=self.capture, **values)
        if self._beat.due(self._clock()):
            told = True
            yield self._progress()
        if ledger.seconds - ledger.snapshot_seconds >= self._request.checkpoint_seconds:
            ledger.snapshot_seconds, told = ledger.seconds, True
            yield Snapshot(state=self.capture, step=ledger.step)
        if not told:
            yield Tick(state=self.capture, step=ledger.step)

    def _progress(self) -> Progress:
        ledger, recipe, limit = self._ledger, self._recipe, self._request.max_seconds
        epochs = -(-ledger.total_steps // recipe.batches)
        work = ledger.total_steps + epochs * recipe.evaluation_batches * recipe.evaluation_cost
        fraction, eta = ledger.work / work, (work - ledger.work) * self._pace.seconds_per_work.value
        if limit is not None:
            fraction, eta = max(fraction, ledger.seconds / limit), min(eta, limit - ledger.seconds)
        ledger.fraction = max(ledger.fraction, min(1.0, fraction))
        known = self._pace.seconds_per_work.below > 0
        return Progress(
            state=self.capture,
            step=ledger.step,
            total_steps=ledger.total_steps,
            epoch=ledger.epoch + 1,
            total_epochs=epochs,
            fraction=ledger.fraction,
            chars_per_second=self._pace.characters_per_second.value,
            eta_seconds=max(0.0, eta) if known else None,
            train_loss=ledger.epoch_loss / ledger.epoch_characters if ledger.epoch_characters else None,
            validation_loss=ledger.validation_loss,
            best_loss=ledger.best_loss,
            best_epoch=ledger.best_epoch,
        )

    def _done(self) -> Done:
        ledger = self._ledger
        return Done(
            state=self.capture,
            step=ledger.step,
            weights={name: value.clone() for name, value in self._best.items()},
            vocabulary=self._setting.vocabulary,
            stop_reason=ledger.stop_reason or "completed",
            losses=Losses(train=ledger.best_train, validation=ledger.best_validation, best_epoch=ledger.best_epoch),
            best_loss=ledger.best_loss,
            metrics=tuple(MetricRow(**values) for values in ledger.metrics),
            samples=tuple(SampleRow(**values) for values in ledger.samples),
        )

    # -- state ------------------------------------------------------------------------------------------------------

    def capture(self) -> TrainState:
        """Copy everything that decides the next move."""
        tensors = {f"model.{name}": value for name, value in self._model.weights().items()}
        tensors |= self._optimizer.capture()
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        tensors |= {f"carried.{name}": value for name, value in self._recipe.carried().items()}
        return TrainState(tensors=tensors, facts=self._constants | asdict(self._ledger))

    def _restore(self, state: TrainState) -> None:
        for name in _MUST_AGREE:
            value, found = self._constants[name], state.facts.get(name)
            if name == "request" and isinstance(found, dict):
                # An option that is newer than the state was as its default has it.
                fields = type(self._request).model_fields
                found = {option: fields[option].default for option in value} | found
            if found != value:
                what = f"{name} was {str(found)[:100]!r} and is {str(value)[:100]!r}"
                raise JobFailed(f"the saved training can't go on here: {what}", code="state_mismatch")
        self._model.load_state_dict(state.part("model"))
        self._optimizer.restore(state.tensors)
        self._best = state.part("best")
        self._recipe.carry({name: value.clone() for name, value in state.part("carried").items()})
        known = {name: state.facts[name] for name in LoopState.__dataclass_fields__ if name in state.facts}
        self._ledger = LoopState(**copy.deepcopy(known))
