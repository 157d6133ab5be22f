"""What stream chooses by the text's length and the time there is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.requests.defaults import MIN_STEPS, chosen
from shared.requests.estimate import Speed
from shared.requests.fit import fit
from shared.requests.options import RATE_FROM_MODEL, RATE_ON_SHORT_TEXT, StreamRequest, is_chosen

BOOK, SHAKESPEARE = 148_066, 1_115_394


#: Two threads with AVX2, as measured on an AMD EPYC; two with AMX.
AVX2 = Speed(seconds_per_position=1e-5, flops_per_second=100e9, threads=2)
AMX = Speed(seconds_per_position=1e-5, flops_per_second=100e9, bfloat16_flops_per_second=700e9, threads=2)


def fitted(chars: int, *speeds: Speed, **options: Any) -> StreamRequest:
    request = StreamRequest.model_validate({"corpus_id": "cor"} | options)
    return fit(request, chars=chars, vocab_size=65, memory_limit_bytes=None, speeds=speeds)


@pytest.mark.parametrize("speed", [AVX2, AMX])
def test_more_time_makes_a_wider_model_and_a_longer_text_a_narrower_one(speed: Speed) -> None:
    widths = {
        (chars, seconds): fitted(chars, speed, max_seconds=seconds).hidden_size
        for chars in (BOOK, SHAKESPEARE)
        for seconds in (1, 20, 60, 180, 3600)
    }
    for chars in (BOOK, SHAKESPEARE):
        of_text = [widths[chars, seconds] for seconds in (1, 20, 60, 180, 3600)]
        assert of_text == sorted(of_text)
        assert len(set(of_text)) > 2
    assert widths[BOOK, 3600] < widths[SHAKESPEARE, 3600], "a short text doesn't fill a wide model"


@pytest.mark.parametrize(
    ("chars", "seconds", "with_avx2", "with_amx"),
    [
        (BOOK, 1, 128, 128),
        (BOOK, 20, 128, 384),
        (BOOK, 60, 256, 512),
        (BOOK, 180, 384, 512),
        (BOOK, 7200, 768, 768),
        (SHAKESPEARE, 20, 128, 384),
        (SHAKESPEARE, 40, 256, 384),
        (SHAKESPEARE, 60, 256, 512),
        (SHAKESPEARE, 113, 384, 512),
        (SHAKESPEARE, 360, 512, 768),
        (SHAKESPEARE, 7200, 1024, 1024),
        (256 << 20, 60, 256, 512),
    ],
)
def test_the_widths_are_those_that_the_search_found(chars: int, seconds: float, with_avx2: int, with_amx: int) -> None:
    widths = [fitted(chars, speed, max_seconds=seconds).hidden_size for speed in (AVX2, AMX)]
    assert widths == [with_avx2, with_amx]
    assert fitted(chars, max_seconds=seconds) == fitted(chars, AVX2, max_seconds=seconds), "assumed if none is measured"


def test_what_is_chosen_suits_the_slowest_worker() -> None:
    assert fitted(BOOK, AMX, AVX2, max_seconds=60) == fitted(BOOK, AVX2, max_seconds=60)
    busy = replace(AMX, factors={"stream": 8.0})
    assert fitted(BOOK, busy, AMX, max_seconds=60).hidden_size < fitted(BOOK, AMX, max_seconds=60).hidden_size
    one_thread, short = replace(AVX2, threads=1), {"hidden_size": 256, "max_seconds": 30.0}
    assert fitted(SHAKESPEARE, one_thread, **short).dropout < fitted(SHAKESPEARE, AVX2, **short).dropout
    assert fitted(BOOK, one_thread, **short) == fitted(BOOK, AVX2, **short), "it has batch rows for one"
    float32 = {"precision": "float32", "max_seconds": 60}
    assert fitted(BOOK, AMX, **float32) == fitted(BOOK, AVX2, **float32)


@given(st.floats(0.9, 1.1), st.sampled_from([20, 60, 180, 600]))
def test_measurements_that_differ_a_little_choose_the_same(times: float, seconds: int) -> None:
    measured = replace(AVX2, flops_per_second=AVX2.flops_per_second * times)
    assert fitted(BOOK, measured, max_seconds=seconds) == fitted(BOOK, AVX2, max_seconds=seconds)


@given(st.floats(1e-9, 1), st.floats(1e3, 1e15), st.integers(1, 128), st.floats(0.1, 10))
def test_any_speed_chooses_what_is_allowed(waiting: float, rate: float, threads: int, factor: float) -> None:
    speed = Speed(seconds_per_position=waiting, flops_per_second=rate, threads=threads, factors={"stream": factor})
    request = fitted(BOOK, speed, max_seconds=60)
    assert StreamRequest.model_validate(request.model_dump()) == request


def test_without_a_time_limit_nothing_depends_on_the_time() -> None:
    request = fitted(BOOK)
    assert (request.hidden_size, request.epochs, request.dropout, request.learning_rate) == (256, 12, 0.27, 0.01)
    assert (request.batch_size, request.seq_length, request.weight_dropout) == (16, 128, 0.11)
    assert fitted(BOOK, hidden_size=512).learning_rate == 0.01
    assert fitted(SHAKESPEARE, init_from="mod_1").learning_rate == RATE_FROM_MODEL
    assert fitted(BOOK, init_from="mod_1", learning_rate=0.01).learning_rate == 0.01
    assert request.dropout < fitted(BOOK, epochs=16).dropout
    assert fitted(SHAKESPEARE).batch_size == 32


@given(
    st.integers(1_000, 300_000_000),
    st.floats(1, 604_800),
    st.fixed_dictionaries(
        {},
        optional={
            "hidden_size": st.sampled_from([16, 300, 1024]),
            "epochs": st.integers(1, 9),
            "dropout": st.just(0.01),
            "learning_rate": st.just(1e-4),
            "batch_size": st.just(3),
            "seq_length": st.just(17),
            "patience": st.just(1),
        },
    ),
)
def test_what_is_given_is_kept_and_what_is_chosen_is_allowed(chars: int, seconds: float, given: dict[str, Any]) -> None:
    request = fitted(chars, max_seconds=seconds, **given)
    assert {name: getattr(request, name) for name in given} == given
    assert StreamRequest.model_validate(request.model_dump()) == request
    if "hidden_size" not in given:
        assert request.hidden_size in MIN_STEPS
    if "dropout" not in given:
        assert 0.05 <= request.dropout <= 0.4
    assert 0 <= request.weight_dropout <= 0.35
    if "epochs" not in given:
        assert 10 <= request.epochs <= 48


@pytest.mark.parametrize("share", ["dropout", "weight_dropout"])
def test_a_text_that_is_read_more_often_is_learned_with_more_left_out(share: str) -> None:
    shares = [
        chosen(StreamRequest(corpus_id="c", hidden_size=256, max_seconds=seconds), chars=BOOK)[share]
        for seconds in (42, 50, 60, 70)
    ]
    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares)


def test_epochs_that_are_given_count_for_what_is_left_out() -> None:
    few, many = (fitted(SHAKESPEARE, max_seconds=6000, epochs=epochs) for epochs in (2, 40))
    assert few.dropout < many.dropout
    assert few.weight_dropout < 0.1 < many.weight_dropout


def test_dropout_rises_over_half_the_epochs_unless_it_is_given() -> None:
    assert (fitted(BOOK).epochs, fitted(BOOK).dropout_epochs) == (12, 6)
    assert [fitted(BOOK, **{share: 0.1}).dropout_epochs for share in ("dropout", "weight_dropout")] == [0, 0]
    assert fitted(BOOK, dropout=0.1, dropout_epochs=3).dropout_epochs == 3
    assert fitted(SHAKESPEARE, init_from="mod_1").dropout_epochs == 24


def test_a_model_reads_a_short_text_a_few_times() -> None:
    for more in ({}, {"max_seconds": 600}):
        further = fitted(BOOK, init_from="mod_1", hidden_size=384, **more)
        assert (further.epochs, further.learning_rate) == (5, RATE_ON_SHORT_TEXT)
        assert fitted(SHAKESPEARE, init_from="mod_1", hidden_size=384, **more).epochs > 9, "a long one teaches more"
        assert fitted(BOOK, init_from="mod_1", epochs=7, **more).epochs == 7
        assert fitted(BOOK, hidden_size=384, **more).epochs > 9
    assert fitted(BOOK, init_from="mod_1", hidden_size=384).dropout < fitted(BOOK, hidden_size=384).dropout


def test_the_first_epoch_has_shorter_sequences_unless_steps_are_dear() -> None:
    assert [fitted(SHAKESPEARE, hidden_size=width).seq_length_warmup for width in (128, 512, 768)] == [1, 1, 0]
    assert [fitted(chars).seq_length_warmup for chars in (1_000, BOOK, 100_000_000)] == [1, 1, 1]


def test_the_output_layer_of_a_narrow_model_learns_faster() -> None:
    widths = (128, 256, 384, 512, 768, 1024, 2048)
    factors = [fitted(SHAKESPEARE, hidden_size=width).output_learning_rate_factor for width in widths]
    assert factors == [4, 4, 2.67, 2, 1.33, 1, 1]
    assert fitted(SHAKESPEARE, output_learning_rate_factor=3).output_learning_rate_factor == 3
    assert fitted(SHAKESPEARE, init_from="mdl_1", hidden_size=256).output_learning_rate_factor == 1


def test_a_sequence_length_that_is_given_holds_from_the_first_epoch_on() -> None:
    assert fitted(SHAKESPEARE, seq_length=100).seq_length_warmup == 0
    assert fitted(SHAKESPEARE, seq_length=100, seq_length_warmup=3).seq_length_warmup == 3
    assert fitted(SHAKESPEARE, seq_length_warmup=0).seq_length_warmup == 0


@pytest.mark.parametrize("seconds", [1, 60, 1800, 100_000])
def test_two_threads_have_enough_readers(seconds: float) -> None:
    assert fitted(SHAKESPEARE, max_seconds=seconds).batch_size == 32


@given(st.integers(1_000, 300_000_000), st.none() | st.floats(1, 604_800), st.sampled_from([None, "mod_1"]))
def test_an_option_that_depends_on_the_text_has_no_default_in_the_schema(
    chars: int, seconds: float | None, start: str | None
) -> None:
    """A generated client sends every default of the schema, and would fix what is to be chosen."""
    request, schema = (
        fitted(chars, max_seconds=seconds, init_from=start),
        StreamRequest.model_json_schema()["properties"],
    )
    for name, field in StreamRequest.model_fields.items():
        if name not in request.model_fields_set and getattr(request, name) != field.get_default(
            call_default_factory=True
        ):
            assert is_chosen(field), name
            assert "default" not in schema[name]
