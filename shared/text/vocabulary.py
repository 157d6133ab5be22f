"""Characters and integers: the vocabulary, and the one normal form of a text. Knows no files and no tensors."""

from collections.abc import Iterable
from dataclasses import dataclass, field

BOM = "\ufeff"


def normalise(text: str, *, lowercase: bool) -> str:
    r"""Return the text as a corpus of this kind holds it: line ends as "\n", and lower case where the corpus has it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.lower() if lowercase else text


@dataclass(frozen=True)
class Vocabulary:
    """The distinct characters of a text, in code point order; a character's place is its index, as in the document."""

    characters: str
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {c: i for i, c in enumerate(self.characters)})

    @classmethod
    def of(cls, text: str) -> "Vocabulary":
        """Collect the vocabulary of a text."""
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.characters)

    def __contains__(self, character: str) -> bool:
        return character in self._index

    @property
    def index(self) -> dict[str, int]:
        """A fresh `chars_to_int`, as the seed document saves it."""
        return dict(self._index)

    def encode(self, text: str) -> list[int]:
        """Return the index of each character. Raises KeyError on an unknown one: ask `unknown` first."""
        return [self._index[c] for c in text]

    def decode(self, indices: Iterable[int]) -> str:
        """Return the text of these indices."""
        return "".join(map(self.characters.__getitem__, indices))

    def unknown(self, text: str) -> str:
        """Return the distinct characters of `text` that are not in the vocabulary, in order of appearance."""
        return "".join(dict.fromkeys(c for c in text if c not in self._index))


def name_characters(characters: str, most: int = 10) -> str:
    """Format characters for a message: quoted, with code points, at most `most` of them."""
    shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:most])
    rest = len(characters) - most
    return f"{shown} and {rest} more" if rest > 0 else shown
