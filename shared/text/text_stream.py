"""A text in pieces, so that memory stays flat: read from its file, and changed exactly as if it were changed whole."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from shared.text.vocabulary import BOM

#: Characters read at a time: few enough for what is made of them to stay in the cache, twice as quick as a million.
_PART_CHARS = 1 << 16
#: The one letter whose lower case depends on its neighbours, and what it becomes at a word's end.
_SIGMA, _FINAL_SIGMA = "\u03a3", "\u03c2"


def read(path: Path) -> Iterator[str]:
    """Yield a stored text, UTF-8, in parts that may be cut anywhere."""
    with path.open(encoding="utf-8", newline="") as file:
        while part := file.read(_PART_CHARS):
            yield part


def excerpt(parts: Iterable[str], start: int, chars: int) -> str:
    """Return up to `chars` characters of a text that comes in parts, from `start` on."""
    found: list[str] = []
    for part in parts:
        if start < len(part):
            found.append(part[start : start + chars])
            chars -= len(found[-1])
            if not chars:
                break
        start = max(0, start - len(part))
    return "".join(found)


def normalized_chunks(parts: Iterable[str], *, lowercase: bool, drop_bom: bool) -> Iterator[str]:
    """Yield a text as a recipe learns it.

    Args:
        parts: the text, cut anywhere.
        lowercase: whether to lower-case it.
        drop_bom: whether to drop a U+FEFF at its begin.
    """
    lowering = Lowering()
    begins = True
    for part in parts:
        piece = part.removeprefix(BOM) if drop_bom and begins else part
        begins = begins and not part
        if piece := lowering.feed(piece) if lowercase else piece:
            yield piece
    if last := lowering.end():
        yield last


class Lowering:
    """Lower-cases a text that comes in parts, cut anywhere, as `str.lower` does it whole.

    A capital sigma ends a word, and becomes another letter, where a cased character precedes it and none follows,
    looked for past marks and points. So what is kept from part to part is whether a cased character came last, and the
    text from a sigma on whose next character is still to come.
    """

    def __init__(self) -> None:
        self._before = ""  # represents what came: a cased letter, or nothing
        self._held = ""

    def feed(self, part: str) -> str:
        """Return the part of the text so far that has become certain since the last call."""
        text = self._held + part
        last = next((place for place in range(len(text) - 1, -1, -1) if not _is_passed(text[place])), None)
        cut = last if last is not None and text[last] == _SIGMA else len(text)
        self._held = text[cut:]
        return self._lower(text[:cut])

    def end(self) -> str:
        """Return the rest: nothing comes any more."""
        held, self._held = self._held, ""
        return self._lower(held)

    def _lower(self, text: str) -> str:
        after = "a" if self._held else ""  # a sigma, which is cased itself
        found = (self._before + text + after).lower()[len(self._before) :].removesuffix(after)
        last = next((character for character in reversed(text) if not _is_passed(character)), None)
        if last is not None:
            self._before = "a" if _is_cased(last) else ""
        return found


@lru_cache(maxsize=4096)
def _is_passed(character: str) -> bool:
    """Return True if `str.lower` looks past a character at a sigma's neighbours: by what it makes of one."""
    ends, goes_on = (f"a{_SIGMA}{character}{after}".lower()[1] == _FINAL_SIGMA for after in ("", "a"))
    return ends and not goes_on


@lru_cache(maxsize=4096)
def _is_cased(character: str) -> bool:
    return f"{character}{_SIGMA}".lower()[-1] == _FINAL_SIGMA
