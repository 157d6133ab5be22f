"""Which characters of a text are held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.requests.options import StreamRequest
from shared.requests.validation import GAP, spread, tail, validation_part


@given(st.integers(1000, 3_000_000), st.floats(0.001, 0.5))
def test_slices_lie_all_over_the_text_with_a_gap_around_each(chars: int, fraction: float) -> None:
    count = int(chars * fraction)
    part = spread(chars, count)
    use = np.zeros(chars, dtype=np.uint8)
    for start in part.starts:
        use[start : start + part.share] += 1
    for start, stop in part.segments():
        use[start:stop] += 2
    # Nothing is trained and validated on; what is neither, lies around the slices.
    assert set(use.tolist()) <= {0, 1, 2}
    assert (use == 1).sum() == part.count
    assert (use == 2).sum() == part.trained
    assert (use == 0).sum() == 2 * part.gap * len(part.starts)
    assert part.gap == min(GAP, part.share // 10)
    # All that was asked for but what doesn't divide, one slice in each equal part of the text.
    slices = len(part.starts)
    assert slices == max(1, min(10, count // 500))
    assert count - slices < part.count <= count
    assert [start * slices // chars for start in part.starts] == list(range(slices))
    # Each slice is read after characters before it, as many as the first one has, up to 500.
    assert part.lead == min(500, part.starts[0] - 1)


@given(st.integers(100, 3_000_000), st.floats(0, 0.5, allow_subnormal=False))
def test_the_tail_is_the_end_and_all_else_is_trained_on(chars: int, fraction: float) -> None:
    count = int(chars * fraction)
    part = tail(chars, count)
    assert part.count == count
    assert list(part.segments()) == [(0, chars - count)]
    assert part.trained == chars - count


@pytest.mark.parametrize(
    ("options", "starts"),
    [
        ({"validation": "spread"}, (2250, 7250)),
        ({"validation": "spread", "seed": 5}, (2250, 7250)),
        ({"validation": "tail"}, (9000,)),
        ({}, (9000,)),
        ({"validation": "spread", "validation_fraction": 0}, (10_000,)),
        ({"items": {"separator": "\n"}}, (9000,)),
    ],
    ids=["spread", "another seed", "tail", "a job from before the option", "nothing held out", "a list"],
)
def test_the_request_and_the_length_say_where_it_is(options: dict[str, object], starts: tuple[int, ...]) -> None:
    request = StreamRequest.model_validate({"corpus_id": "cor"} | options)
    assert validation_part(request, 10_000).starts == starts
