"""Options left out shrink to fit; options given are kept or refused with the numbers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.requests.fit import MAX_BATCH_SECONDS, fit, memory_bytes
from shared.requests.flops import flops, optimizer_flops, parameters, takes_muon
from shared.requests.options import ClassicRequest, StreamRequest

GIB = 1 << 30


def stream(**options: Any) -> StreamRequest:
    return StreamRequest.model_validate({"corpus_id": "cor"} | options)


def classic(**options: Any) -> ClassicRequest:
    return ClassicRequest.model_validate({"corpus_id": "cor", "recipe": "classic"} | options)


def pointers(error: InvalidRequest) -> list[str]:
    return [wrong.pointer for wrong in error.errors]


def test_a_long_text_leaves_the_defaults_alone() -> None:
    assert fit(classic(), chars=148_067, vocab_size=67, memory_limit_bytes=4 * GIB) == classic()
    fitted = fit(stream(), chars=1_115_394, vocab_size=65, memory_limit_bytes=4 * GIB)
    chosen = {"dropout": 0.2, "weight_dropout": 0.0, "dropout_epochs": 0, "seq_length_warmup": 0}
    chosen["output_learning_rate_factor"] = 1.0
    assert fitted.model_copy(update=chosen) == stream(validation="spread")


@given(st.integers(1000, 300_000_000))
def test_any_text_of_a_thousand_characters_fits_stream(chars: int) -> None:
    fitted = fit(stream(), chars=chars, vocab_size=67, memory_limit_bytes=None)
    learnt = chars - int(chars * fitted.validation_fraction)
    assert fitted.batch_size * fitted.seq_length <= learnt
    kept_back = chars - learnt
    assert kept_back == 0 or 500 <= kept_back <= 200_001


def test_a_thousand_characters_train_with_no_validation_part_and_several_chunks() -> None:
    fitted = fit(stream(), chars=1000, vocab_size=40, memory_limit_bytes=GIB)
    assert fitted.validation_fraction == 0
    assert 1000 // fitted.batch_size >= 2 * fitted.seq_length


def test_too_short_texts_are_refused_with_the_numbers() -> None:
    with pytest.raises(InvalidRequest, match=r"999 characters; stream needs 1,000") as caught:
        fit(stream(), chars=999, vocab_size=40, memory_limit_bytes=None)
    assert pointers(caught.value) == ["/corpus_id"]
    with pytest.raises(InvalidRequest, match=r"228 characters; classic needs more than .* 229 at least"):
        fit(classic(), chars=228, vocab_size=40, memory_limit_bytes=None)
    assert fit(classic(), chars=229, vocab_size=40, memory_limit_bytes=None) == classic()


def test_a_text_is_judged_all_over_it_and_a_list_by_its_items() -> None:
    sizes: dict[str, Any] = {"chars": 20_000, "vocab_size": 40, "memory_limit_bytes": None}
    items = {"separator": "\n"}
    assert fit(stream(), **sizes).validation == "spread"
    assert fit(stream(validation="tail"), **sizes).validation == "tail"
    assert fit(stream(items=items), **sizes).validation is None
    assert fit(stream(items=items, validation=None), **sizes).validation is None
    with pytest.raises(InvalidRequest, match="items are held out, by their hash") as caught:
        fit(stream(items=items, validation="tail"), **sizes)
    assert pointers(caught.value) == ["/validation"]


def test_given_options_are_kept_and_the_others_make_room() -> None:
    fitted = fit(stream(batch_size=64), chars=2000, vocab_size=40, memory_limit_bytes=None)
    assert fitted.batch_size == 64
    assert fitted.seq_length * 64 <= 2000
    fitted = fit(stream(seq_length=500), chars=2000, vocab_size=40, memory_limit_bytes=None)
    assert fitted.seq_length == 500
    assert fitted.batch_size == 1
    assert (
        fit(stream(validation_fraction=0.3), chars=2000, vocab_size=40, memory_limit_bytes=None).validation_fraction
        == 0.3
    )


def test_given_options_that_do_not_fit_are_refused_at_their_fields() -> None:
    with pytest.raises(InvalidRequest, match="2,000 characters") as caught:
        fit(
            stream(batch_size=64, seq_length=100, validation_fraction=0),
            chars=2000,
            vocab_size=40,
            memory_limit_bytes=None,
        )
    assert pointers(caught.value) == ["/batch_size", "/seq_length"]
    with pytest.raises(InvalidRequest) as caught:
        fit(classic(seq_length=500), chars=600, vocab_size=40, memory_limit_bytes=None)
    assert pointers(caught.value) == ["/seq_length"]


@pytest.mark.parametrize("layers", range(1, 9))
@pytest.mark.parametrize("hidden_size", [512, 768, 1024, 1100])
def test_a_step_holds_its_optimizer_too_and_no_model_is_refused_for_it(hidden_size: int, layers: int) -> None:
    asked = stream(hidden_size=hidden_size, layers=layers)
    fitted = fit(asked, chars=10**6, vocab_size=67, memory_limit_bytes=None)
    assert flops(fitted, 67) + optimizer_flops(fitted) <= MAX_BATCH_SECONDS * 50e9
    # Two seconds and more are left for the gradients.
    assert fitted.batch_size == 32 or flops(fitted, 67, batch_size=fitted.batch_size + 1) > 2 * 50e9


def test_wide_and_deep_models_leave_muon_to_others() -> None:
    assert [takes_muon(stream(hidden_size=1024, layers=layers)) for layers in (1, 2)] == [True, False]
    assert [takes_muon(stream(hidden_size=width)) for width in (1024, 2048)] == [True, False]
    assert not takes_muon(classic(hidden_size=64))


def test_a_batch_that_takes_too_long_shrinks_or_is_refused() -> None:
    fitted = fit(stream(hidden_size=2048), chars=10**6, vocab_size=67, memory_limit_bytes=None)
    assert 1 <= fitted.batch_size < 32
    assert flops(fitted, 67) <= MAX_BATCH_SECONDS * 50e9
    with pytest.raises(InvalidRequest, match="batch_size may be") as caught:
        fit(stream(hidden_size=2048, batch_size=256), chars=10**6, vocab_size=67, memory_limit_bytes=None)
    assert pointers(caught.value) == ["/batch_size"]
    with pytest.raises(InvalidRequest, match="even with batch_size 1") as caught:
        fit(stream(hidden_size=4096, layers=8), chars=10**6, vocab_size=67, memory_limit_bytes=None)
    assert pointers(caught.value) == ["/hidden_size", "/layers"]


def test_a_job_too_large_for_the_memory_shrinks_or_is_refused() -> None:
    fitted = fit(stream(hidden_size=1024), chars=10**6, vocab_size=67, memory_limit_bytes=700 << 20)
    assert fitted.batch_size < 32
    assert memory_bytes(fitted, 10**6, 67) <= 700 << 20
    with pytest.raises(InvalidRequest, match="parameters") as caught:
        fit(stream(hidden_size=2048), chars=10**6, vocab_size=67, memory_limit_bytes=600 << 20)
    assert pointers(caught.value) == ["/hidden_size"]
    with pytest.raises(InvalidRequest, match="text of 200,000,000 characters alone") as caught:
        fit(stream(), chars=200_000_000, vocab_size=67, memory_limit_bytes=GIB // 2)
    assert pointers(caught.value) == ["/corpus_id"]
    with pytest.raises(InvalidRequest, match="Make batch_size 2000") as caught:
        fit(
            classic(batch_size=2000, hidden_size=64, seq_length=200),
            chars=10**5,
            vocab_size=67,
            memory_limit_bytes=600 << 20,
        )
    assert pointers(caught.value) == ["/batch_size", "/seq_length"]


def test_a_character_of_the_text_takes_as_many_bytes_as_its_index() -> None:
    for vocab_size, width in [(256, 1), (257, 2), (65_536, 2), (65_537, 4)]:
        two, one = (memory_bytes(stream(), millions * 10**6, vocab_size) for millions in (2, 1))
        assert two - one == width * 10**6


def test_parameters_of_the_documents_model() -> None:
    # 4 * 256 * (1 + 256 + 2) of the LSTM, 67 * 257 of the linear layer.
    assert parameters(classic(), 67) == 282_435
    assert parameters(stream(layers=2), 67) == 67 * 64 + 4 * 256 * (64 + 256 + 2) + 4 * 256 * (512 + 2) + 67 * 257


def test_what_was_fitted_still_counts_as_left_out() -> None:
    fitted = fit(stream(epochs=3), chars=1000, vocab_size=40, memory_limit_bytes=None)
    assert fitted.model_fields_set == {"corpus_id", "epochs"}
