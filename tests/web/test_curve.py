"""The loss curve and the cuts of a text."""

import pytest

from shared.requests import ClassicRequest, GenerateRequest
from web.pages.curve import HEIGHT, WIDTH, draw
from web.pages.fields import fields_of
from web.pages.words import duration, size
from web.pages.written import cut


def test_a_curve_stays_within_its_frame_and_marks_the_best() -> None:
    rows = [{"epoch": epoch, "train_loss": 5 / epoch, "validation_loss": None} for epoch in range(1, 200)]
    curve = draw(rows, best_epoch=150)
    assert curve is not None
    assert [line.name for line in curve.lines] == ["training"]
    for point in curve.lines[0].points.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    assert curve.best is not None
    assert len(curve.x_ticks) <= 10


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"epoch": 1, "train_loss": 1.0}],
        [{"epoch": 1, "train_loss": None}, {"epoch": 2, "train_loss": 1.0}],
        [{"epoch": 1, "train_loss": 1.0}, {"epoch": 1, "train_loss": 2.0}],
    ],
)
def test_fewer_than_two_measured_losses_make_no_curve(rows: list[dict[str, float | None]]) -> None:
    assert draw(rows, best_epoch=None) is None


def test_equal_and_odd_losses_are_drawn_too() -> None:
    assert draw([{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 2.0}], best_epoch=9) is not None
    by_step = draw([{"step": 10, "epoch": None, "train_loss": 1e-9}, {"step": 20, "train_loss": 1e6}], best_epoch=None)
    assert by_step is not None
    assert by_step.x_name == "step"


def test_a_text_is_cut_where_copied_passages_begin_and_end() -> None:
    assert cut("abcdef", [[0, 2], [4, 6]]) == [("ab", True), ("cd", False), ("ef", True)]
    assert cut("abc", []) == [("abc", False)]
    assert cut("", []) == []


def test_fields_take_limits_defaults_and_help_from_the_request_types() -> None:
    fields = fields_of(ClassicRequest)
    assert "embedding_size" not in fields, "it has one value only"
    assert fields["hidden_size"].hint.endswith("1 to 4,096. Left empty: 256.")
    assert fields["lowercase"].choices == [("true", "yes"), ("false", "no")]
    assert fields_of(GenerateRequest)["n"].default == "1"
    assert "random one" in fields["seed"].hint


def test_figures_are_said_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.04, 9.96, 65, 3600, 90_061)] == [
        "0.0 seconds",
        "10.0 seconds",
        "1 minute 5 seconds",
        "1 hour",
        "1 day 1 hour",
    ]
    assert [size(value) for value in (999, 1500, 2_500_000, 3_000_000_000)] == [
        "999 bytes",
        "1.5 kB",
        "2.5 MB",
        "3.0 GB",
    ]
