"""Which characters of a text `stream` holds out for validation, from numbers alone: no torch, no text.

The places follow from the text's length and the share that is held out, never from the seed: the same text has the same
validation part in every training, so losses compare, and a model that is trained further isn't judged by what it has
been trained on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.requests.options import StreamRequest

#: "spread" takes this many slices, fewer where each would have fewer than this many characters.
SLICES, MIN_SLICE = 10, 500
#: Characters on each side of a slice that are left out, a tenth of the slice at most: a sentence that is cut there, or
#: a phrase that is repeated at once, is not in both parts.
GAP = 100
#: The validation part is read in up to this many batch rows; each first reads this many characters before its share.
MAX_ROWS, WARM_UP_CHARS = 16, 500


@dataclass(frozen=True, kw_only=True)
class ValidationPart:
    """The characters of a text that are held out, in batch rows."""

    #: Characters of the text.
    chars: int
    #: Where the share of each batch row begins, and its characters; the text's end may cut the last one.
    starts: tuple[int, ...]
    share: int
    #: Characters before and after each share that aren't trained on either.
    gap: int = 0
    #: Characters that a row reads before its share, so that its state is that of a row that reads the whole text.
    lead: int = 0
    #: True if the first row starts from a zero state all the same.
    first_from_zero: bool = False

    @property
    def count(self) -> int:
        """The characters that are held out."""
        return sum(min(start + self.share, self.chars) - start for start in self.starts)

    @property
    def trained(self) -> int:
        """The characters that are left to train on."""
        return sum(stop - start for start, stop in self.segments())

    def segments(self) -> Iterator[tuple[int, int]]:
        """Yield the start and the end of each passage to train on."""
        start = 0
        for begin in (*self.starts, self.chars + self.gap):
            if begin - self.gap > start:
                yield start, begin - self.gap
            start = begin + self.share + self.gap


def validation_part(request: StreamRequest, chars: int) -> ValidationPart:
    """Return the validation part of a text of this many characters; of a list, one of about the same size."""
    count = int(chars * request.validation_fraction)
    spreads = request.validation == "spread" and request.items is None and count > 0
    return spread(chars, count) if spreads else tail(chars, count)


def tail(chars: int, count: int) -> ValidationPart:
    """Return the last `count` characters. The first row starts from zero, as one that reads all of them would."""
    start = chars - count
    rows = max(1, min(MAX_ROWS, count // (4 * WARM_UP_CHARS), start // WARM_UP_CHARS))
    share = -(-count // rows)
    lead = WARM_UP_CHARS if rows > 1 else 0
    starts = tuple(start + row * share for row in range(rows))
    return ValidationPart(chars=chars, starts=starts, share=share, lead=lead, first_from_zero=True)


def spread(chars: int, count: int) -> ValidationPart:
    """Return about `count` characters in slices of equal length, each in the middle of an equal part of the text."""
    slices = max(1, min(SLICES, count // MIN_SLICE))
    share = count // slices
    starts = tuple((2 * number + 1) * chars // (2 * slices) - share // 2 for number in range(slices))
    lead = max(0, min(WARM_UP_CHARS, starts[0] - 1))
    return ValidationPart(chars=chars, starts=starts, share=share, gap=min(GAP, share // 10), lead=lead)
