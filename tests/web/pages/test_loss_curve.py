"""The loss curve and the cuts of a text."""

import pytest

from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.writing import GenerateRequest
from shared.sizes import size
from web.pages.form_fields import fields_of, values_of
from web.pages.formatting import duration
from web.pages.loss_curve import HEIGHT, WIDTH, Curve, Run
from web.pages.loss_curve import draw as draw_runs
from web.pages.passages import cut


def row(step: int, epoch: int, train: float | None, validation: float | None = None) -> dict[str, float | None]:
    return {"step": step, "epoch": epoch, "train_loss": train, "validation_loss": validation}


def draw(metrics: list[dict[str, float | None]], *, best_epoch: int | None) -> Curve | None:
    return draw_runs([Run(id="job_1", name="one", metrics=metrics, best_epoch=best_epoch)])


def test_a_curve_stays_within_its_frame_and_marks_the_best() -> None:
    curve = draw([row(7 * epoch, epoch, 5 / epoch, 6 / epoch) for epoch in range(1, 200)], best_epoch=150)
    assert curve is not None
    assert [line.name for line in curve.lines] == ["training", "validation"]
    for point in curve.lines[0].points.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    assert len(curve.bests) == 1
    assert curve.x_name == "epoch"
    assert len(curve.x_ticks) <= 10


def test_baselines_are_levels_in_a_frame_that_reaches_the_ngram_models() -> None:
    baselines = {"unigram": 9.0, "ngram": {"order": 5, "loss": 1.5}, "xz": 2.5}
    metrics = [row(10 * epoch, epoch, 4.0, 5.0 - epoch) for epoch in (1, 2)]
    run = Run(id="job_1", name="one", metrics=metrics, best_epoch=2, baselines=baselines)
    curve = draw_runs([run])
    assert curve is not None
    assert [level.name for level in curve.levels] == ["5-gram 1.50", "xz 2.50"], "unigram is above the frame"
    assert curve.lines[1].last[1] < curve.levels[1].y < curve.levels[0].y <= curve.bottom
    several = draw_runs([run, run])
    assert several is not None
    assert several.levels == []


def test_losses_within_an_epoch_are_side_by_side() -> None:
    rows = [row(25 * n, 1 + (25 * n - 1) // 100, 5 / n, 3.0 if 25 * n % 100 == 0 else None) for n in range(1, 9)]
    curve = draw(rows, best_epoch=2)
    assert curve is not None
    places = [float(point.split(",")[0]) for point in curve.lines[0].points.split()]
    assert len(set(places)) == len(rows)
    assert places == sorted(places)
    assert curve.bests == [(0, curve.lines[1].last)]


def test_the_loss_before_the_first_step_begins_the_curve() -> None:
    curve = draw([row(0, 0, None, 3.0), row(20, 1, 2.0, 2.5), row(40, 2, 1.5, 2.0)], best_epoch=0)
    assert curve is not None
    assert curve.x_name == "epoch"
    validation = [point.split(",") for point in curve.lines[1].points.split()]
    assert len(validation) == 3
    assert curve.bests == [(0, (float(validation[0][0]), float(validation[0][1])))]
    alone = draw([row(0, 0, None, 3.0), row(5, 1, None, 2.9)], best_epoch=0)
    assert alone is not None


@pytest.mark.parametrize(
    "rows",
    [[], [row(1, 1, 1.0)], [row(1, 1, None), row(2, 1, 1.0)], [row(1, 1, 1.0), row(1, 1, 2.0)]],
)
def test_fewer_than_two_measured_losses_make_no_curve(rows: list[dict[str, float | None]]) -> None:
    assert draw(rows, best_epoch=None) is None


def test_several_runs_share_one_plot_and_each_has_its_best() -> None:
    short = [row(3 * epoch, epoch, 4 / epoch, 4 / epoch) for epoch in range(1, 5)]
    long = [row(30 * epoch, epoch, 5 / epoch, 5 / epoch) for epoch in range(1, 9)]
    runs = [
        Run(id=f"mod_{place}", name="x", metrics=metrics, best_epoch=best)
        for place, (metrics, best) in enumerate([(short, 4), (long, 8), ([], None)])
    ]
    curve = draw_runs(runs[:2])
    assert curve is not None
    assert curve.x_name == "epoch"
    assert [(line.run, line.name) for line in curve.lines] == [
        (0, "training"),
        (0, "validation"),
        (1, "training"),
        (1, "validation"),
    ]
    assert curve.bests == [(0, curve.lines[1].last), (1, curve.lines[3].last)]
    assert curve.lines[1].last[0] < curve.lines[3].last[0], "four epochs are half of eight, whatever their steps"
    with_none = draw_runs(runs)
    assert with_none is not None
    assert with_none.x_name == "step", "a run that was never judged has no epochs to draw by"


def test_equal_and_odd_losses_are_drawn_too() -> None:
    assert draw([row(1, 1, 2.0, 2.0), row(2, 2, 2.0, 2.0)], best_epoch=9) is not None
    by_step = draw([row(10, 1, 1e-9), row(20, 1, 1e6)], best_epoch=None)
    assert by_step is not None
    assert by_step.x_name == "step"


def test_a_text_is_cut_where_copied_passages_begin_and_end() -> None:
    assert cut("abcdef", [[0, 2], [4, 6]]) == [("ab", True), ("cd", False), ("ef", True)]
    assert cut("abc", []) == [("abc", False)]
    assert cut("", []) == []


def test_fields_take_limits_defaults_and_help_from_the_request_types() -> None:
    fields = fields_of(ClassicRequest)
    assert "embedding_size" not in fields, "it has one value only"
    assert fields["hidden_size"].hint.endswith("1 to 4,096. Default: 256.")
    assert fields["dropout"].hint.endswith("less than 1. Default: 0.2.")
    chosen = fields_of(StreamRequest)["dropout"]
    assert chosen.hint.endswith("From 0, less than 1. Default: chosen by the text.")
    assert values_of({"dropout": 0.2, "grad_clip": 1.0}, StreamRequest) == {"dropout": "0.2"}, "omitted: another"
    assert fields["lowercase"].choices == [("true", "yes"), ("false", "no")]
    assert fields_of(GenerateRequest)["n"].default == "1"
    assert "random if omitted" in fields["seed"].hint


def test_figures_are_said_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.04, 9.96, 65, 3600, 90_061)] == [
        "under 0.1 seconds",
        "10.0 seconds",
        "1 minute 5 seconds",
        "1 hour",
        "1 day 1 hour",
    ]
    assert [size(value) for value in (999, 1536, 2_500_000, 256 << 20, 3 << 30)] == [
        "999 bytes",
        "1.5 KiB",
        "2.4 MiB",
        "256 MiB",
        "3 GiB",
    ]


@pytest.mark.parametrize(
    "losses",
    [
        (0.0, 5e-324),
        (1.0, 1.0000000000000002),
        (-1e30, 1e30),
        (1e30, 1.0000000000000002e30),
        (1e-30, 2e-30),
        (0.0, 1e30),
    ],
)
def test_any_losses_that_a_file_may_hold_can_be_drawn(losses: tuple[float, float]) -> None:
    for steps in ((1, 2), (0, 2**53 - 1), (2**53 - 2, 2**53 - 1)):
        rows = [row(step, 1, loss, loss) for step, loss in zip(steps, losses, strict=True)]
        curve = draw(rows, best_epoch=1)
        assert curve is None or len(curve.x_ticks) + len(curve.y_ticks) < 50
