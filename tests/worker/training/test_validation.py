"""The validation part taken from all over a text: never trained on, each character judged once, resumed exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from shared.requests.validation import spread
from tests.worker.short_trainings import assert_same, rows, run, sample_text, stream
from worker.nn.model import CharLSTM
from worker.training.data import encode
from worker.training.events import Done
from worker.training.lists import cut
from worker.training.train import train

TEXT = sample_text(6000)
SPREAD = {"validation": "spread", "validation_fraction": 0.25}
PART = spread(6000, 1500)


def test_no_chunk_holds_a_character_of_a_slice_or_of_its_gaps() -> None:
    codes = np.arange(6000, dtype=np.uint16)
    parts = cut(codes, None, stream(**SPREAD), seed=3)
    trained = {place for start, stop in PART.segments() for place in range(start, stop)}
    for epoch in (0, 1):
        seen = set()
        for batch in range(parts.chunks.batches):
            inputs, targets = parts.chunks.training(epoch, batch)
            seen |= {*inputs.flatten().tolist(), *targets.flatten().tolist()}
        assert seen <= trained
        assert len(seen) >= parts.chunks.characters > 0.95 * len(trained)
    assert parts.training.tolist() == sorted(trained)
    assert [(int(one[0]), int(one[-1])) for one in parts.validation] == [
        (start - 5, start + 499) for start in (750, 2750, 4750)
    ]


def test_each_slice_is_judged_after_the_characters_before_it() -> None:
    _, done = run(stream(**SPREAD, epochs=1), TEXT)
    model = CharLSTM(vocab_size=len(done.vocabulary), hidden_size=24, embedding_size=8)
    model.load_state_dict(dict(done.weights))
    model.eval()
    codes = torch.from_numpy(encode([TEXT], done.vocabulary, chars=len(TEXT))).long()
    losses = []
    for start in PART.starts:
        read = codes[start - 501 : start + 500]
        with torch.no_grad():
            logits, _ = model(read[None, :-1])
        losses.append(functional.cross_entropy(logits[0, 500:], read[501:]))
    assert done.losses.validation == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


@pytest.mark.parametrize("validation", ["spread", "tail"])
def test_a_resumed_training_is_exact(validation: str) -> None:
    request = stream(**SPREAD | {"validation": validation})
    _, whole = run(request, TEXT)
    # Given a state of the middle of the second evaluation; of "tail", one from before there was a choice.
    state = None
    for event in train(request, TEXT, threads=1):
        facts = event.state().facts
        if facts["epoch"] == 1 and facts["evaluation_batch"] == 1 and state is None and not isinstance(event, Done):
            state = event.state()
    assert state is not None
    if validation == "tail":
        asked = {name: value for name, value in state.facts["request"].items() if name != "validation"}
        state = replace(state, facts={**state.facts, "request": asked})
        request = request.model_copy(update={"validation": None})
    _, resumed = run(request, TEXT, state=state)
    assert_same(whole.weights, resumed.weights)
    assert rows(whole.metrics) == rows(resumed.metrics)
    assert resumed.losses.baselines == whole.losses.baselines
