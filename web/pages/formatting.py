"""How figures, times and states are written on the pages."""

import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.jobs.record import Job, JobType, Status
from shared.sizes import size
from shared.text.items import between

STATES = {
    Status.QUEUED: "Waiting",
    Status.RUNNING: "Running",
    Status.CANCELLING: "Being cancelled",
    Status.SUCCEEDED: "Done",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
}
KINDS = {
    JobType.TRAIN: "Training",
    JobType.GENERATE: "Writing",
    JobType.IMPORT: "Import",
    JobType.EXTRACT: "Extraction",
    JobType.EXAMINE: "Examination",
    JobType.CLEAN: "Cleaning",
}
#: Shown where there is no figure: an en dash.
NOTHING = "\N{EN DASH}"
_SIGNS = {"\n": "↵", " ": "␣", "\t": "⇥", "\ufeff": "BOM", "\u200d": "ZWJ"}
#: Runs of white space that are named rather than shown: of a dozen characters, or of four line ends.
_BLANKS = re.compile(r"\s{12,}|(?:[^\S\n]*\n){4,}")
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def number(value: float | None) -> str:
    """Format a count with separators: "148,067"."""
    return NOTHING if value is None else f"{value:,.0f}"


def loss(value: float | None) -> str:
    """Format a loss: "1.432"."""
    return NOTHING if value is None else f"{value:.3f}"


def tenths(value: float | None) -> str:
    """Format seconds of computing: "12.3"."""
    return NOTHING if value is None else f"{value:.1f}"


def option(value: object) -> str:
    """Format an option's value: "yes", "0.006", "256", "a, b"."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        if value.keys() == {"separator"}:
            return f"a list, {between(value['separator'])}"
        return ", ".join(f"{key}: {option(part)}" for key, part in value.items()).replace("\n", r"\n")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def visible(character: str) -> str:
    """Return a character as it can be seen by itself: an invisible one as a symbol or its code point."""
    if character in _SIGNS:
        return _SIGNS[character]
    category = unicodedata.category(character)
    if category.startswith("M"):
        return f"\N{DOTTED CIRCLE}{character}"
    return f"{ord(character):04X}" if category[0] in "CZ" else character


def blank_runs(text: str) -> list[tuple[str, str]]:
    """Cut a text at long runs of white space: pairs of a text and "", or of "" and a run's name, "32 spaces"."""
    pieces, place = [], 0
    for run in _BLANKS.finditer(text):
        lines = run[0].count("\n")
        name = f"{lines} line ends" if lines > 1 else f"{len(run[0])} spaces"
        pieces += [(text[place : run.start()], ""), ("", name)]
        place = run.end()
    return [piece for piece in [*pieces, (text[place:], "")] if any(piece)]


def percent(share: float) -> str:
    """Format a share, "43 %", with a space where no line breaks."""
    return f"{share * 100:.0f}\N{NO-BREAK SPACE}%"


def duration(seconds: float | None) -> str:
    """Format a time in its largest unit or two: "2 minutes 5 seconds"."""
    if seconds is None:
        return NOTHING
    said: list[str] = []
    if seconds < 0.1:
        return "under 0.1 seconds"
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    left = round(seconds)
    for length, name in _UNITS:
        count, left = divmod(left, length)
        if count or (length == 1 and not said):
            said.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(said[:2])


def moment(value: int | str | None, *, seconds: bool = False) -> str:
    """Format a time (ms since 1970, or RFC 3339): "24 Nov, 13:33 UTC"; with its year unless it is the current one."""
    if value is None:
        return NOTHING
    when = datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else datetime.fromisoformat(value)
    year = "" if when.year == datetime.now(UTC).year else f" {when.year}"
    clock = f"{when:%H:%M:%S}" if seconds else f"{when:%H:%M}"
    return f"{when.day} {when:%b}{year}, {clock} UTC"


def rfc3339(value: int) -> str:
    """Format ms since 1970 for <time datetime>."""
    return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="seconds")


def status(value: str) -> str:
    """Return the name of a status that an event reports."""
    return STATES[Status(value)]


def state(job: Job) -> str:
    """Return the name of a job's status."""
    return STATES[job.shown_status]


def kind(job: Job) -> str:
    """Return what a job does."""
    return KINDS[job.type]


def subject(job: Job) -> str:
    """Return what a job is about: the model's name, the first words of a prompt, the file."""
    if job.type is JobType.GENERATE and job.params.get("items"):
        begin = f" that begin with “{job.params['prompt']}”" if job.params.get("prompt") else ""
        return f"{job.params['items']['count']:,} items{begin}"
    if job.type is JobType.GENERATE:
        prompt = " ".join(str(job.params.get("prompt") or "").split())
        return f"“{prompt[:48]}{'…' if len(prompt) > 48 else ''}”"
    return str(job.params.get("name") or job.params.get("filename") or "")


def running_time(job: Job) -> float | None:
    """Return how long a job has run, or ran, in seconds."""
    if job.started_ms is None:
        return None
    return ((job.finished_ms or time.time() * 1000) - job.started_ms) / 1000


FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number,
    "size": size,
    "loss": loss,
    "tenths": tenths,
    "option": option,
    "between": between,
    "visible": visible,
    "blank_runs": blank_runs,
    "ord": ord,
    "percent": percent,
    "duration": duration,
    "moment": moment,
    "rfc3339": rfc3339,
    "state": state,
    "status": status,
    "kind": kind,
    "subject": subject,
    "running_time": running_time,
}
