"""Passages of a text: chosen by the seed, read without the whole text in memory."""

from pathlib import Path

import pytest

from shared.text import prompt


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\ufeff" + "".join(f"Line {number} ΟΔΟΣ\n" for number in range(100_000)), "utf-8", newline="")
    return path


def test_a_passage_stands_in_the_text_and_is_the_seeds(path: Path) -> None:
    text = path.read_text("utf-8").lower()
    seen = set()
    for seed in range(20):
        found = prompt.passage(path, chars=len(text), length=100, seed=seed, lowercase=True, drop_bom=False)
        again = prompt.passage(path, chars=len(text), length=100, seed=seed, lowercase=True, drop_bom=False)
        assert found == again
        assert len(found) == 100
        seen.add(text.index(found))
    assert len(seen) == 20
    assert max(seen) > 1 << 20, "beyond the first part"


def test_a_text_shorter_than_the_passage_gives_all_but_its_last_character(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abc", "utf-8")
    assert prompt.passage(path, chars=3, length=100, seed=1, lowercase=True, drop_bom=False) == "ab"
    path.write_text("a", "utf-8")
    assert prompt.passage(path, chars=1, length=100, seed=1, lowercase=True, drop_bom=False) == "a"
