"""Choosing and fitting the text that a model goes on from. Deterministic: the seed decides. Knows no model.

The seed document takes a random passage of the lower-cased text: `start = randint(0, len(text) - seq_len)`.
"""

import random
from pathlib import Path
from typing import Literal

from shared.errors import InvalidRequest
from shared.text import text_stream
from shared.text.vocabulary import BOM, Vocabulary, name_characters, normalise

#: Mixed into the seed, so that the passage doesn't share its random numbers with the writing.
_PURPOSE = "passage"


def fitted(text: str, *, lowercase: bool, drop_bom: bool) -> str:
    """Return a prompt in the normal form of the model's corpus.

    Args:
        text: what was sent.
        lowercase: whether the corpus was lower-cased.
        drop_bom: whether a leading U+FEFF was dropped from the corpus (the stream recipe does).
    """
    text = normalise(text, lowercase=lowercase)
    return text.removeprefix(BOM) if drop_bom else text


def prepare(
    text: str, vocabulary: Vocabulary, *, lowercase: bool, drop_bom: bool, unknown_chars: Literal["error", "drop"]
) -> str:
    """Return a prompt as the model reads it: in its corpus' normal form, and without unknown characters.

    Args:
        text: what was sent.
        vocabulary: the characters that the model knows.
        lowercase: as for `fitted`.
        drop_bom: as for `fitted`.
        unknown_chars: what to do about characters that the model never saw.

    Raises:
        InvalidRequest: at "/prompt", on unknown characters under "error", and when nothing is left.
    """
    text = fitted(text, lowercase=lowercase, drop_bom=drop_bom)
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
    """Return a random passage of a corpus, chosen by the seed.

    Args:
        path: the corpus' text, UTF-8.
        chars: its length, characters.
        length: length of the passage, characters; a shorter text gives all but its last character.
        seed: decides where it starts, in [0, chars - length).
        lowercase: whether the model's corpus was lower-cased.
        drop_bom: whether a leading U+FEFF was dropped from it.
    """
    length = max(1, min(length, chars - 1))
    start = random.Random(f"{_PURPOSE} {seed}").randrange(max(1, chars - length))
    found: list[str] = []
    for part in text_stream.normalized_chunks(text_stream.read(path), lowercase=lowercase, drop_bom=drop_bom):
        if start < len(part):
            found.append(part[start : start + length])
            length -= len(found[-1])
            if not length:
                break
        start = max(0, start - len(part))
    return "".join(found)
