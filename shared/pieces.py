"""A text in pieces, so that memory stays flat: read from its file, and changed exactly as if it were changed whole."""

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from shared.text import BOM

#: Characters read at a time: few enough for what is made of them to stay in the cache, twice as quick as a million.
_PART_CHARS = 1 << 16
_SIGMA = "\u03a3"
#: Kinds of characters that lower-casing never looks past: letters but modifiers, numbers, white space and controls.
_FIRM = frozenset(("Lu", "Ll", "Lt", "Lo", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc"))


def read(path: Path) -> Iterator[str]:
    """Yield a stored text, UTF-8, in parts that may be cut anywhere."""
    with path.open(encoding="utf-8", newline="") as file:
        while part := file.read(_PART_CHARS):
            yield part


def learnt(parts: Iterable[str], *, lowercase: bool, drop_bom: bool) -> Iterator[str]:
    """Yield a text as a recipe learns it.

    Args:
        parts: the text, cut anywhere.
        lowercase: whether to lower-case it.
        drop_bom: whether to drop a U+FEFF at its begin.
    """
    begins = True
    for part in uncut(parts) if lowercase else parts:
        piece = part.removeprefix(BOM) if drop_bom and begins else part
        begins = begins and not part
        if piece:
            yield piece.lower() if lowercase else piece


def uncut(parts: Iterable[str]) -> Iterator[str]:
    """Yield the same text cut only where lower-casing doesn't see it; what can't be cut there is held until it can.

    How a capital sigma is lower-cased depends on its neighbours, past any marks and points: at a word's end it becomes
    another letter. Two firm characters, neither of them a sigma, hide from both sides what lies beyond a cut between
    them.
    """
    held: list[str] = []
    for part in parts:
        cut = _last_cut(held[-1][-1] if held else "", part)
        if cut is None:
            held += [part] if part else []
        else:
            yield "".join((*held, part[:cut]))
            held = [part[cut:]]
    yield "".join(held)


def _last_cut(before: str, part: str) -> int | None:
    """Return the last place to cut a part at, 0 for between `before` and it, or None."""
    firm_after = False
    for place in range(len(part) - 1, -2, -1):
        character = part[place] if place >= 0 else before
        firm = character not in ("", _SIGMA) and unicodedata.category(character) in _FIRM
        if firm and firm_after:
            return place + 1
        firm_after = firm
    return None
