"""Stop strings end a text before them, and none of one is shown on the way."""

from hypothesis import given
from hypothesis import strategies as st

from worker.generation.stopping import StopStringFilter

STOPS = st.lists(st.text("ab\n", min_size=1, max_size=5), min_size=1, max_size=3)


@given(st.text("ab\n", max_size=40), STOPS)
def test_the_text_ends_before_the_first_stop_string_and_shows_no_part_of_it(written: str, stops: list[str]) -> None:
    # Given: what a reader of the whole text would cut.
    ends = [(written.index(s) + len(s), -len(s)) for s in stops if s in written]
    expected = written[: min(ends)[0] + min(ends)[1]] if ends else written
    # When
    held, shown = StopStringFilter(stops), ""
    for character in written:
        ended = held.append(character)
        offset, delta = held.show(ended=ended)
        assert offset == len(shown)
        shown += delta
        assert expected.startswith(shown)
        if ended:
            break
    offset, delta = held.show(ended=True)
    # Then
    assert shown + delta == held.text == expected
    assert held.stopped == bool(ends)


def test_without_stop_strings_everything_is_shown_at_once() -> None:
    held = StopStringFilter()
    held.append("a")
    assert held.show(ended=False) == (0, "a")
    held.append("b")
    assert held.show(ended=False) == (1, "b")
