"""What a training reports, when it ends, and what it refuses."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from shared.errors import JobFailed
from shared.requests.options import ClassicRequest, StreamRequest
from shared.text.vocabulary import Vocabulary, normalise
from tests.worker.short_trainings import assert_same, classic, rows, run, sample_text, stream
from worker.nn.model import CharLSTM
from worker.training.data import encode
from worker.training.events import Done, Metric, Progress, Sample, Snapshot, TrainEvent, TrainingDiverged, row
from worker.training.train import Start, train

TEXT = sample_text(3000)


class Clock:
    """A clock that goes on by a fixed time whenever it is looked at."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize("request_", [stream(), classic()], ids=["stream", "classic"])
def test_a_training_learns_and_reports_its_curve(request_: StreamRequest | ClassicRequest) -> None:
    events, done = run(request_, TEXT)
    assert done.stop_reason == "completed"
    losses = [metric.train_loss for metric in done.metrics if metric.train_loss is not None]
    assert losses[-1] < losses[0] < math.log(len(done.vocabulary)) * 1.1
    assert rows(event for event in events if isinstance(event, Metric)) == rows(done.metrics)
    assert len([event for event in events if isinstance(event, Sample)]) == 2
    assert all(len(sample.text) == 40 for sample in done.samples)
    text = normalise(TEXT, lowercase=request_.lowercase)
    assert all(re.search(rf"(^|\s){re.escape(sample.prompt)}", text) for sample in done.samples)


@pytest.mark.parametrize("request_", [stream(epochs=1), classic(epochs=1)], ids=["stream", "classic"])
def test_every_character_that_is_trained_on_is_counted_once(request_: StreamRequest | ClassicRequest) -> None:
    events, done = run(request_, TEXT)
    counted = sum(event.new_characters for event in events)
    assert counted == done.state().facts["epoch_characters"] > 0


def test_the_same_seed_gives_the_same_model_and_another_one_another() -> None:
    _, one = run(stream(epochs=1), TEXT)
    _, same = run(stream(epochs=1), TEXT)
    _, other = run(stream(epochs=1, seed=8), TEXT)
    assert all(torch.equal(one.weights[name], same.weights[name]) for name in one.weights)
    assert not torch.equal(one.weights["linear.weight"], other.weights["linear.weight"])


def test_two_trainings_that_take_turns_do_not_disturb_each_other() -> None:
    request = stream(epochs=1, layers=2, dropout=0.4)
    _, alone = run(request, TEXT)
    end: TrainEvent | None = None
    other = train(request.model_copy(update={"seed": 99}), TEXT, threads=1)
    # How many characters of a sample come between two events depends on the machine: the other one may end first.
    for event in train(request, TEXT, threads=1):
        end = event
        torch.rand(3)
        next(other, None)
    assert isinstance(end, Done)
    assert torch.equal(end.weights["linear.weight"], alone.weights["linear.weight"])


