r"""Texts that are lists: names, titles, molecules, quotations. Reading their items in pieces, and counting them.

An item is what lies between two separators, without the line ends around it; what is empty is no item. Knows no files.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

#: Longest separator, characters.
MAX_SEPARATOR = 20
#: Groups by hash in which distinct items are counted, so that only one group is a set, with 70 bytes for each, at once.
_GROUPS = 64


@dataclass(frozen=True, kw_only=True)
class Items:
    """What a list consists of."""

    separator: str
    count: int
    #: Different items.
    unique: int
    #: Characters of the longest item.
    longest: int


@dataclass(frozen=True, kw_only=True)
class ModelItems:
    """The list that a model was trained on."""

    separator: str
    count: int
    unique: int


def between(separator: str) -> str:
    r"""Return in words how items are separated: "one per line", "separated by '\n%\n'"."""
    known = {"\n": "one per line", "\n\n": "with blank lines between", "\n%\n": "with lines of % between"}
    return known.get(separator, f"separated by {separator!r}")


def split(parts: Iterable[str], separator: str) -> Iterator[str]:
    """Yield the items of a text that comes in parts, cut anywhere. Holds one part and one item."""
    overlap = len(separator) - 1
    held: list[str] = []
    end = ""  # of what came: it may be the beginning of a separator
    # A line end before and after the text, so that a separator of whole lines is found there too.
    for part in chain("\n", parts, "\n"):
        *whole, rest = (end + part).split(separator)
        if whole:
            whole[0] = "".join((*held, whole[0]))
            held = []
            yield from filter(None, (item.strip("\n") for item in whole))
        cut = max(0, len(rest) - overlap)
        held.append(rest[:cut])
        end = rest[cut:]
    if item := "".join((*held, end)).strip("\n"):
        yield item


def tally(parts: Iterable[str], separator: str) -> Items:
    """Count the items of a text. Takes 8 bytes for each item."""
    longest = 0
    hashes = [array("q") for _ in range(_GROUPS)]
    appends = [group.append for group in hashes]
    for item in split(parts, separator):
        if len(item) > longest:
            longest = len(item)
        number = hash(item)
        appends[number % _GROUPS](number)
    count = sum(map(len, hashes))
    return Items(separator=separator, count=count, unique=sum(len(set(group)) for group in hashes), longest=longest)
