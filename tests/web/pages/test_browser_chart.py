"""Loss curves in a real Chromium: read by mouse and keyboard, zoomed, logarithmic, and the figures they are made of."""

import csv
import io
import math

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from shared.jobs.events import EventType
from tests.web.browsing import tab, violations
from tests.web.serving import Served
from tests.web.world import BOOK, World

EPOCHS, STEPS = 12, 34
BASELINES = {"unigram": 2.4, "ngram": {"order": 6, "loss": 1.3}, "xz": 5.0}


@pytest.fixture
def trained(live: World) -> str:
    """A training that has ended, its losses measured twice an epoch; the best epoch is the ninth."""
    job_id: str = live.train(live.corpus(BOOK * 3)).json["id"]
    claim = live.claim(job_id)
    for half in range(1, 2 * EPOCHS + 1):
        epoch = (half + 1) // 2
        row: dict[str, float | None] = {
            "step": half * STEPS // 2,
            "epoch": epoch,
            "seconds": half / 10,
            "train_loss": 3 / (1 + half / 7),
            "validation_loss": None if half % 2 else 1.2 + 0.01 * (epoch - 9) ** 2,
        }
        live.record(claim, (EventType.METRIC, row))
    figures = {"best_loss": 1.2, "best_epoch": 9, "train_loss": 0.7, "validation_loss": 1.29, "baselines": BASELINES}
    live.record(claim, losses=figures)
    live.finish(claim, {"model_id": "x", "stop_reason": "completed"})
    return job_id


def plot(page: Page) -> Locator:
    return page.get_by_role("slider", name="Loss values")


def ticks(page: Page) -> list[str]:
    return page.locator(".plot text[text-anchor=middle]").all_text_contents()


def points(page: Page, line: str) -> list[tuple[float, float]]:
    drawn = page.locator(f".plot polyline.{line}").get_attribute("points") or ""
    return [(float(x), float(y)) for x, y in (point.split(",") for point in drawn.split())]


def test_the_keyboard_reads_the_curves_and_zooms(browser: Browser, served: Served, trained: str) -> None:
    with tab(browser, served) as page:
        page.goto(f"/jobs/{trained}")
        plot(page).focus()
        page.keyboard.press("End")
        expect(plot(page)).to_have_attribute("aria-valuetext", "Epoch 12, training 0.6774, validation 1.2900")
        page.keyboard.press("ArrowLeft")
        expect(plot(page)).to_have_attribute("aria-valuenow", "11.5")
        expect(page.locator(".readout")).to_contain_text("Epoch 11.5")
        page.keyboard.press("+")
        page.keyboard.press("+")
        assert "2" not in ticks(page)
        page.keyboard.press("Home")
        assert ticks(page)[0] in ("0.5", "1"), "what is read is in sight"
        page.keyboard.press("Escape")
        assert ticks(page)[-1] == "12"
        expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()


def test_the_mouse_reads_and_a_drag_zooms(browser: Browser, served: Served, trained: str) -> None:
    with tab(browser, served) as page:
        page.goto(f"/jobs/{trained}")
        box = plot(page).bounding_box()
        assert box is not None
        best = points(page, "validation")[8]
        page.mouse.move(box["x"] + best[0], box["y"] + 20)
        expect(page.locator(".readout")).to_contain_text("Epoch 9")
        expect(page.locator(".readout")).to_contain_text("validation 1.2000")
        drawn = page.locator(".plot circle.best")
        assert float(drawn.get_attribute("cx") or 0) == pytest.approx(best[0], abs=0.1), "the best is marked"
        page.mouse.down()
        page.mouse.move(box["x"] + best[0] + 150, box["y"] + 60, steps=4)
        page.mouse.up()
        expect(page.get_by_role("button", name="Zoom out")).to_be_enabled()
        assert "4" not in ticks(page)
        page.get_by_role("button", name="All").click()
        assert "4" in ticks(page)


