"""What a training will be: counted exactly, timed by the workers' speeds, corrected by what was seen."""

from dataclasses import replace
from typing import Any

import pytest

from shared.requests.estimate import MAX_FACTOR, Speed, Training, estimate, seconds, step_seconds, work_of
from shared.requests.options import ClassicRequest, StreamRequest

SPEED = Speed(seconds_per_position=2e-5, flops_per_second=50e9)
CHARS, VOCAB = 30_000, 40


def request(recipe: str = "stream", **options: Any) -> Training:
    kind = ClassicRequest if recipe == "classic" else StreamRequest
    return kind.model_validate({"corpus_id": "cor", "recipe": recipe, "seed": 1} | options)


def total(training: Training, speed: Speed = SPEED) -> float:
    return seconds(training, CHARS, VOCAB, speed)


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_more_of_anything_takes_longer(recipe: str) -> None:
    base = total(request(recipe))
    for more in ({"hidden_size": 512}, {"layers": 2}, {"epochs": 30}, {"sample_chars": 5000}):
        assert total(request(recipe, **more)) > base, more
    assert total(request(recipe, epochs=10)) == pytest.approx(10 * total(request(recipe, epochs=1)))


def test_steps_on_shorter_sequences_count_in_their_epochs_alone() -> None:
    def added(**options: Any) -> float:
        return total(request(seq_length_warmup=2, **options)) - total(request(**options))

    assert added() == pytest.approx(added(epochs=40)) == pytest.approx(added(epochs=2))
    assert added(epochs=1) == pytest.approx(added() * 3 / 4), "three more steps for each batch, then one more"
    assert 0 < added() < total(request(epochs=3))


def test_bfloat16_counts_where_the_request_takes_it() -> None:
    fast = Speed(seconds_per_position=2e-5, flops_per_second=50e9, bfloat16_flops_per_second=200e9)
    assert total(request(), fast) < total(request())
    for other in (request(hidden_size=64), request(precision="float32"), request("classic")):
        assert total(other, fast) == total(other)


def test_more_threads_are_counted_where_there_are_batch_rows_for_them() -> None:
    two = replace(SPEED, threads=2)
    assert total(request(batch_size=16), two) == total(request(batch_size=16))
    assert total(request("classic", batch_size=128), two) < total(request("classic", batch_size=128))
    assert step_seconds(request(), 10**6, VOCAB, two) < 0.7 * step_seconds(request(), 10**6, VOCAB, SPEED)


def test_the_slowest_worker_counts() -> None:
    slow = Speed(seconds_per_position=4e-5, flops_per_second=25e9)
    estimated = estimate(request(), chars=CHARS, vocab_size=VOCAB, memory_bytes=1, speeds=[SPEED, slow, SPEED])
    assert estimated.seconds == pytest.approx(total(request(), slow))
    assert estimated.seconds == pytest.approx(2 * total(request()))


def test_a_limit_of_time_cuts_seconds_and_steps() -> None:
    whole = estimate(request(), chars=CHARS, vocab_size=VOCAB, memory_bytes=1, speeds=[SPEED])
    assert whole.steps == 12 * work_of(request(), CHARS).steps
    assert whole.seconds is not None
    limit = max(1.0, whole.seconds / 4)
    cut = estimate(request(max_seconds=limit), chars=CHARS, vocab_size=VOCAB, memory_bytes=1, speeds=[SPEED])
    assert cut.seconds == limit
    assert cut.steps == pytest.approx(whole.steps * limit / whole.seconds, abs=1)
    loose = request(max_seconds=whole.seconds + 1)
    assert estimate(loose, chars=CHARS, vocab_size=VOCAB, memory_bytes=1, speeds=[SPEED]) == whole


def test_without_a_worker_only_the_time_is_unknown() -> None:
    estimated = estimate(request(max_seconds=1), chars=CHARS, vocab_size=VOCAB, memory_bytes=7, speeds=[])
    assert (estimated.seconds, estimated.memory_bytes) == (None, 7)
    assert estimated.steps == 12 * work_of(request(), CHARS).steps


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_measured_times_correct_the_estimates_of_a_recipe(recipe: str) -> None:
    training = request(recipe)
    per_step = work_of(training, CHARS).chars_per_step
    other = request("classic" if recipe == "stream" else "stream")
    seen = per_step / (3 * step_seconds(training, CHARS, VOCAB, SPEED))
    speed = SPEED.corrected(training, chars=CHARS, vocab_size=VOCAB, chars_per_second=seen)
    assert total(training, speed) == pytest.approx(3 * total(training))
    assert total(other, speed) == total(other)
    for _ in range(20):
        speed = speed.corrected(training, chars=CHARS, vocab_size=VOCAB, chars_per_second=3 * seen)
    assert total(training, speed) == pytest.approx(total(training), rel=0.01)
    mad = SPEED.corrected(training, chars=CHARS, vocab_size=VOCAB, chars_per_second=1e-9)
    assert mad.factors == {recipe: MAX_FACTOR}


def test_versions_read_each_other_s_speed() -> None:
    assert Speed.of(SPEED.as_json()) == SPEED
    assert Speed.of({**SPEED.as_json(), "gpus": 8}) == SPEED
    older = {"seconds_per_position": 2e-5, "flops_per_second": 50e9}
    assert Speed.of(older) == SPEED
    assert Speed.of({}) is None
    assert Speed.of({"flops": 3}) is None
