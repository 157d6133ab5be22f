"""Prompts: passages of a text, chosen by the seed; and a prompt in the form that the model knows."""

from pathlib import Path

import pytest

from shared.text import prompt
from shared.text.vocabulary import Vocabulary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\ufeff" + "".join(f"Line {number} ΟΔΟΣ\n" for number in range(100_000)), "utf-8", newline="")
    return path


def test_a_passage_is_in_the_text_and_depends_on_the_seed(path: Path) -> None:
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


@pytest.mark.parametrize("text", ["reeds and rivers\nsing of themselves\n" * 100, "春天来了花园里的花都开了" * 100])
def test_a_passage_begins_with_a_word_where_there_are_blanks(tmp_path: Path, text: str) -> None:
    path = tmp_path / "text.txt"
    path.write_text(text, "utf-8")
    for seed in range(30):
        found = prompt.passage(path, chars=len(text), length=50, seed=seed, lowercase=True, drop_bom=False)
        assert len(found) == 50
        assert found in text
        assert " " not in text or found.split()[0] in {*text.split()}


#: A vocabulary, what was sent, and what the model reads.
FORMS = [
    ("café", "cafe\u0301", "café"),
    ("cafe\u0301", "café", "cafe\u0301"),
    ("éa\u0300", "e\u0301 à", "é a\u0300"),  # each letter by itself: a text may mix both forms
    ("é e\u0301", "é e\u0301", "é e\u0301"),  # known as sent: nothing changes
    ("한", "\u1112\u1161\u11ab", "한"),
    ("\u1112\u1161\u11ab", "한", "\u1112\u1161\u11ab"),
    ("Å", "\u212b", "Å"),  # the Ångström sign
    ("ố", "o\u0302\u0301", "ố"),
    ("abc", "é", "é"),  # unknown in both forms: named as it was sent
]


@pytest.mark.parametrize(("known", "sent", "read"), FORMS)
def test_a_letter_takes_the_unicode_form_that_the_model_knows(known: str, sent: str, read: str) -> None:
    vocabulary = Vocabulary.of(known + " ")
    assert prompt.fitted(sent, vocabulary, lowercase=False, drop_bom=True) == read