def test_the_axis_becomes_logarithmic_and_lines_can_be_hidden(browser: Browser, served: Served, trained: str) -> None:
    with tab(browser, served) as page:
        page.goto(f"/jobs/{trained}")
        values = [3 / (1 + half / 7) for half in range(1, 2 * EPOCHS + 1)]

        def bend() -> tuple[float, float]:
            """Return how far the middle of the line is from where a linear and a logarithmic axis would have it."""
            ys = [y for _, y in points(page, "training")]
            share = (ys[12] - ys[0]) / (ys[-1] - ys[0])
            linear = (values[12] - values[0]) / (values[-1] - values[0])
            logs = [math.log(value) for value in values]
            return abs(share - linear), abs(share - (logs[12] - logs[0]) / (logs[-1] - logs[0]))

        assert bend()[0] < 0.01
        page.get_by_role("button", name="Log axis").click()
        assert bend()[1] < 0.01
        expect(page.get_by_role("button", name="Log axis")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="validation").click()
        expect(page.locator(".plot polyline")).to_have_count(1)
        expect(page.get_by_role("button", name="validation")).to_have_attribute("aria-pressed", "false")
        page.get_by_label("Along").select_option("seconds")
        plot(page).focus()
        page.keyboard.press("End")
        expect(plot(page)).to_have_attribute("aria-valuetext", "Second 2.4, training 0.6774")
        assert violations(page) == []


def test_table_csv_and_curve_agree(browser: Browser, served: Served, trained: str) -> None:
    with tab(browser, served, java_script_enabled=False) as page:
        page.goto(f"/jobs/{trained}")
        assert page.locator("figure svg polyline").count() == 2
        page.get_by_text("Table of losses").click()
        rows = [
            [cell.get_attribute("data-value") for cell in line.get_by_role("cell").all()]
            for line in page.locator("tbody tr").all()
        ]
        with page.expect_download() as sent:
            page.get_by_role("link", name="Download as CSV").click()
        table = list(csv.DictReader(io.StringIO(sent.value.path().read_text())))
    from_api = [[row[name] for name in ("step", "epoch", "seconds", "train_loss", "validation_loss")] for row in table]
    assert rows[::-1] == from_api
    assert len(from_api) == 2 * EPOCHS


def test_baselines_are_lines_with_names_and_the_model_is_compared_with_them(
    browser: Browser, served: Served, trained: str
) -> None:
    with tab(browser, served) as page:
        page.goto(f"/jobs/{trained}")
        assert page.locator(".plot text.level").all_text_contents() == ["6-gram 1.30", "unigram 2.40"], (
            "xz is far above"
        )
        assert page.locator(".plot line.level").count() == 2
        expect(page.locator(".legend .level")).to_have_text("without a network")
        expect(
            page.get_by_text("Guessing by the last five letters reaches 1.30 nats; this model 1.20.")
        ).to_be_visible()


def test_baselines_appear_while_a_training_runs(browser: Browser, served: Served, live: World) -> None:
    job_id = live.train(live.corpus(BOOK * 3)).json["id"]
    claim = live.claim(job_id)
    with tab(browser, served) as page:
        page.goto(f"/jobs/{job_id}")
        for step in (34, 68):
            row = {"step": step, "epoch": step // 34, "seconds": 1.0, "train_loss": 100 / step, "validation_loss": 3.0}
            live.record(claim, (EventType.METRIC, row))
        expect(page.locator(".plot polyline.validation")).to_have_count(1)
        live.record(claim, progress={"step": 68, "fraction": 0.5}, losses={"best_loss": 3.0, "baselines": BASELINES})
        expect(page.locator(".plot text.level").first).to_have_text("6-gram 1.30")
        assert points(page, "validation")[-1][1] < 150, "the axis reaches down to the n-gram model"
    live.finish(claim, {"model_id": "x", "stop_reason": "completed", "baselines": BASELINES})
    answer = live.http.get(f"/jobs/{job_id}").text
    assert "This model is worse than guessing by letter frequencies: 3.00 nats against 2.40. Try more epochs." in answer
