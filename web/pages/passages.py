"""The texts of a generate job, as far as they are generated, cut where copied passages begin and end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.jobs.events import EventType, StoredEvent
from shared.jobs.record import Job


@dataclass(frozen=True, kw_only=True)
class Written:
    """One variant."""

    index: int
    #: (text, whether it is copied from the corpus word for word)
    pieces: Sequence[tuple[str, bool]]
    finish_reason: str | None = None
    #: {longest, share, spans}, or None if it isn't known.
    copied: Mapping[str, Any] | None = None
    #: How often a run of one character was cut.
    runs_cut: int = 0


def written(job: Job, events: Iterable[StoredEvent]) -> list[Written]:
    """Return the variants of a generate job: from its result, else from its events so far."""
    if job.result and "outputs" in job.result:
        return [_whole(output) for output in job.result["outputs"]]
    texts: dict[int, list[str]] = {}
    for event in events:
        if event.type is EventType.TEXT:
            _put(texts.setdefault(int(event.data["index"]), []), int(event.data["offset"]), str(event.data["delta"]))
    variants = range(int(job.params.get("n", 1)))
    return [Written(index=index, pieces=[("".join(texts.get(index, ())), False)]) for index in variants]


def cut(text: str, spans: Iterable[Sequence[int]]) -> list[tuple[str, bool]]:
    """Cut a text at the ends of spans, which are in order and don't overlap."""
    pieces, place = [], 0
    for begin, end in spans:
        pieces += [(text[place:begin], False), (text[begin:end], True)]
        place = end
    return [(piece, marked) for piece, marked in [*pieces, (text[place:], False)] if piece]


def _whole(output: Mapping[str, Any]) -> Written:
    copied = output.get("copied")
    return Written(
        index=int(output["index"]),
        pieces=cut(str(output["text"]), copied["spans"] if copied else ()),
        finish_reason=output.get("finish_reason"),
        copied=copied,
        runs_cut=int(output.get("runs_cut", 0)),
    )


def _put(characters: list[str], offset: int, delta: str) -> None:
    """Put a delta in its place: a further attempt overwrites what the one before it wrote."""
    characters[offset:] = delta