def test_every_batch_is_followed_by_an_event() -> None:
    steps = []
    for event in train(stream(validation_fraction=0.5), TEXT, threads=1):
        facts = event.state().facts
        steps.append((facts["step"], facts["evaluation_batch"]))
    moves = {(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(steps)}
    assert all(step + max(0, evaluation) <= 1 for step, evaluation in moves), moves


def test_progress_comes_two_to_ten_times_a_second_and_its_fraction_never_falls() -> None:
    # Given: a clock by which each move takes a fiftieth of a second or so.
    clock = Clock(0.01)
    times, fractions = [], []
    for event in train(stream(validation_fraction=0.3), TEXT, threads=1, clock=clock):
        if isinstance(event, Progress):
            times.append(clock.now)
            fractions.append(event.fraction)
            assert 0 < event.total_steps >= event.step
    gaps = [b - a for a, b in pairwise(times)]
    assert min(gaps) >= 0.1
    assert max(gaps) <= 0.5
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert 0.9 < fractions[-1] <= 1


def test_snapshots_come_by_seconds_of_computing() -> None:
    events, done = run(stream(checkpoint_seconds=1), TEXT, clock=Clock(0.05))
    snapshots = sum(isinstance(event, Snapshot) for event in events)
    assert snapshots == pytest.approx(done.state().facts["seconds"], rel=0.15)


def test_a_short_run_has_a_curve_of_fifty_points_or_more() -> None:
    _, done = run(stream(epochs=10), TEXT)
    assert 50 <= len(done.metrics) <= 210


def test_a_time_limit_ends_a_training_and_its_schedule() -> None:
    request = stream(max_seconds=20, epochs=1000, sample_chars=0)
    _, done = run(request, TEXT, clock=Clock(0.05))
    facts = done.state().facts
    assert done.stop_reason == "time_limit"
    assert 16 <= facts["seconds"] <= 20
    assert facts["step"] == facts["total_steps"] < 1000 * 34
    assert done.metrics[-1].validation_loss is not None


def test_classic_within_a_time_limit_keeps_what_it_has() -> None:
    _, done = run(classic(max_seconds=1, epochs=100, sample_chars=0), TEXT, clock=Clock(0.05))
    assert done.stop_reason == "time_limit"
    assert done.losses.best_epoch == 1
    assert done.weights


def test_no_better_loss_for_some_epochs_stops_a_training() -> None:
    # Given: a rate at which the loss soon rises, and a patience of two epochs.
    _, done = run(stream(learning_rate=0.5, epochs=50, patience=2, sample_chars=0), TEXT)
    evaluated = [metric.validation_loss for metric in done.metrics if metric.validation_loss is not None]
    assert done.stop_reason == "early_stopped"
    assert done.losses.best_epoch == len(evaluated) - 2
    assert done.losses.validation == min(evaluated)


def test_a_loss_that_blows_up_ends_the_training_with_words_and_the_last_good_state() -> None:
    # Given: steps so long that nothing is learned.
    with pytest.raises(TrainingDiverged, match=r"diverged .* started at .* smaller learning_rate than 1") as caught:
        run(classic(learning_rate=1.0, hidden_size=64, epochs=40), TEXT)
    assert caught.value.code == "diverged"
    assert all(bool(torch.isfinite(value).all()) for value in caught.value.state.tensors.values())


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    # Given: a model to start from whose logits overflow.
    _, first = run(stream(epochs=1, sample_chars=0), TEXT)
    weights = {**first.weights, "linear.weight": torch.full_like(first.weights["linear.weight"], 3e38)}
    start = Start(weights=weights, vocabulary=first.vocabulary)
    with pytest.raises(TrainingDiverged, match="diverged to nan") as caught:
        run(stream(validation_fraction=0), TEXT, start=start)
    assert caught.value.state.facts["step"] == 0
    with pytest.raises(JobFailed, match="no finite loss") as failed:
        run(stream(), TEXT, start=start)
    assert failed.value.code == "init_mismatch"


def test_a_model_to_start_from_gives_its_weights_and_its_vocabulary() -> None:
    # Given: a model of a richer vocabulary in an order of its own.
    _, first = run(stream(epochs=1, sample_chars=0), TEXT)
    start = Start(weights=first.weights, vocabulary=first.vocabulary)
    # When
    state = next(train(stream(), TEXT[:1500], start=start)).state()
    # Then
    assert torch.equal(state.tensors["model.linear.weight"], first.weights["linear.weight"])
    assert state.facts["vocabulary"] == first.vocabulary.characters
    with pytest.raises(JobFailed, match="shape") as caught:
        list(train(stream(hidden_size=25), TEXT, start=start))
    assert caught.value.code == "init_mismatch"
    # A classic model can't be extended: it reads a character as its index over the vocabulary's size.
    _, first = run(classic(epochs=1, sample_chars=0), TEXT)
    with pytest.raises(JobFailed, match=r"U\+20AC") as caught:
        list(train(classic(), TEXT + "€", start=Start(weights=first.weights, vocabulary=first.vocabulary)))
    assert caught.value.code == "unknown_characters"


def test_a_model_to_start_from_is_extended_by_the_texts_characters() -> None:
    # Given: a model of lower case letters.
    _, first = run(stream(sample_chars=0, lowercase=True, epochs=4), TEXT)
    start, notes = Start(weights=first.weights, vocabulary=first.vocabulary), list[str]()
    # When
    events, done = run(stream(), TEXT + "é", start=start, note=notes.append)
    # Then: its vocabulary has all characters, its first loss was measured before the first step, and the same again.
    assert set(done.vocabulary.characters) == set(TEXT + "é") | set(first.vocabulary.characters)
    assert f"{len(done.vocabulary) - len(first.vocabulary)} characters of the text" in notes[0]
    before = done.metrics[0]
    assert (before.step, before.epoch, before.train_loss) == (0, 0, None)
    assert before.validation_loss is not None
    assert before.validation_loss < math.log(len(done.vocabulary))
    assert [metric.epoch for metric in done.metrics if metric.validation_loss is not None] == [0, 1, 2]
    states = [event.state() for event in events[:2]]
    for state in states:
        _, again = run(stream(), TEXT + "é", state=state)
        assert_same(again.weights, done.weights)


def test_a_training_that_only_makes_a_model_worse_keeps_the_model() -> None:
    _, first = run(stream(epochs=6, sample_chars=0), TEXT)
    start = Start(weights=first.weights, vocabulary=first.vocabulary)
    worse = stream(epochs=2, learning_rate=1.0, grad_clip=0, sample_chars=0)
    _, done = run(worse, TEXT, start=start)
    assert done.losses.best_epoch == 0
    assert_same(done.weights, first.weights)
    # A base, which nobody asked for, is no result: it has learned nothing from the text.
    _, trained = run(worse, TEXT, start=start, keeps_start=False)
    assert trained.losses.best_epoch in (1, 2)
    assert trained.metrics[0].epoch == 0, "its loss is measured all the same"
    assert not torch.equal(trained.weights["linear.bias"], first.weights["linear.bias"])


def test_stream_drops_a_bom_and_classic_keeps_it() -> None:
    bom = "\ufeff"
    assert bom not in next(train(stream(), bom + TEXT)).state().facts["vocabulary"]
    assert bom in next(train(classic(), bom + TEXT)).state().facts["vocabulary"]


@pytest.mark.parametrize("request_", [stream(epochs=1), classic(epochs=1)], ids=["stream", "classic"])
def test_a_text_that_is_read_in_parts_trains_as_one_that_is_given_whole(
    request_: StreamRequest | ClassicRequest,
) -> None:
    # Given: what lower-casing and the recipes change, cut within words.
    text = "\ufeffİΣ'" + TEXT[:1200] + "ΟΔΟΣ"
    reads = []

    def read() -> Iterator[str]:
        reads.append(0)
        for start in range(0, len(text), 7):
            reads[-1] += 1
            yield text[start : start + 7]

    # When
    _, whole = run(request_, text)
    _, parts = run(request_, read)
    # Then
    assert_same(whole.weights, parts.weights)
    assert whole.state().facts["text_sha256"] == parts.state().facts["text_sha256"]
    assert len(reads) == 2
    assert reads[0] == reads[1] == -(-len(text) // 7)


def test_case_is_kept_when_asked() -> None:
    assert "T" in next(train(stream(lowercase=False), TEXT)).state().facts["vocabulary"]


def test_validation_is_over_the_last_part_each_character_once_from_a_zero_state() -> None:
    # Given
    request = stream(epochs=1, validation_fraction=0.5, sample_chars=0)
    _, done = run(request, TEXT)
    model = CharLSTM(vocab_size=len(done.vocabulary), hidden_size=24, embedding_size=8)
    model.load_state_dict(dict(done.weights))
    model.eval()
    codes = torch.from_numpy(encode([TEXT], done.vocabulary, chars=len(TEXT))).long()
    begin = len(TEXT) - len(TEXT) // 2
    # When: the same in one piece.
    with torch.no_grad():
        logits, _ = model(codes[None, begin - 1 : -1])
        loss = torch.nn.functional.cross_entropy(logits[0], codes[begin:])
    # Then
    assert done.losses.validation == pytest.approx(float(loss), rel=1e-6)


def test_rows_are_plain_values() -> None:
    events, done = run(stream(epochs=1), TEXT)
    metric = next(event for event in events if isinstance(event, Metric))
    assert row(metric) == row(done.metrics[0])
    assert set(row(replace(done.metrics[0], step=5))) == {
        "step",
        "epoch",
        "seconds",
        "train_loss",
        "validation_loss",
        "evaluation_loss",
        "evaluation_sum",
    }


def test_one_character_over_and_over_can_be_learnt() -> None:
    _, done = run(stream(epochs=1), "a" * 1000)
    assert done.vocabulary == Vocabulary("a")
