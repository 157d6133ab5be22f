"""The loss curve as lines of an SVG, drawn here so that it is there without JavaScript."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 680, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 34
_NAMES = {"train_loss": "training", "validation_loss": "validation", "evaluation_loss": "evaluation"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One loss over the steps."""

    name: str
    points: str
    last: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What the template draws; all places in the SVG's own units."""

    lines: Sequence[Line]
    #: place, label
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    best: tuple[float, float] | None
    x_name: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def draw(metrics: Sequence[Mapping[str, Any]], *, best_epoch: int | None) -> Curve | None:
    """Return the curve of these losses, or None where fewer than two were measured."""
    steps_an_epoch = _steps_an_epoch(metrics)
    series = {
        said: [(row["step"] / (steps_an_epoch or 1), float(row[name])) for row in metrics if row.get(name) is not None]
        for name, said in _NAMES.items()
    }
    series = {said: points for said, points in series.items() if points}
    every = [point for points in series.values() for point in points]
    if len(every) < 2 or len({x for x, _ in every}) < 2:
        return None
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    y_least, y_most = min(y for _, y in every), max(y for _, y in every)
    x_ticks = _ticks(x_low, x_high, most=8, whole=True)
    y_ticks = _ticks(y_least, y_most, most=6)
    y_low, y_high = min(y_ticks[0], y_least), max(y_ticks[-1], y_most)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / ((y_high - y_low) or 1)
        return (
            round(_LEFT + across * (WIDTH - _LEFT - _RIGHT), 1),
            round(HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM), 1),
        )

    judged = series.get("validation") or series.get("evaluation") or series.get("training") or []
    best = next(((x, y) for x, y in judged if steps_an_epoch and x == best_epoch), None)
    return Curve(
        lines=[
            Line(
                name=said,
                points=" ".join(f"{x},{y}" for x, y in (place(*point) for point in points)),
                last=place(*points[-1]),
            )
            for said, points in series.items()
        ],
        x_ticks=[(place(x, y_low)[0], f"{x:,.0f}") for x in x_ticks if x_low <= x <= x_high],
        y_ticks=[(place(x_low, y)[1], f"{y:g}") for y in y_ticks],
        best=place(*best) if best else None,
        x_name="epoch" if steps_an_epoch else "step",
    )


def _steps_an_epoch(metrics: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how many steps an epoch has, told by the last one that was judged; None before the first has been."""
    judged = [row for row in metrics if (row.get("validation_loss") or row.get("evaluation_loss")) is not None]
    return judged[-1]["step"] / judged[-1]["epoch"] if judged else None


def _ticks(low: float, high: float, *, most: int, whole: bool = False) -> list[float]:
    """Return round values that cover a range, at most `most` or so."""
    span = (high - low) or 1.0
    rough = span / most
    size = 10 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough)
    if whole:
        step = max(1.0, step)
    first = math.floor(low / step)
    return [round(index * step, 10) for index in range(first, math.ceil(high / step) + 1)]
