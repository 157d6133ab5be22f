"""Writing: the same text from the same seed, prompts, stop strings, variants, and progress events."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from shared.errors import InvalidRequest
from shared.requests.writing import GenerateRequest
from tests.worker.models import small_model
from worker.generation.generate import Done, Output, Text, generate
from worker.generation.loaded import LoadedModel

PROMPT = "said pooh, and then he went"


def request(**options: Any) -> GenerateRequest:
    return GenerateRequest.model_validate({"model_id": "mod", "prompt": PROMPT, "seed": 4, "length": 60} | options)


def write(model: LoadedModel, **options: Any) -> tuple[Output, ...]:
    *_, done = generate(model, request(**options))
    assert isinstance(done, Done)
    return done.outputs()


RECIPES = pytest.mark.parametrize("recipe", ["stream", "classic"])


@RECIPES
def test_the_same_seed_writes_the_same_text_and_another_one_another(recipe: str) -> None:
    model = small_model(recipe)
    assert write(model) == write(model)
    assert write(model) != write(model, seed=5)
    assert len(write(model)[0].text) == 60
    assert write(model)[0].finish_reason == "length"


@RECIPES
def test_the_number_of_threads_does_not_matter(recipe: str) -> None:
    model = small_model(recipe, hidden_size=128)
    torch.set_num_threads(2)
    one = write(model)
    torch.set_num_threads(1)
    assert write(model) == one


@RECIPES
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_greedy_text_is_that_of_the_plain_loop(recipe: str, layers: int) -> None:
    # Given: the plain way, a window or a carried state for each character.
    model = small_model(recipe, layers=layers)
    codes = model.vocabulary.encode(PROMPT)
    expected = []
    with torch.no_grad():
        if recipe == "classic":
            window = codes[-20:]
            for _ in range(60):
                expected.append(int(model.module.last(torch.tensor([window])).argmax()))
                window = [*window[1:], expected[-1]]
        else:
            logits, carried = model.module(torch.tensor([codes]))
            for _ in range(60):
                expected.append(int(logits[0, -1].argmax()))
                logits, carried = model.module(torch.tensor([expected[-1:]]), carried)
    # Then
    text = model.vocabulary.decode(expected)
    assert write(model, temperature=0)[0].text == text
    assert [output.text for output in write(model, temperature=0, n=3)] == [text] * 3


def test_a_prompt_shorter_than_the_window_keeps_its_length() -> None:
    model = small_model("classic")
    window = model.vocabulary.encode("pooh")
    expected = []
    with torch.no_grad():
        for _ in range(10):
            expected.append(int(model.module.last(torch.tensor([window])).argmax()))
            window = [*window[1:], expected[-1]]
    assert write(model, prompt="pooh", temperature=0, length=10)[0].text == model.vocabulary.decode(expected)


def test_a_long_prompt_is_read_in_pieces_as_in_one() -> None:
    model = small_model()
    prompt = PROMPT * 50
    with torch.no_grad():
        logits, _ = model.module(torch.tensor([model.vocabulary.encode(prompt)]))
    first = model.vocabulary.characters[int(logits[0, -1].argmax())]
    assert write(model, prompt=prompt, temperature=0, length=1)[0].text == first


@RECIPES
def test_variants_differ_and_each_counts_its_own_characters(recipe: str) -> None:
    outputs = write(small_model(recipe), n=5)
    assert len({output.text for output in outputs}) == 5
    assert [output.index for output in outputs] == list(range(5))
    assert all(len(output.text) == 60 for output in outputs)


@RECIPES
def test_a_stop_string_ends_its_own_variant_only(recipe: str) -> None:
    model = small_model(recipe)
    free = write(model, n=6, temperature=1.5)
    outputs = write(model, n=6, temperature=1.5, stop=["e", "qu"])
    assert {output.finish_reason for output in outputs} <= {"stop", "length"}
    assert any(output.finish_reason == "stop" for output in outputs)
    for output in outputs:
        assert "e" not in output.text
        assert "qu" not in output.text
        assert (output.finish_reason == "stop") == (len(output.text) < 60)
    assert outputs[0].text == free[0].text[: len(outputs[0].text)]


def test_the_deltas_make_up_the_texts() -> None:
    shown = [""] * 3
    asked = request(n=3, stop=["th", "e "], length=200)
    for event in generate(small_model(), asked, clock=iter(range(10**6)).__next__):
        if isinstance(event, Text):
            assert event.offset == len(shown[event.index])
            assert event.delta
            shown[event.index] += event.delta
        last = event
    assert shown == [output.text for output in last.outputs()]


def test_a_caller_that_stops_early_has_what_was_written() -> None:
    events = generate(small_model(), request(length=5000), clock=iter(range(10**6)).__next__)
    some = list(islice(events, 20))
    events.close()
    (output,) = some[-1].outputs()
    assert output.finish_reason == "cancelled"
    assert output.text == write(small_model(), length=5000)[0].text[: len(output.text)]
    assert len(output.text) > 0


def test_unknown_characters_are_named_or_dropped() -> None:
    model = small_model()
    with pytest.raises(InvalidRequest, match=r"'€' \(U\+20AC\)") as caught:
        write(model, prompt="pooh€")
    assert caught.value.errors[0].pointer == "/prompt"
    assert write(model, prompt="POO€h", unknown_chars="drop") == write(model, prompt="pooh")
    with pytest.raises(InvalidRequest, match="no character"):
        write(model, prompt="€€", unknown_chars="drop")


def test_top_k_of_one_is_greedy() -> None:
    model = small_model()
    assert write(model, top_k=1)[0].text == write(model, temperature=0)[0].text
    assert write(model, top_p=1e-9)[0].text == write(model, temperature=0)[0].text


def test_writing_leaves_no_torch_mode_on() -> None:
    events = generate(small_model(), request())
    next(events)
    next(events)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert np.isfinite(1.0)
