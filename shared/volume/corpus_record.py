"""What is known of a corpus: its meta.json. Knows no files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.text.items import Items
from shared.text.source_formats import SourceFormat
from shared.text.vocabulary import BOM
from shared.versions import Version
from shared.volume.columns import Column

#: Of meta.json.
VERSION = Version(newest=1)


@dataclass(frozen=True, kw_only=True)
class Source:
    """The file that a text was extracted from. Title and author are what the file says of itself."""

    format: SourceFormat
    filename: str
    title: str | None = None
    author: str | None = None
    #: Files of an archive that the text consists of.
    files: int = 1


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """How a text was made from another one."""

    parent_id: str
    chars_before: int
    chars_after: int
    #: What each remedy did, with some of its changes.
    remedies: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    r"""A text's meta.json. Name and metadata can be edited; the text and the rest never change.

    Sizes are those of the stored text, with line ends as "\n"; sha256 is of the bytes sent.
    """

    id: str
    name: str
    #: Size of the stored text in UTF-8.
    bytes: int
    chars: int
    lines: int
    vocab_size: int
    vocab_size_lowercase: int
    #: The encoding of the bytes sent.
    encoding: str
    sha256: str
    preview: str
    created_at: str
    #: The list that the upload was recognized as, if it was one; None for corpora older than this field.
    items: Items | None = None
    #: The column that the text is, of the table that was sent; None if it is all that was sent.
    column: Column | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The corpus that it was cleaned from.
    parent_id: str | None = None
    #: The corpora that it was joined from.
    parent_ids: tuple[str, ...] = ()
    #: The name of the API key with which it was made; "" without keys, and in records older than this field.
    owner: str = ""
    #: The file that a job extracted the text from; None if the text itself was sent.
    source: Source | None = None

    def normalized_size(self, *, lowercase: bool, drop_bom: bool) -> tuple[int, int]:
        """Return the number of characters, and of distinct ones, that a training on it reads."""
        dropped = drop_bom and self.preview.startswith(BOM)
        return self.chars - dropped, (self.vocab_size_lowercase if lowercase else self.vocab_size) - dropped
