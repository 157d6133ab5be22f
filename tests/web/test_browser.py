"""The pages in a real Chromium: with and without JavaScript, light and dark, a phone's width and a desk's."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shared.events import EventType
from tests.web.serving import Served
from tests.web.world import BOOK, World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--no-first-run", "--no-default-browser-check",
]  # fmt: skip
#: Least contrast of text with what is behind it (WCAG 2.2, 1.4.3), and of large text.
CONTRAST, CONTRAST_LARGE = 4.5, 3.0

#: Returns what can be read too badly: [words, contrast, wanted] of each element with text of its own.
FAINT = """([small, large]) => {
  const parse = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, below) => {
    const a = top[3] === undefined ? 1 : top[3];
    return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a));
  };
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    return over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const isSvg = element instanceof SVGElement;
    const back = behind(isSvg ? element.ownerSVGElement : element);
    const [a, b] = [light(over(parse(isSvg ? style.fill : style.color), back)), light(back)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? large : small;
    if (contrast < wanted) found.push([element.textContent.trim().slice(0, 40), contrast, wanted]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium; CI has one.")
        pytest.skip("There is no Chromium here.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def open_page(browser: Browser, served: Served, **options: Any) -> tuple[Page, list[str]]:
    """Open an empty page; give it with the complaints that it will have made."""
    page = browser.new_context(base_url=served.url, **options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(served.url) else None)
    return page, complaints


def unfold_sending(page: Page) -> None:
    """Open what is folded away where there are texts already."""
    if not page.get_by_label("A file").is_visible():
        page.get_by_text("Send a new text").click()


@pytest.fixture
def house(live: World) -> dict[str, str]:
    """Furnish the house: a text, models, jobs of every kind. Give the address of each page."""
    corpus_id = live.corpus()
    live.worker()
    training = live.train(corpus_id).json["id"]
    claim = live.claim(training)
    for epoch in range(1, 12):
        row = {
            "step": epoch * 9,
            "epoch": epoch,
            "seconds": 1.5,
            "train_loss": 3 / epoch,
            "validation_loss": 3.1 / epoch,
        }
        sample = {"step": epoch, "epoch": epoch, "text": "the wind " * 20, "prompt": "in the ", "temperature": 0.7}
        live.record(claim, (EventType.METRIC, row), (EventType.SAMPLE, sample))
    progress = {"step": 99, "total_steps": 120, "epoch": 11, "total_epochs": 12, "fraction": 0.8, "eta_seconds": 4.0}
    live.record(claim, progress=progress, losses={"train_loss": 0.3, "best_loss": 0.28, "best_epoch": 11})
    model = live.model(corpus_id, name="A model with a rather long name that goes on", recipe="classic")
    writing = live.write(model.id, prompt="the wind").json["id"]
    text = "was in the reeds\n" * 20 + "x" * 200
    copied = {"longest": 100, "share": 0.5, "spans": [[0, 100]]}
    output = {"index": 0, "text": text, "finish_reason": "length", "copied": copied}
    live.finish(live.claim(writing), {"prompt": "the wind", "seed": 1, "outputs": [output, output | {"index": 1}]})
    failed = live.train(corpus_id, epochs=3).json["id"]
    live.fail(live.claim(failed))
    return {
        "train": f"/?corpus_id={corpus_id}",
        "again": f"/?again={failed}",
        "training": f"/jobs/{training}",
        "writing": f"/jobs/{writing}",
        "failed": f"/jobs/{failed}",
        "jobs": "/jobs",
        "write": f"/write?again={writing}",
        "models": "/models",
        "model": f"/models/{model.id}",
        "workers": "/workers",
        "docs": "/api/docs",
    }


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_can_be_read(
    browser: Browser, served: Served, house: dict[str, str], scheme: Any, width: int
) -> None:
    page, complaints = open_page(browser, served, color_scheme=scheme, viewport={"width": width, "height": 800})
    for name, address in house.items():
        page.goto(address, wait_until="load")
        page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is too wide"
        assert page.evaluate(FAINT, [CONTRAST, CONTRAST_LARGE]) == [], name
        assert page.locator("h1").count() == 1, name
        unnamed = page.evaluate(
            """[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button")]
               .filter((e) => !(e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML)"""
        )
        assert unnamed == [], name
        repeated = page.evaluate(
            """[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)"""
        )
        assert repeated == [], name
    assert complaints == []
    page.context.close()


@pytest.mark.usefixtures("live")
def test_a_book_becomes_a_training_without_javascript(browser: Browser, served: Served) -> None:
    page, complaints = open_page(browser, served, java_script_enabled=False)
    page.goto("/")
    unfold_sending(page)
    page.get_by_label("Or paste it").fill(BOOK)
    page.get_by_label("Name", exact=True).fill("Reeds & rivers")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Reeds & rivers")).to_be_visible()
    expect(page.get_by_text("The wind was in the reeds.")).to_be_visible()
    stream = page.locator("form", has=page.get_by_role("button", name="Train with stream"))
    stream.get_by_text("Options").click()
    stream.get_by_label("Epochs").fill("0")
    stream.get_by_role("button", name="Train with stream").click()
    expect(page.get_by_role("alert")).to_contain_text("epochs is 0, but must be at least 1")
    epochs = page.locator("#stream-epochs")
    expect(epochs).to_have_value("0")
    epochs.fill("2")
    page.get_by_role("button", name="Train with stream").click()
    expect(page.get_by_role("status")).to_contain_text("Waiting")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("Cancelled")
    page.get_by_role("link", name="Same again").click()
    expect(page.locator("#stream-epochs")).to_have_value("2")
    assert [text for text in complaints if "422" not in text] == []
    page.context.close()


def test_a_model_writes_without_javascript_and_the_page_reloads_itself(
    browser: Browser, served: Served, live: World
) -> None:
    model = live.model(name="Reeds")
    page, complaints = open_page(browser, served, java_script_enabled=False)
    page.goto(f"/models/{model.id}")
    page.get_by_role("link", name="Write with it").click()
    page.get_by_label("Prompt").fill("The wind")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_role("button", name="Write").click()
    page.wait_for_url(re.compile("/jobs/job_"))
    job_id = page.url.rpartition("/")[2]
    claim = live.claim(job_id)
    live.record(claim, (EventType.TEXT, {"index": 0, "offset": 0, "delta": " was in"}))
    expect(page.locator(".written")).to_have_text("the wind was in", timeout=30_000)
    output = {"index": 0, "text": " was in the reeds", "finish_reason": "length", "copied": None}
    live.finish(claim, {"prompt": "the wind", "seed": 1, "outputs": [output]})
    expect(page.get_by_role("status")).to_contain_text("Done", timeout=30_000)
    expect(page.locator(".written")).to_have_text("the wind was in the reeds")
    page.get_by_role("link", name="Again with this seed").click()
    expect(page.get_by_label("Prompt")).to_have_value("the wind")
    assert complaints == []
    page.context.close()


def test_a_live_page_follows_its_job_and_keeps_its_place(browser: Browser, served: Served, live: World) -> None:
    job_id = live.write(live.model().id, prompt="the").json["id"]
    page, complaints = open_page(browser, served)
    page.goto(f"/jobs/{job_id}")
    page.evaluate("window.untouched = true")
    expect(page.get_by_role("status")).to_contain_text("Waiting")
    claim = live.claim(job_id)
    expect(page.get_by_role("status")).to_contain_text("Running")
    page.get_by_text("What happened").click()
    live.record(claim, (EventType.TEXT, {"index": 0, "offset": 0, "delta": " wind"}))
    expect(page.locator(".written")).to_have_text("the wind")
    output = {"index": 0, "text": " wind sang", "finish_reason": "length", "copied": None}
    live.finish(claim, {"prompt": "the", "seed": 1, "outputs": [output]})
    expect(page.get_by_role("status")).to_contain_text("Done")
    expect(page.locator(".written")).to_have_text("the wind sang")
    expect(page.locator("#history")).to_have_attribute("open", "")
    assert page.evaluate("window.untouched"), "nothing was loaded anew"
    assert complaints == []
    page.context.close()


def test_what_was_unfolded_stays_so_while_a_training_goes_on(browser: Browser, served: Served, live: World) -> None:
    job_id = live.train(live.corpus()).json["id"]
    claim = live.claim(job_id)
    rows = [{"step": epoch, "epoch": epoch, "train_loss": 3.0 / epoch} for epoch in (1, 2, 3)]
    live.record(claim, *((EventType.METRIC, row) for row in rows[:2]))
    page, complaints = open_page(browser, served)
    page.goto(f"/jobs/{job_id}")
    page.get_by_text("The figures").click()
    live.record(claim, (EventType.METRIC, rows[2]))
    expect(page.get_by_role("cell", name="1.000")).to_be_visible(timeout=30_000)
    assert complaints == []
    page.context.close()


def test_the_keyboard_reaches_everything(browser: Browser, served: Served, house: dict[str, str]) -> None:
    page, _ = open_page(browser, served)
    page.goto(house["write"])
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Model", exact=True)).to_be_focused()
    page.context.close()


def test_a_file_is_sent_from_the_page(browser: Browser, served: Served, live: World, tmp_path: Path) -> None:
    (tmp_path / "My book.txt").write_text(BOOK)
    page, complaints = open_page(browser, served)
    page.goto("/")
    unfold_sending(page)
    page.get_by_label("A file").set_input_files(tmp_path / "My book.txt")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(re.compile("corpus_id="))
    expect(page.locator(".text-card h3")).to_be_visible()
    assert live.get("/corpora").json["data"]
    assert complaints == []
    page.context.close()
