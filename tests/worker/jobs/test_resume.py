"""A training that is interrupted and resumed from its file ends as one that wasn't: bit for bit, at any step."""

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from shared.errors import JobFailed
from shared.host import processor_kind
from shared.requests.options import ClassicRequest, StreamRequest
from tests.preloaded import output_of
from tests.worker.short_trainings import assert_same, classic, rows, run, sample_text, stream
from worker.nn.precision import can_compute_bfloat16
from worker.training.events import Done, Metric, Sample, TrainEvent
from worker.training.state import TrainState, load_state, save_state
from worker.training.train import train

#: A size that the compiled layer has, a validation part in two batch rows; and one that torch computes.
STREAM = stream(validation_fraction=0.4, layers=2, dropout=0.3, epochs=2, hidden_size=32)
CLASSIC = classic(layers=2, grad_clip=1.0, batch_size=32)
#: States kept of each phase.
MAX_STATES = 24
TEXTS = {"stream": sample_text(6_000), "classic": sample_text(700)}


@cache
def trained(recipe: str) -> tuple[list[TrainEvent], dict[tuple[str, int], tuple[TrainState, int]]]:
    """Train to the end, once for all tests.

    Returns all events; and for the first events in each phase of the training, which are counted from 1, the state at
    that event and how many events there were by then.
    """
    events: list[TrainEvent] = []
    states: dict[tuple[str, int], tuple[TrainState, int]] = {}
    seen: Counter[str] = Counter()
    for event in train(STREAM if recipe == "stream" else CLASSIC, TEXTS[recipe], threads=1):
        events.append(event)
        state = event.state()
        phase = state.facts["phase"]
        seen[phase] += 1
        if seen[phase] <= MAX_STATES:
            states[phase, seen[phase]] = state, len(events)
    return events, states


def undisturbed(recipe: str) -> tuple[list[TrainEvent], Done]:
    """Return the events of a training, and the last one."""
    events, _ = trained(recipe)
    assert isinstance(events[-1], Done)
    return events, events[-1]


def broken_at(request: StreamRequest | ClassicRequest, phase: str, which: int) -> tuple[TrainState, list[TrainEvent]]:
    """Return what is left of a training that is broken off at the `which`-th event in this phase."""
    events, states = trained(request.recipe)
    state, count = states[phase, which]
    return state, events[:count]


@pytest.mark.parametrize("request_", [STREAM, CLASSIC], ids=["stream", "classic"])
@pytest.mark.parametrize(
    ("phase", "which"),
    [
        ("training", 1),
        ("training", 2),
        ("training", 15),
        ("training", 24),
        ("evaluating", 1),
        ("evaluating", 2),
        ("evaluating", 4),
        ("sampling", 1),
        ("finished", 1),
    ],
)
def test_a_training_taken_up_from_its_file_ends_with_the_same_weights_and_losses(
    request_: StreamRequest | ClassicRequest, phase: str, which: int, tmp_path: Path
) -> None:
    # Given: one training to its end, and one that broke off on the way, its state in a file.
    text = TEXTS[request_.recipe]
    whole, end = undisturbed(request_.recipe)
    state, before = broken_at(request_, phase, which)
    path = tmp_path / "state.safetensors"
    loaded = load_state(path, save_state(path, state))
    # When: it goes on from the file.
    notes: list[str] = []
    # The stored number of threads holds.
    after, resumed = run(request_, text, state=loaded, threads=2, note=notes.append)
    # Then
    assert notes == [], "nothing to note on the same kind of host"
    assert_same(end.weights, resumed.weights)
    assert_same(end.state().tensors, resumed.state().tensors)
    assert rows(end.metrics) == rows(resumed.metrics)
    assert (end.samples, end.losses) == (resumed.samples, resumed.losses)
    for kind in (Metric, Sample):
        reported: list[Any] = [event for event in [*before, *after] if isinstance(event, kind)]
        assert len(reported) == sum(isinstance(event, kind) for event in whole), "each row is reported once"


def test_a_training_in_bfloat16_goes_on_in_bfloat16_with_the_same_weights() -> None:
    request = stream(precision="bfloat16", hidden_size=32, layers=2, epochs=1)
    text = TEXTS["stream"]
    _, end = run(request, text)
    state = next(event.state() for event in train(request, text, threads=1) if event.state().facts["step"] == 9)
    assert state.facts["bfloat16"] is can_compute_bfloat16()
    # When
    _, resumed = run(request, text, state=state)
    # Then
    assert_same(end.weights, resumed.weights)


