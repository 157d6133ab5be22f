"""Loss curves as an SVG that needs no JavaScript; with it, `static/chart.js` draws over them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 680, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 34
_NAMES = {"train_loss": "training", "validation_loss": "validation", "evaluation_loss": "evaluation"}

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """The losses of one training."""

    id: str
    name: str
    metrics: Sequence[Mapping[str, Any]]
    best_epoch: int | None
    #: Losses that are still to come, by field: the table has columns for them.
    awaited: Sequence[str] = ()
    #: Why there are no losses, where their file is damaged.
    trouble: str | None = None
    #: 1: all that was measured is here; 2: every second row; and so on.
    every: int = 1
    #: `Baselines` of shared/jobs/rows.py, as JSON.
    baselines: Mapping[str, Any] | None = None

    @property
    def measured(self) -> Mapping[str, str]:
        """The losses that it has or awaits: field -> label."""
        had = {field for field in _NAMES if any(row.get(field) is not None for row in self.metrics)}
        return {field: said for field, said in _NAMES.items() if field in had.union(self.awaited)}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One loss over the steps."""

    name: str
    #: Index of its run among those drawn.
    run: int
    points: str
    last: Point


@dataclass(frozen=True, kw_only=True)
class Level:
    """A baseline: a line across the plot, and its name, which is apart from the others' names."""

    name: str
    y: float
    #: Where the name's "start" or "end" is.
    x: float
    anchor: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What the template draws, in the SVG's own units."""

    lines: Sequence[Line]
    #: (position, label)
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    #: (index of the run, its point)
    bests: Sequence[tuple[int, Point]]
    x_name: str
    levels: Sequence[Level] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def draw(runs: Sequence[Run]) -> Curve | None:
    """Return the curves of these runs on one plot, or None if fewer than two losses were measured."""
    lengths = [_steps_an_epoch(run.metrics) for run in runs]
    by_epoch = all(lengths)
    series: list[tuple[int, str, list[Point]]] = []
    for place, (run, length) in enumerate(zip(runs, lengths, strict=True)):
        scale = length if by_epoch and length else 1
        for field, said in run.measured.items():
            points = [(row["step"] / scale, float(row[field])) for row in run.metrics if row.get(field) is not None]
            if points:
                series.append((place, said, points))
    every = [point for _, _, points in series for point in points]
    if len({x for x, _ in every}) < 2:
        return None
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    baselines = _baselines(runs)
    # The n-gram model's is always shown, the others where there is room.
    ys = [*(y for _, y in every), *(loss for _, loss, _, _ in baselines[:1])]
    y_least, y_most = min(ys), max(ys)
    x_ticks = _ticks(x_low, x_high, most=8, whole=True)
    y_ticks = _ticks(y_least, y_most, most=6)
    y_low, y_high = min(y_ticks[0], y_least), max(y_ticks[-1], y_most)

    def place_of(x: float, y: float) -> Point:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / ((y_high - y_low) or 1)
        return (
            round(_LEFT + across * (WIDTH - _LEFT - _RIGHT), 1),
            round(HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM), 1),
        )

    bests = [(place, point) for place, run in enumerate(runs) if by_epoch and (point := _best(run, place, series))]
    return Curve(
        lines=[
            Line(
                name=said,
                run=place,
                points=" ".join(f"{x},{y}" for x, y in (place_of(*point) for point in points)),
                last=place_of(*points[-1]),
            )
            for place, said, points in series
        ],
        x_ticks=[(place_of(x, y_low)[0], f"{x:,.0f}") for x in x_ticks if x_low <= x <= x_high],
        y_ticks=[(place_of(x_low, y)[1], f"{y:g}") for y in y_ticks],
        bests=[(place, place_of(*point)) for place, point in bests],
        x_name="epoch" if by_epoch else "step",
        levels=[
            Level(name=f"{name} {loss:.2f}", y=place_of(x_low, loss)[1], x=x, anchor=anchor)
            for name, loss, x, anchor in baselines
            if y_low <= loss <= y_high
        ],
    )


def _baselines(runs: Sequence[Run]) -> Sequence[tuple[str, float, float, str]]:
    """Return the baselines of a run that is alone: names, losses, places of the names. The n-gram model's is first."""
    known = runs[0].baselines if len(runs) == 1 else None
    if not known:
        return ()
    return (
        (f"{known['ngram']['order']}-gram", known["ngram"]["loss"], _LEFT + 6, "start"),
        ("xz", known["xz"], WIDTH - _RIGHT - 156, "end"),
        ("unigram", known["unigram"], WIDTH - _RIGHT - 6, "end"),
    )


def _best(run: Run, place: int, series: Sequence[tuple[int, str, list[Point]]]) -> Point | None:
    """Return the point at the end of a run's best epoch, on the loss that chose it."""
    own = {said: points for at, said, points in series if at == place}
    judged = own.get("validation") or own.get("evaluation") or own.get("training") or []
    return next(((x, y) for x, y in judged if x == run.best_epoch), None)


def _steps_an_epoch(metrics: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the steps of an epoch, computed from the last one that was evaluated; None if none was."""
    losses = ("validation_loss", "evaluation_loss")
    judged = [row for row in metrics if row["epoch"] and any(row.get(name) is not None for name in losses)]
    return judged[-1]["step"] / judged[-1]["epoch"] if judged else None


def _ticks(low: float, high: float, *, most: int, whole: bool = False) -> list[float]:
    """Return round values that cover a range, about `most` of them."""
    span = high - low
    if span < 1e-9 * max(1.0, abs(high)):  # too little for floats to divide
        span = max(1.0, abs(high))
    rough = span / most
    size = 10 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough)
    if whole:
        step = max(1.0, step)
    first = math.floor(low / step)
    return [round(index * step, 10) for index in range(first, math.ceil(high / step) + 1)]
