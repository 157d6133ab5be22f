"""The longest run of each character, wherever the text's parts are cut."""

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.generation.longest_runs import LongestRuns


@given(text=st.text("aab \U0001f43b", max_size=60), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_it_finds_what_the_plain_way_finds(text: str, cuts: list[int]) -> None:
    runs = LongestRuns()
    edges = [0, *sorted(cuts), len(text)]
    for begin, end in pairwise(edges):
        runs.feed(text[begin:end])
    plainly: dict[str, int] = {}
    for character, run in groupby(text):
        plainly[character] = max(plainly.get(character, 0), len(list(run)))
    assert runs.found() == {character: length for character, length in plainly.items() if length > 1}
