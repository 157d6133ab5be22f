"""The pages in a real Chromium: with and without JavaScript, light and dark, a phone's width and a desk's."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.jobs.events import EventType
from tests.web.browsing import ALIKE, tab, unfold, violations
from tests.web.serving import Served
from tests.web.world import BOOK, World


def unfold_sending(page: Page) -> None:
    """Open what is folded away where there are texts already."""
    if not page.get_by_label("A file").is_visible():
        page.get_by_text("Upload a new text").click()


@pytest.fixture
def house(live: World) -> dict[str, str]:
    """Furnish the house: a text, models, jobs of every kind. Give the address of each page."""
    corpus_id = live.corpus()
    names = live.corpus("".join(f"A name of the mill, number {number}\n" for number in range(40)), "Names")
    live.services.volume.corpora.edit(corpus_id, metadata={"language": "en"})
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
    others = [live.model(corpus_id, name=f"Reeds {n}", epochs_measured=4 * n, hidden_size=32 * n).id for n in (1, 2)]
    through = [live.write(one, prompt="the wind").json["id"] for one in others]
    compared = f"/models/compare?ids={','.join([model.id, *others])}&jobs={','.join(through)}"
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
        "texts": "/texts",
        "text": f"/texts/{corpus_id}",
        "list": f"/texts/{names}",
        "compared": compared,
        "workers": "/workers",
        "docs": "/api/docs",
    }


#: A phone's width and a window's.
PHONE, WINDOW = 360, 1280
#: Pages that together have all that has a color, which are checked in the dark, too.
COLORED = ("train", "training", "failed", "writing", "write", "model", "compared", "docs")


@pytest.mark.timeout(600)
def test_every_page_fits_and_can_be_read(browser: Browser, served: Served, house: dict[str, str]) -> None:
    with tab(browser, served) as page:
        for name, address in house.items():
            page.emulate_media(color_scheme="light")
            page.goto(address, wait_until="load")
            unfold(page)
            for width in (PHONE, WINDOW):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is too wide"
            small = page.locator("select, input, textarea").evaluate_all(
                "all => all.filter(one => parseFloat(getComputedStyle(one).fontSize) < 16).map(one => one.outerHTML)"
            )
            assert small == [], f"{name}: a phone zooms in on fields below 16 px"
            assert page.locator("h1").count() == 1, name
            if name == "docs":  # of 3,700 elements 3,400 are alike: axe-core takes seconds to leave them out
                page.evaluate(f"({ALIKE})().forEach((one) => one.remove())")
            assert violations(page) == [], name
            if name in COLORED:
                page.set_viewport_size({"width": PHONE, "height": 800})
                page.emulate_media(color_scheme="dark")
                assert violations(page, "color-contrast", "target-size") == [], f"{name} in the dark"


@pytest.mark.usefixtures("live")
def test_a_book_becomes_a_training_without_javascript(browser: Browser, served: Served) -> None:
    with tab(browser, served, java_script_enabled=False, complains=True) as page:
        page.goto("/")
        unfold_sending(page)
        page.get_by_label("Or paste a text").fill(BOOK)
        page.get_by_label("Name", exact=True).fill("Reeds & rivers")
        page.get_by_role("button", name="Upload").click()
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
        page.get_by_role("link", name="Train again").click()
        expect(page.locator("#stream-epochs")).to_have_value("2")


def test_a_model_writes_without_javascript_and_the_page_reloads_itself(
    browser: Browser, served: Served, live: World
) -> None:
    model = live.model(name="Reeds")
    with tab(browser, served, java_script_enabled=False) as page:
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


def test_the_keyboard_reaches_everything(browser: Browser, served: Served, house: dict[str, str]) -> None:
    with tab(browser, served) as page:
        page.goto(house["write"])
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Model", exact=True)).to_be_focused()


def test_a_file_is_sent_from_the_page(browser: Browser, served: Served, live: World, tmp_path: Path) -> None:
    (tmp_path / "My book.txt").write_text(BOOK)
    with tab(browser, served) as page:
        page.goto("/")
        unfold_sending(page)
        page.get_by_label("A file").set_input_files(tmp_path / "My book.txt")
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(re.compile("corpus_id="))
        expect(page.locator(".text-card h3")).to_be_visible()
        assert live.get("/corpora").json["data"]


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("script", [True, False])
def test_a_text_that_is_refused_can_be_corrected_where_it_was_sent(
    browser: Browser, served: Served, tmp_path: Path, script: bool
) -> None:
    text = "Все счастливые семьи похожи друг на друга. " * 30
    (tmp_path / "family.txt").write_bytes(text.encode("koi8-r"))
    with tab(browser, served, java_script_enabled=script, complains=True) as page:
        page.goto("/")
        unfold_sending(page)
        page.get_by_label("A file").set_input_files(tmp_path / "family.txt")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("alert")).to_be_focused()
        expect(page.get_by_role("radio", name="koi8-r")).to_be_checked()
        expect(page.get_by_role("group", name="Which of these reads correctly?")).to_contain_text("Все счастливые")
        assert violations(page) == [] if script else True
        if script:
            assert page.url == f"{served.url}/"
            assert page.get_by_label("A file").evaluate("field => field.files.length") == 1, "it stays chosen"
        else:
            assert page.request.get(page.url).ok, "the address can be loaded"
            page.get_by_label("A file").set_input_files(tmp_path / "family.txt")
        page.get_by_role("radio", name="koi8-r").check()
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(re.compile("corpus_id="))
        expect(page.locator(".text-card")).to_contain_text("Все счастливые семьи")


def test_figures_of_a_recipe_follow_its_options(browser: Browser, served: Served, live: World) -> None:
    corpus_id = live.corpus()
    live.worker(speed=1)
    with tab(browser, served, complains=True) as page:
        page.goto(f"/?corpus_id={corpus_id}")
        form = page.locator('[data-recipe="stream"]')
        parameters = form.locator(".figures div", has_text="Parameters").locator("dd")
        before = parameters.inner_text()
        form.get_by_text("Options").click()
        expect(form.get_by_role("button", name="Estimate")).to_be_hidden()
        form.get_by_label("Hidden size").fill("512")
        expect(parameters).not_to_have_text(before)
        expect(form.get_by_label("Hidden size")).to_be_focused()
        form.get_by_label("Hidden size").fill("5120")
        expect(form.locator(".estimate")).to_contain_text("hidden_size is 5120, but must be at most 4096")
        assert live.get("/jobs").json["data"] == []


def test_a_text_is_counted_before_it_is_sent(browser: Browser, served: Served, tmp_path: Path) -> None:
    with tab(browser, served) as page:
        page.goto("/")
        unfold_sending(page)
        page.get_by_label("Or paste a text").fill("👩‍🚀" * 200)
        expect(page.get_by_text("600 characters; at least 1,000 are needed.")).to_be_visible()
        page.get_by_label("Or paste a text").fill("👩‍🚀" * 400)
        expect(page.get_by_text("1,200 characters.")).to_be_visible()
        large = tmp_path / "large.txt"
        with large.open("wb") as file:
            file.truncate(300_000_000)
        page.get_by_label("A file").set_input_files(large)
        expect(page.get_by_text("286.1 MiB; at most 256 MiB are allowed.")).to_be_visible()
