"""Vocabulary and normal form, as the seed document makes them."""

from shared.text.vocabulary import Vocabulary, name_characters, normalise


def test_a_vocabulary_is_the_document_s() -> None:
    text = "the quick\nbrown fox \ufeff é한"
    assert Vocabulary.of(text).index == {c: i for i, c in enumerate(sorted(set(text)))}


def test_encoding_and_decoding_give_the_text_back() -> None:
    vocabulary = Vocabulary.of("hello, 世界 🙂")
    assert vocabulary.decode(vocabulary.encode("olleh 🙂")) == "olleh 🙂"


def test_unknown_characters_are_listed_once_in_order() -> None:
    assert Vocabulary.of("abc").unknown("xaybx") == "xy"


def test_line_ends_become_newlines_and_case_folds_only_when_requested() -> None:
    assert normalise("A\r\nB\rC\n", lowercase=True) == "a\nb\nc\n"
    assert normalise("A\r\n", lowercase=False) == "A\n"


def test_characters_are_named_with_code_points_and_not_all_of_them() -> None:
    assert name_characters("é\n") == "'é' (U+00E9), '\\n' (U+000A)"
    assert name_characters("abcd", most=2).endswith("and 2 more")
