"""Choosing the text that a model continues, and bringing it into the model's form. Knows no model.

The seed document takes a random passage of the lower-cased text: `start = randint(0, len(text) - seq_len)`.
"""

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from shared.errors import InvalidRequest
from shared.text import text_stream
from shared.text.vocabulary import BOM, Vocabulary, name_characters, normalise

#: Mixed into the seed, so that the passage doesn't share its random numbers with the generated text.
_PURPOSE = "passage"
#: Characters before a random place among which the start of its word is looked for.
MAX_WORD = 40
#: Hangul vowels and final consonants: no marks, but they compose with what precedes them.
_JAMO = ("\u1160", "\u11ff")


def fitted(text: str, vocabulary: Vocabulary, *, lowercase: bool, drop_bom: bool) -> str:
    """Return a prompt in the normal form of the model's corpus.

    A letter that is unknown as it was sent, but known in its other Unicode form (é as one code point, or as e with a
    combining accent), takes that form.

    Args:
        text: what was sent.
        vocabulary: the characters that the model knows.
        lowercase: whether the corpus was lower-cased.
        drop_bom: whether a leading U+FEFF was dropped from the corpus (the stream recipe does).
    """
    text = normalise(text, lowercase=lowercase)
    text = text.removeprefix(BOM) if drop_bom else text
    if not vocabulary.unknown(text):
        return text
    return "".join(_in_known_form(cluster, vocabulary) for cluster in _clusters(text))


def prepare(
    text: str, vocabulary: Vocabulary, *, lowercase: bool, drop_bom: bool, unknown_chars: Literal["error", "drop"]
) -> str:
    """Return a prompt as the model reads it: as `fitted` does, and without unknown characters.

    Args:
        text: what was sent.
        vocabulary: as for `fitted`.
        lowercase: as for `fitted`.
        drop_bom: as for `fitted`.
        unknown_chars: what to do about characters that the model never saw.

    Raises:
        InvalidRequest: at "/prompt", on unknown characters under "error", and when nothing is left.
    """
    text = fitted(text, vocabulary, lowercase=lowercase, drop_bom=drop_bom)
    unknown = vocabulary.unknown(text)
    if unknown and unknown_chars == "error":
        raise InvalidRequest.at(
            "/prompt",
            f"prompt has characters that the model never saw: {name_characters(unknown)}. Take them out, or send "
            'unknown_chars "drop".',
        )
    text = text.translate({ord(character): None for character in unknown})
    if not text:
        raise InvalidRequest.at("/prompt", "prompt has no character that the model knows; send at least one")
    return text


def passage(path: Path, *, chars: int, length: int, seed: int, lowercase: bool, drop_bom: bool) -> str:
    """Return a random passage of a corpus, chosen by the seed, that begins with a word.

    Args:
        path: the corpus' text, UTF-8.
        chars: its length, characters.
        length: length of the passage, characters; a shorter text gives all but its last character.
        seed: decides where it starts, in [0, chars - length); from there the start of the word is looked for.
        lowercase: whether the model's corpus was lower-cased.
        drop_bom: whether a leading U+FEFF was dropped from it.
    """
    length = max(1, min(length, chars - 1))
    start = random.Random(f"{_PURPOSE} {seed}").randrange(max(1, chars - length))
    before = min(start, MAX_WORD)
    parts = text_stream.normalized_chunks(text_stream.read(path), lowercase=lowercase, drop_bom=drop_bom)
    text = text_stream.excerpt(parts, start - before, before + length)
    begin = word_start(text, before)
    return text[begin : begin + length]


def word_start(text: str, place: int) -> int:
    """Return where the word at `place` begins; `place` itself where no blank is within MAX_WORD characters before."""
    begins = range(place, max(-1, place - MAX_WORD), -1)
    return next((begin for begin in begins if begin == 0 or text[begin - 1].isspace()), place)


def _clusters(text: str) -> Iterator[str]:
    """Yield each letter with the marks that belong to it."""
    begin = 0
    for place, character in enumerate(text):
        follows = unicodedata.category(character)[0] == "M" or _JAMO[0] <= character <= _JAMO[1]
        if place and not follows:
            yield text[begin:place]
            begin = place
    yield text[begin:]


def _in_known_form(cluster: str, vocabulary: Vocabulary) -> str:
    forms = (cluster, unicodedata.normalize("NFC", cluster), unicodedata.normalize("NFD", cluster))
    return next((form for form in forms if not vocabulary.unknown(form)), cluster)
