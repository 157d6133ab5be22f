"""Trainings by the compiled layer: they learn what they learn in torch, and go on exactly."""

import pytest

from shared.requests.estimate import MIN_BFLOAT16_HIDDEN_SIZE
from tests.worker.short_trainings import assert_resumed_exactly, assert_same, classic, run, sample_text, stream
from worker.nn import kernel
from worker.nn.kernel import Kernel
from worker.nn.kernel.compilation import FAMILIES, Family, machine, processor_flags
from worker.training.train import train


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_a_training_learns_as_it_does_in_torch(recipe: str, precision: str) -> None:
    units = MIN_BFLOAT16_HIDDEN_SIZE if precision == "auto" else 32
    options = {"hidden_size": units, "precision": precision, "epochs": 2, "sample_chars": 0, "dropout": 0.0}
    request = stream(**options) if recipe == "stream" else classic(**options)
    text = sample_text(3000)
    fused, plain = (run(request, text, fused=fused)[1] for fused in (True, False))
    assert (plain.state().facts["kernel_path"]) == "nn.LSTM"
    kernel_here = kernel.load()
    if kernel_here is not None and (precision == "float32" or kernel_here.bfloat16):
        assert fused.state().facts["kernel_path"].startswith("lstm.c")
    limit = 1e-4 if precision == "float32" else 1e-2
    assert fused.best_loss == pytest.approx(plain.best_loss, rel=limit)


@pytest.mark.skipif(kernel.load() is None, reason="this processor belongs to no family")
def test_a_state_goes_on_where_the_layer_isnt_compiled() -> None:
    request, text = stream(hidden_size=32, sample_chars=0, dropout=0.0), sample_text(3000)
    _, whole = run(request, text)
    events = train(request, text, threads=1)
    state = [next(events) for _ in range(20)][-1].state()
    _, done = run(request, text, state=state, fused=False)
    assert done.best_loss == pytest.approx(whole.best_loss, rel=1e-3)
    _, exact = run(request, text, state=state)
    assert_same(exact.weights, whole.weights)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_training_is_resumed_exactly_on_each_family(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    if family.machine != machine() or not processor_flags().issuperset(family.needs):
        pytest.skip(f"this processor has no {family.title}")
    compiled = Kernel(family)
    for module in ("worker.training.train", "worker.nn.precision"):
        monkeypatch.setattr(f"{module}.load", lambda: compiled)
    request = stream(hidden_size=MIN_BFLOAT16_HIDDEN_SIZE, precision="auto", sample_chars=0)
    events = train(request, sample_text(3000), threads=1)
    path = str(next(events).state().facts["kernel_path"])
    events.close()
    assert ("eight_bits" in path) is compiled.eight_bits
    assert_resumed_exactly(request, sample_text(3000), at=0.5)


def test_a_size_that_the_layer_doesnt_have_takes_torch() -> None:
    _, done = run(stream(hidden_size=24, sample_chars=0), sample_text(2000))
    assert done.state().facts["kernel_path"] == "nn.LSTM"
