"""A text in pieces is read as the whole would be."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text import text_stream

#: Sigmas among what lower-casing looks past (points, marks, joiners, a U+FEFF) and what it stops at; and a letter that
#: becomes two.
AWKWARD = "Σσς.:'\u0301\u00ad\ufeffʰ^AaİǅⅣ1中 \n\t"


@given(
    text=st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"])),
    cuts=st.lists(st.integers(0, 40)),
    lowercase=st.booleans(),
    drop_bom=st.booleans(),
)
def test_pieces_together_are_the_whole(text: str, cuts: list[int], lowercase: bool, drop_bom: bool) -> None:
    # Given: parts cut anywhere, empty ones among them.
    places = [0, *sorted(cuts), len(text)]
    parts = [text[begin:end] for begin, end in pairwise(places)] if cuts else [text]
    assert "".join(parts) == text
    # When
    found = list(text_stream.normalized_chunks(parts, lowercase=lowercase, drop_bom=drop_bom))
    # Then
    whole = text.removeprefix("\ufeff") if drop_bom else text
    assert "".join(found) == (whole.lower() if lowercase else whole)
    assert all(found)


@pytest.mark.parametrize("line", ["Line {} ΟΔΟΣ\n", "no line ends {} ΟΔΟΣ ", "NOSPACE{}ΟΔΟΣ", "中文{}也是"])
def test_a_long_text_is_cut_into_pieces_of_the_size_that_is_read(tmp_path: Path, line: str) -> None:
    path = tmp_path / "text.txt"
    text = "\ufeff" + "".join(line.format(number) for number in range(300_000))
    path.write_text(text, "utf-8", newline="")
    found = list(text_stream.normalized_chunks(text_stream.read(path), lowercase=True, drop_bom=True))
    assert "".join(found) == text[1:].lower()
    assert max(map(len, found)) <= text_stream._PART_CHARS + 20


@pytest.mark.parametrize("end", ["", "A"])
@pytest.mark.parametrize("begin", ["AΣ", "Σ", ".Σ", "A"])
def test_a_sigma_depends_on_neighbours_that_are_far_away(begin: str, end: str) -> None:
    for middle in ("." * 300, "'\u0301" * 150 + "Σ" + "." * 10):
        text = begin + middle + end
        parts = [text[start : start + 100] for start in range(0, len(text), 100)]
        assert "".join(text_stream.normalized_chunks(parts, lowercase=True, drop_bom=False)) == text.lower()


def test_points_alone_are_not_held_back() -> None:
    lowering = text_stream.Lowering()
    assert lowering.feed("A" + "." * 9) == "a" + "." * 9
    assert lowering.feed("." * 10) == "." * 10
    assert lowering.feed("Σ..") == ""
    assert lowering.feed("-Α") == "ς..-α"
    assert lowering.end() == ""
