"""Several corpora joined into a new one, streamed: memory stays flat, whatever their sizes."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from shared.errors import InvalidRequest, NotFound, TooLarge, no_such
from shared.text.items import MAX_SEPARATOR
from shared.text.vocabulary import BOM, normalise
from shared.volume.corpora import Corpora
from shared.volume.corpus_record import Corpus
from shared.volume.files import translated

_CHUNK_BYTES = 1 << 20
#: Bytes of a text's end that a separator may match: of the longest one.
_TAIL_BYTES = 4 * MAX_SEPARATOR
#: What separates two texts that are no lists.
_BLANK_LINE = "\n\n"
#: Characters of the first text's name in that of the new one.
_NAME_CHARS = 180


def join(
    corpora: Corpora,
    corpus_ids: Sequence[str],
    *,
    name: str | None,
    separator: str | None,
    max_bytes: int,
    owner: str = "",
    check: Callable[[int], None] = lambda _: None,
) -> tuple[Corpus, bool]:
    r"""Join corpora in this order; return the new one, or the one that already has this text, and whether it is new.

    Args:
        corpora: where they are.
        corpus_ids: at least two.
        name: of the new one; None: made from the first one's.
        separator: what separates two texts; where a text ends with a part of it, the rest is added. None: a blank line,
            or what separates the items of the lists.
        max_bytes: most bytes of the new text.
        owner: as `Corpora.add`.
        check: as `Corpora.add`.

    Raises:
        InvalidRequest: an unknown corpus or one that is named twice, or lists that can't be joined.
        TooLarge: they have more than `max_bytes` together.
        VolumeUnavailable
    """
    parents = _parents(corpora, corpus_ids)
    items = _items_separator(parents)
    size = sum(parent.bytes for parent in parents)
    if size > max_bytes:
        raise TooLarge(
            f"The texts have {size:,} bytes together, but at most {max_bytes:,} are accepted here. Join fewer."
        )
    between = separator if separator is not None else items or _BLANK_LINE
    with ExitStack() as stack:
        files = [stack.enter_context(_opened(corpora, place, one)) for place, one in enumerate(parents)]
        return corpora.add(
            _Stream(_joined(files, normalise(between, lowercase=False))),  # type: ignore[arg-type]  # it can be read
            name=name or f"{parents[0].name[:_NAME_CHARS]} and {len(parents) - 1} more",
            max_bytes=max_bytes,
            encoding="utf-8",
            separator=items,
            parent_ids=tuple(corpus_ids),
            owner=owner,
            check=check,
        )


def _parents(corpora: Corpora, corpus_ids: Sequence[str]) -> list[Corpus]:
    found: list[Corpus] = []
    for place, corpus_id in enumerate(corpus_ids):
        if corpus_id in corpus_ids[:place]:
            raise InvalidRequest.at(
                f"/corpus_ids/{place}", f"{corpus_id[:60]} is named twice; a text can be joined once."
            )
        corpus = corpora.find(corpus_id)
        if corpus is None:
            raise InvalidRequest.at(f"/corpus_ids/{place}", no_such("corpus", corpus_id))
        found.append(corpus)
    return found


def _items_separator(parents: Sequence[Corpus]) -> str | None:
    """Return the separator of the lists' items, None where no text is a list. Raises InvalidRequest."""
    first, *others = (None if parent.items is None else parent.items.separator for parent in parents)
    for place, other in enumerate(others, 1):
        if other == first:
            continue
        names = f"{parents[0].name[:60]!r} and {parents[place].name[:60]!r}"
        if first is None or other is None:
            detail = f"Of {names} one is a list and one isn't; join lists with lists, and other texts with each other."
        else:
            detail = f"The items of {names} are separated differently, by {first!r} and by {other!r}."
        raise InvalidRequest.at(f"/corpus_ids/{place}", detail)
    return first


def _opened(corpora: Corpora, place: int, corpus: Corpus) -> BinaryIO:
    try:
        with translated():
            return corpora.text_path(corpus.id).open("rb")
    except (NotFound, FileNotFoundError) as exc:
        raise InvalidRequest.at(f"/corpus_ids/{place}", no_such("corpus", corpus.id)) from exc


def _joined(files: Sequence[BinaryIO], separator: str) -> Iterator[bytes]:
    """Yield the bytes of the texts, without byte order marks, and what separates them."""
    tail = b""
    for place, file in enumerate(files):
        if place:
            yield _rest_of(separator, tail)
        chunk = file.read(_CHUNK_BYTES).removeprefix(BOM.encode())
        while chunk:
            yield chunk
            tail = (tail + chunk[-_TAIL_BYTES:])[-_TAIL_BYTES:]
            chunk = file.read(_CHUNK_BYTES)


def _rest_of(separator: str, tail: bytes) -> bytes:
    """Return what a text that ends so lacks of the separator."""
    known = next(known for known in range(len(separator), -1, -1) if tail.endswith(separator[:known].encode()))
    return separator[known:].encode()


class _Stream(io.RawIOBase):
    """Chunks as a stream; each read returns one, whatever its size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _: int = -1) -> bytes:
        """Return the next chunk that isn't empty, b"" at the end."""
        return next(filter(None, self._chunks), b"")
