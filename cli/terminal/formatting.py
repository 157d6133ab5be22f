"""How figures and times are said on the terminal: short, so that they stand in columns."""

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Say a time in its largest unit or two: "2 min 5 s"."""
    left, said = max(0, round(seconds)), list[str]()
    for length, name in _UNITS:
        count, left = divmod(left, length)
        if count or (length == 1 and not said):
            said.append(f"{count} {name}")
    return " ".join(said[:2])


def clock(seconds: float) -> str:
    """Say a time left as a clock does: "1:05", "2:00:10"."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def age(time: datetime) -> str:
    """Say how long ago something was, in its largest unit: "3 min"."""
    return " ".join(duration((datetime.now(UTC) - time).total_seconds()).split()[:2])


def number(count: float | None) -> str:
    """Say a count with thousands apart."""
    return "" if count is None else f"{count:,.0f}"


def loss(value: float | None) -> str:
    """Say a loss: "1.432"."""
    return "" if value is None else f"{value:.3f}"
