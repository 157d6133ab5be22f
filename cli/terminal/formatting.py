"""Numbers and times as short strings."""

from datetime import UTC, datetime

from charloom import Baselines, Corpus, Items, Job, StartingPoint
from shared.jobs.comparison import compare, describe_baselines
from shared.text.items import between

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_STOP_REASONS = {
    "completed": "all epochs done",
    "early_stopped": "stopped early because the loss no longer improved",
    "time_limit": "time limit reached",
}


def duration(seconds: float) -> str:
    """Format a duration in its one or two largest units: "2 min 5 s"."""
    left, parts = max(0, round(seconds)), list[str]()
    for length, name in _UNITS:
        count, left = divmod(left, length)
        if count or (length == 1 and not parts):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def clock(seconds: float) -> str:
    """Format a remaining time as a clock does: "1:05", "2:00:10"."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def age(time: datetime) -> str:
    """Format the time since a moment in its largest unit: "3 min"."""
    return " ".join(duration((datetime.now(UTC) - time).total_seconds()).split()[:2])


def number(count: float | None) -> str:
    """Format a count with thousands separators; "" for None."""
    return "" if count is None else f"{count:,.0f}"


def loss(value: float | None) -> str:
    """Format a loss: "1.432"; "" for None."""
    return "" if value is None else f"{value:.3f}"


def losses(*, training: float | None, validation: float | None) -> list[str]:
    """Name the losses that are known: "training 1.473"."""
    known = (("training", training), ("validation", validation))
    return [f"{name} {loss(value)}" for name, value in known if value is not None]


def baselines(known: Baselines | None) -> str:
    """Name the losses of a training's baselines; "" for None."""
    return f"{describe_baselines(known.model_dump())} (nats per character)" if known else ""


def pairs(metadata: dict[str, str]) -> str:
    """Format metadata: "mood=calm, language=en"."""
    return ", ".join(f"{key}={value}" for key, value in metadata.items())


def stop_reason(job: Job) -> str:
    """Put into words why a training ended; "" if it hasn't."""
    reason = str((job.result or {}).get("stop_reason", ""))
    return _STOP_REASONS.get(reason, reason)


def describe_training(job: Job) -> str:
    """Describe a training that succeeded: "Trained: time limit reached; best loss 1.432 in epoch 3.", and baselines."""
    best, known = job.metrics.best_loss, job.metrics.baselines
    found = "" if best is None else f"; best loss {loss(best)} in epoch {job.metrics.best_epoch}"
    compared = compare(best, known.model_dump() if known else None, job.params, job.stop_reason or "")
    return f"Trained: {stop_reason(job)}{found}.{f' {compared.text}' if compared else ''}"


def describe_start(point: StartingPoint | None) -> str:
    """Say what a training starts from, and why: "English: it predicts …"; "" if that isn't known."""
    if point is None:
        return ""
    return f"{point.name or 'random weights'}: {point.reason}"


def describe_corpus(corpus: Corpus) -> str:
    """Describe a text: "book: 33,942 characters, 51 distinct."; of a list also how many items it has."""
    text = f"{corpus.name}: {corpus.chars:,} characters, {corpus.vocab_size} distinct."
    return text if corpus.items is None else f"{text} {describe_items(corpus.items)}"


def describe_items(items: Items) -> str:
    """Describe a list: "A list of 1,234 items, one per line (1,100 different)."."""
    return f"A list of {items.count:,} items, {between(items.separator)} ({items.unique:,} different)."