def test_a_host_without_bfloat16_goes_on_in_float32_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a state of a host that has it.
    request = stream(precision="bfloat16", hidden_size=32, epochs=1)
    text = TEXTS["stream"]
    state = next(event.state() for event in train(request, text, threads=1) if event.state().facts["step"] == 9)
    state = replace(state, facts={**state.facts, "bfloat16": True})
    # When
    monkeypatch.setattr("worker.training.train.can_compute_bfloat16", lambda: False)
    notes: list[str] = []
    _, done = run(request, text, state=state, note=notes.append)
    # Then
    assert done.stop_reason == "completed"
    assert done.state().facts["bfloat16"] is False
    assert [note for note in notes if "float32 is used" in note]
    assert [note for note in notes if "From step 9 on" in note]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"kernel_path": "another"}, "other code"),
        ({"torch": "2.0.0"}, "another version of torch"),
        ({"processor": "x86_64 GenuineIntel 6 106"}, "another kind of processor"),
        ({"kernel_path": "another", "processor": "aarch64"}, "other code and another kind of processor"),
    ],
)
def test_another_host_goes_on_and_says_where_bitwise_equality_ends(facts: dict[str, str], said: str) -> None:
    state, _ = broken_at(STREAM, "training", 3)
    notes: list[str] = []
    other = replace(state, facts={**state.facts, **facts})
    first = next(train(STREAM, TEXTS["stream"], state=other, threads=1, note=notes.append))
    assert [note for note in notes if f"From step {state.facts['step']} on, {said} computes the training" in note]
    assert first.state().facts["processor"] == processor_kind()


def test_a_host_without_the_compiled_layer_goes_on_as_well() -> None:
    _, end = undisturbed("stream")
    state, _ = broken_at(STREAM, "training", 3)
    notes: list[str] = []
    _, done = run(STREAM, TEXTS["stream"], state=state, fused=False, note=notes.append)
    assert bool([note for note in notes if "other code" in note]) is (state.facts["kernel_path"] != "nn.LSTM")
    assert done.best_loss == pytest.approx(end.best_loss, abs=0.02)


def test_another_process_goes_on_with_the_same_weights(tmp_path: Path) -> None:
    # Given
    _, end = undisturbed("stream")
    state, _ = broken_at(STREAM, "training", 17)
    sha256 = save_state(tmp_path / "state", state)
    # When
    output_of("tests.worker.jobs.resuming", str(tmp_path), sha256)
    # Then
    assert_same(end.weights, load_file(tmp_path / "weights"))


def test_a_state_is_a_copy_that_later_steps_leave_alone() -> None:
    training = train(STREAM, TEXTS["stream"], threads=1)
    first = next(training).state()
    kept = {name: value.clone() for name, value in first.tensors.items()}
    facts = dict(first.facts)
    assert isinstance(list(training)[-1], Done)
    assert_same(first.tensors, kept)
    assert first.facts == facts
    assert facts["step"] == 0


def test_a_state_names_its_jobs_options_and_goes_on_with_the_defaults_of_others() -> None:
    # A job of an earlier version doesn't name later options, which a worker of that version would refuse in a state.
    state, _ = broken_at(STREAM, "training", 3)
    assert state.facts["request"].keys() < STREAM.model_fields_set
    assert "weight_dropout" not in state.facts["request"]
    _, whole = run(STREAM, TEXTS["stream"])
    _, done = run(STREAM, TEXTS["stream"], state=state)
    assert_same(done.weights, whole.weights)
    with pytest.raises(JobFailed, match="weight_dropout was"):
        list(train(STREAM.model_copy(update={"weight_dropout": 0.5}), TEXTS["stream"], state=state))


def test_a_state_from_before_muon_goes_on_with_adam_alone() -> None:
    state, _ = broken_at(STREAM, "training", 1)
    assert state.facts["muon"]
    # An older state, before its first step: it names no kind of optimizer, and has kept nothing.
    older = replace(state, facts={name: value for name, value in state.facts.items() if name != "muon"})
    events = train(STREAM, TEXTS["stream"], state=older)
    later = next(event.state() for event in events if event.state().facts["step"] == 5)
    assert "adam.exp_avg.lstm.weight_hh_l1" in later.tensors
    assert not later.part("muon")
    # And a state of that training goes on so, too.
    assert later.facts["muon"] is False
    _, end = run(STREAM, TEXTS["stream"], state=later)
    assert_same(end.weights, next(e for e in events if isinstance(e, Done)).weights)


def test_a_state_of_another_text_is_refused() -> None:
    state, _ = broken_at(STREAM, "training", 3)
    with pytest.raises(JobFailed, match="text_sha256") as caught:
        list(train(STREAM, TEXTS["stream"][::-1], state=state))
    assert caught.value.code == "state_mismatch"


def test_a_state_of_another_request_is_refused() -> None:
    state, _ = broken_at(STREAM, "training", 3)
    with pytest.raises(JobFailed, match="learning_rate was"):
        list(train(STREAM.model_copy(update={"learning_rate": 1e-4}), TEXTS["stream"], state=state))


def test_seconds_of_earlier_attempts_count_against_the_time_limit() -> None:
    # Given: a training that has used up its 100 seconds, 1 for each look at the clock.
    now = iter(range(10_000))
    request = stream(max_seconds=100, epochs=100, sample_chars=0)
    state = None
    for event in train(request, TEXTS["stream"], threads=1, clock=lambda: float(next(now))):
        state = event.state()
        if state.facts["seconds"] >= 40:
            break
    # When: it goes on elsewhere.
    _, done = run(request, TEXTS["stream"], state=state, clock=lambda: float(next(now)))
    # Then
    assert done.stop_reason == "time_limit"
    assert done.state().facts["seconds"] <= 100
