"""The training loop around a recipe's batches: optimizer, epochs, evaluation, the best weights, samples, events.

Long, since it is one state machine: everything that decides its next step is in `LoopState` or in the tensors that
`capture` copies, so that another process can resume a training between any two steps. A step is one batch, or a few
characters of a sample. No random generator is carried: each step seeds its own by its number (randomness.py).
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.errors import JobFailed
from shared.host import processor_kind
from shared.jobs.rows import MAX_SAMPLES, Baselines, MetricRow, ModelLosses, SampleRow
from shared.requests.flops import ROUNDS
from shared.requests.options import ClassicRequest, StreamRequest
from shared.text.items import ModelItems
from shared.text.vocabulary import Vocabulary
from shared.volume.job_folders import STATE_VERSION
from worker.nn.model import CharLSTM
from worker.nn.optimizer import Optimizer
from worker.nn.randomness import seed_torch
from worker.training.classic import Classic
from worker.training.data import Codes
from worker.training.events import (
    Done,
    Metric,
    Progress,
    Sample,
    Snapshot,
    Tick,
    TrainEvent,
    TrainingDiverged,
    row,
)
from worker.training.loop_state import LoopState, Phase
from worker.training.samples import SampleWriter
from worker.training.speeds import Speeds, Timer
from worker.training.state import TrainState
from worker.training.stream import Stream
from worker.training.time_budget import TimeBudget

_MUST_AGREE = ("vocabulary", "text_sha256")
#: Options that don't change what a training computes.
_IGNORED = {"corpus_id", "name", "metadata", "webhook", "priority"}
#: Rows of the loss curve within epochs (stream), and samples kept for the end.
CURVE_POINTS = 100
#: Seconds between two Progress events: watchers are promised two to ten a second.
PROGRESS_S = 0.2
#: A loss diverges when its mean over about this many characters is this many times its start.
DIVERGED_CHARACTERS, DIVERGED_TIMES = 2000, 3.0


@dataclass(frozen=True, kw_only=True)
class TrainContext:
    """What stays the same during a training."""

    request: ClassicRequest | StreamRequest
    vocabulary: Vocabulary
    codes: Codes
    #: That compute, and how many of them torch uses for what the compiled layer leaves it.
    threads: int
    torch_threads: int
    bfloat16: bool
    muon: bool
    #: Whether the validation loss is measured before the first step, as that of epoch 0: the model has been trained.
    evaluates_first: bool = False
    #: Whether the weights of epoch 0 are the result if no epoch is better.
    keeps_start: bool = True
    #: The list that the text is trained on as, if it is.
    items: ModelItems | None = None
    baselines: Baselines | None = None


class Trainer:
    """One training in one process."""

    def __init__(
        self,
        context: TrainContext,
        model: CharLSTM,
        recipe: Classic | Stream,
        *,
        clock: Callable[[], float],
        state: TrainState | None,
    ) -> None:
        self._context, self._request, self._model, self._recipe = context, context.request, model, recipe
        self._clock, self._speeds, self._progress_timer = clock, Speeds(), Timer(PROGRESS_S)
        self._optimizer = Optimizer(model, muon=context.muon, bfloat16=context.bfloat16, kernel=model.kernel)
        self._sample: SampleWriter | None = None
        self._best: dict[str, Tensor] = {}
        most_steps = context.request.epochs * recipe.batches
        self._loop = LoopState(total_steps=most_steps)
        max_seconds = context.request.max_seconds
        if recipe.decays and max_seconds is not None:
            self._loop.plan_at = TimeBudget.first_plan_at(max_seconds)
        self._constants: dict[str, Any] = {
            "version": STATE_VERSION.newest,
            "threads": context.threads,
            "bfloat16": context.bfloat16,
            "muon": context.muon,
            "muon_rounds": ROUNDS,
            "kernel_path": model.computed_by,
            "torch": str(torch.__version__),
            "processor": processor_kind(),
            "vocabulary": context.vocabulary.characters,
            "text_sha256": hashlib.sha256(context.codes.data).hexdigest(),
            # The options that the job names: a worker of the version that queued it knows them, but not later ones.
            "request": self._request.model_dump(mode="json", exclude=_IGNORED, exclude_unset=True),
        }
        if state is not None:
            self._restore(state)
        elif context.evaluates_first and recipe.evaluation_batches:
            self._loop.phase, self._loop.epoch = Phase.EVALUATING, -1
        self._budget = TimeBudget(self._loop, recipe, self._speeds, max_seconds=max_seconds, most_steps=most_steps)
        self._good = state or self.capture()

    def run(self) -> Iterator[TrainEvent]:
        """Yield events until Done; the first one comes before the first batch."""
        loop = self._loop
        while True:
            yield from self._report()
            began = self._clock()
            torch.set_num_threads(self._context.torch_threads)  # another caller may have changed it; takes 0.1 µs
            match loop.phase:
                case Phase.TRAINING:
                    characters = self._train_batch()
                    self._speeds.trained(self._elapse(began), characters)
                    self._after_training_batch()
                case Phase.EVALUATING:
                    self._evaluate_batch()
                    self._speeds.evaluated(self._elapse(began), self._recipe.evaluation_cost)
                    self._after_evaluation_batch()
                case Phase.SAMPLING:
                    self._write_sample(began)
                    self._elapse(began)
                case Phase.FINISHED:
                    yield self._done()
                    return

    # -- one step ---------------------------------------------------------------------------------------------------

    def _elapse(self, began: float) -> float:
        """Count the seconds since `began` as computing time, and return them."""
        seconds = self._clock() - began
        self._loop.seconds += seconds
        return seconds

    def _train_batch(self) -> int:
        loop, request = self._loop, self._request
        if loop.batch == 0:
            self._recipe.begin_epoch()
        seed_torch(self._context.request.seed or 0, "step", loop.step)
        if not self._model.training:
            self._model.train()
        factor = self._recipe.rate_factor(loop.step, loop.total_steps, loop.decay)
        loss, characters = 0.0, 0
        for part_loss, part_characters in self._recipe.train_batch(loop.epoch, loop.batch):
            self._check_divergence(part_loss / part_characters, part_characters)
            self._optimizer.step(
                request.learning_rate * factor,
                output_factor=self._recipe.output_factor(loop.epoch),
                max_norm=request.grad_clip or math.inf,
            )
            loss, characters = loss + part_loss, characters + part_characters
        if self._recipe.decays_at(loop.step, loop.total_steps):
            loop.decay -= loop.decay / max(1, loop.total_steps - loop.step)
        loop.step, loop.batch, loop.work = loop.step + 1, loop.batch + 1, loop.work + 1
        loop.epoch_loss, loop.epoch_characters = loop.epoch_loss + loss, loop.epoch_characters + characters
        loop.row_loss, loop.row_characters = loop.row_loss + loss, loop.row_characters + characters
        return characters

    def _check_divergence(self, loss: float, characters: int) -> None:
        """Raise TrainingDiverged if the loss is not finite, or its running mean is three times the first loss.

        The first loss counts as at least that of random guessing, ln V: a model to start from may be far better.
        """
        loop = self._loop
        if loop.first_loss is None and math.isfinite(loss):
            loop.first_loss = loop.running_loss = loss
        loop.running_loss += (loss - loop.running_loss) * min(1.0, characters / DIVERGED_CHARACTERS)
        limit = DIVERGED_TIMES * max(loop.first_loss or 0.0, math.log(max(2, len(self._context.vocabulary))))
        if not math.isfinite(loss) or loop.running_loss > limit:
            self._fail(f"the loss diverged to {loss:.4g} nats per character at step {loop.step + 1}")

    def _fail(self, what: str) -> None:
        raise TrainingDiverged(
            f"{what}; it started at {self._loop.first_loss or math.nan:.4g}. Try a smaller learning_rate than "
            f"{self._request.learning_rate:g}" + ("" if self._request.grad_clip else ", or grad_clip 1"),
            self._good,
        )

    def _after_training_batch(self) -> None:
        loop, recipe = self._loop, self._recipe
        self._budget.plan()
        over = self._budget.is_spent()
        ended = loop.batch == recipe.batches or loop.step >= loop.total_steps or over
        if not ended:
            if not recipe.reports_sums and loop.step % max(1, -(-loop.total_steps // CURVE_POINTS)) == 0:
                self._add_row(
                    MetricRow(
                        step=loop.step, epoch=loop.epoch + 1, seconds=loop.seconds, train_loss=self._recent_loss()
                    )
                )
            return
        if over:
            loop.stop_reason = "time_limit"
        if recipe.evaluation_batches and (not over or self._budget.allows_evaluation()):
            loop.phase, loop.evaluation_batch = Phase.EVALUATING, 0
            loop.evaluation_loss, loop.evaluation_characters = 0.0, 0
        else:
            self._close_epoch(evaluated=False)

    def _evaluate_batch(self) -> None:
        loop = self._loop
        if loop.evaluation_batch == 0:
            self._recipe.begin_evaluation()
        self._model.eval()
        loss, characters = self._recipe.evaluate_batch(loop.evaluation_batch)
        loop.evaluation_batch += 1
        loop.work += self._recipe.evaluation_cost
        loop.evaluation_loss += loss
        loop.evaluation_characters += characters

    def _after_evaluation_batch(self) -> None:
        loop = self._loop
        if loop.evaluation_batch == self._recipe.evaluation_batches:
            self._close_epoch(evaluated=True)
        elif self._budget.is_overrun():
            loop.stop_reason = "time_limit"
            self._close_epoch(evaluated=False)

    def _close_epoch(self, *, evaluated: bool) -> None:
        loop, recipe, request = self._loop, self._recipe, self._request
        train = loop.epoch_loss / loop.epoch_characters if loop.epoch_characters else None
        selection_loss = measured = loop.evaluation_loss / loop.evaluation_characters if evaluated else None
        if not recipe.evaluation_batches:
            selection_loss = train
        if loop.epoch < 0 and not math.isfinite(measured or 0.0):
            raise JobFailed("the model to start from has no finite loss on this text", code="init_mismatch")
        if not all(bool(torch.isfinite(p).all()) for p in self._model.parameters()) or not math.isfinite(
            selection_loss or 0.0
        ):
            self._fail(f"the weights were no longer finite in epoch {loop.epoch + 1}")
        sums = recipe.reports_sums
        self._add_row(
            MetricRow(
                step=loop.step,
                epoch=loop.epoch + 1,
                seconds=loop.seconds,
                train_loss=train if sums else self._recent_loss(),
                validation_loss=None if sums else measured,
                evaluation_loss=measured if sums else None,
                evaluation_sum=loop.evaluation_loss if sums and evaluated else None,
            )
        )
        loop.validation_loss = measured if evaluated else loop.validation_loss
        better = selection_loss is not None and (loop.best_loss is None or selection_loss < loop.best_loss)
        first = loop.best_epoch is None
        if loop.epoch < 0 and not self._context.keeps_start:
            better = False
        elif better or first:
            self._best = self._model.weights()
            loop.best_loss, loop.best_epoch, loop.epochs_since_best = selection_loss, loop.epoch + 1, 0
            loop.best_train, loop.best_validation = train, measured
        else:
            loop.epochs_since_best += 1
        if loop.stop_reason is None and loop.step >= loop.total_steps:
            cut = loop.total_steps < request.epochs * recipe.batches
            loop.stop_reason = "time_limit" if cut else "completed"
        if loop.stop_reason is None and request.patience and loop.epochs_since_best >= request.patience:
            loop.stop_reason = "early_stopped"
        loop.phase = Phase.SAMPLING
        if not request.sample_chars or loop.epoch < 0:
            self._next_epoch()
        if better:
            self._good = self.capture()

    def _write_sample(self, began: float) -> None:
        loop, request = self._loop, self._request
        self._model.eval()
        if self._sample is None:
            codes, vocabulary = self._context.codes, self._context.vocabulary
            self._sample = SampleWriter(self._model, request, codes, vocabulary, epoch=loop.epoch)
        if not self._sample.write(began, self._clock):
            return
        decode = self._context.vocabulary.decode
        sample = SampleRow(
            step=loop.step,
            epoch=loop.epoch + 1,
            text=decode(self._sample.written),
            prompt=decode(self._sample.prompt),
            temperature=self._sample.temperature,
        )
        loop.samples = [*loop.samples, row(sample)][-MAX_SAMPLES:]
        loop.pending_rows.append(["sample", row(sample)])
        self._sample = None
        self._next_epoch()

    def _next_epoch(self) -> None:
        loop = self._loop
        if loop.stop_reason is not None:
            loop.phase = Phase.FINISHED
            return
        loop.phase, loop.epoch, loop.batch = Phase.TRAINING, loop.epoch + 1, 0
        loop.epoch_loss, loop.epoch_characters = 0.0, 0

    def _add_row(self, metric: MetricRow) -> None:
        self._loop.metrics.append(row(metric))
        self._loop.pending_rows.append(["metric", row(metric)])

    def _recent_loss(self) -> float | None:
        loop = self._loop
        recent = loop.row_loss / loop.row_characters if loop.row_characters else None
        loop.row_loss, loop.row_characters = 0.0, 0
        return recent

    # -- events -----------------------------------------------------------------------------------------------------

    def _report(self) -> Iterator[TrainEvent]:
        loop, reported = self._loop, False
        while loop.pending_rows:
            kind, values = loop.pending_rows.pop(0)
            reported = True
            yield (Metric if kind == "metric" else Sample)(**self._tick(), **values)
        if self._progress_timer.is_due(self._clock()):
            reported = True
            yield self._progress()
        if loop.seconds - loop.snapshot_seconds >= self._request.checkpoint_seconds:
            loop.snapshot_seconds, reported = loop.seconds, True
            yield Snapshot(**self._tick(), step=loop.step)
        if not reported:
            yield Tick(**self._tick(), step=loop.step)

    def _tick(self) -> dict[str, Any]:
        return {"state": self.capture, "new_characters": self._speeds.take_new_characters()}

    def _progress(self) -> Progress:
        loop, recipe, limit = self._loop, self._recipe, self._request.max_seconds
        epochs = -(-loop.total_steps // recipe.batches)
        work = loop.total_steps + epochs * recipe.evaluation_batches * recipe.evaluation_cost
        fraction, eta = loop.work / work, (work - loop.work) * self._speeds.seconds_per_work.value
        if limit is not None:
            fraction, eta = max(fraction, loop.seconds / limit), min(eta, limit - loop.seconds)
        loop.fraction = max(loop.fraction, min(1.0, fraction))
        known = self._speeds.seconds_per_work.denominator > 0
        return Progress(
            **self._tick(),
            step=loop.step,
            total_steps=loop.total_steps,
            epoch=loop.epoch + 1,
            total_epochs=epochs,
            fraction=loop.fraction,
            chars_per_second=self._speeds.characters_per_second.value,
            eta_seconds=max(0.0, eta) if known else None,
            train_loss=loop.epoch_loss / loop.epoch_characters if loop.epoch_characters else None,
            validation_loss=loop.validation_loss,
            best_loss=loop.best_loss,
            best_epoch=loop.best_epoch,
            baselines=self._context.baselines,
        )

    def _done(self) -> Done:
        loop = self._loop
        return Done(
            state=self.capture,
            step=loop.step,
            weights={name: value.clone() for name, value in self._best.items()},
            vocabulary=self._context.vocabulary,
            stop_reason=loop.stop_reason or "completed",
            losses=ModelLosses(
                train=loop.best_train,
                validation=loop.best_validation,
                best_epoch=loop.best_epoch,
                baselines=self._context.baselines,
            ),
            best_loss=loop.best_loss,
            metrics=tuple(MetricRow(**values) for values in loop.metrics),
            samples=tuple(SampleRow(**values) for values in loop.samples),
            items=self._context.items,
        )

    # -- state ------------------------------------------------------------------------------------------------------

    def capture(self) -> TrainState:
        """Copy everything that determines the next step."""
        tensors = {f"model.{name}": value for name, value in self._model.weights().items()}
        tensors |= self._optimizer.capture()
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        tensors |= {f"carried.{name}": value for name, value in self._recipe.carried().items()}
        return TrainState(tensors=tensors, facts=self._constants | self._loop.as_facts())

    def _restore(self, state: TrainState) -> None:
        STATE_VERSION.check(state.facts, "The saved training")
        asked = self._request.model_dump(mode="json", exclude=_IGNORED)
        # An option that the state doesn't name, since its job or the state is older, had the value of its default.
        defaults = {name: type(self._request).model_fields[name].default for name in asked}
        ours = {name: self._constants[name] for name in _MUST_AGREE} | asked
        saved = {name: state.facts.get(name) for name in _MUST_AGREE} | defaults | state.facts["request"]
        for name, found in saved.items():
            if found != (value := ours.get(name)):
                what = f"{name} was {str(found)[:100]!r} and is {str(value)[:100]!r}"
                raise JobFailed(f"the saved training can't continue here: {what}", code="state_mismatch")
        self._model.load_state_dict(state.part("model"))
        self._optimizer.restore(state.tensors)
        self._best = state.part("best")
        self._recipe.load_carried({name: value.clone() for name, value in state.part("carried").items()})
        self._loop = LoopState.from_facts(state.facts)
