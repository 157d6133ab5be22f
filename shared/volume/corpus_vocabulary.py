"""The characters of a corpus with their counts: counted when they are first asked for, then kept next to the text."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import TypeAdapter

from shared.errors import NotFound, VolumeUnavailable
from shared.volume.corpora import Corpora

#: Characters that occur less often than this are rare: too few to learn, and each widens the vocabulary.
RARE = 5
_FILE = "vocabulary.json"


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """vocabulary.json: the characters, the most frequent first, and how often each occurs."""

    characters: str
    counts: Sequence[int]


_STORED = TypeAdapter(_Stored)


def vocabulary_of(corpora: Corpora, corpus_id: str) -> Mapping[str, int]:
    """Return how often each character of a text occurs, the most frequent first.

    Raises:
        NotFound, VolumeUnavailable.
    """
    known = corpora.find_fact(corpus_id, _FILE, _STORED)
    if known is not None and len(known.characters) == len(known.counts):
        return dict(zip(known.characters, known.counts, strict=True))
    from shared.text.counts import count_characters  # noqa: PLC0415 (loads numpy, which most web processes don't need)

    try:
        found = count_characters(corpora.parts(corpus_id))
    except FileNotFoundError as exc:
        raise NotFound(f"{corpus_id} has just been deleted.") from exc
    # Without room on the disk, or if the corpus has just been deleted, the counts are still an answer.
    with suppress(VolumeUnavailable, NotFound):
        corpora.keep_fact(corpus_id, _FILE, {"characters": "".join(found), "counts": list(found.values())})
    return found
