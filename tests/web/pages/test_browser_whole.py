"""The whole way in a real Chromium, nothing played: a book is sent and cleaned, a worker trains, the model writes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, Page, expect

from shared.jobs.record import Status
from tests.preloaded_process import SLOW_CHECKPOINT_SECONDS
from tests.web.browsing import tab
from tests.web.serving import serve
from tests.worker.cluster import ROOT, Cluster
from tests.worker.extraction.makers import epub

#: A training takes some seconds on a busy machine, a restart of the server some more.
PATIENCE_MS = 90_000


@pytest.fixture
def cluster(valkey: str, tmp_path: Path) -> Iterator[Cluster]:
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    cluster = Cluster.make(valkey, tmp_path / "data", tmp_path, train_threads="1")
    yield cluster
    cluster.store.close()


def licensed_book() -> bytes:
    """Make an EPUB of the sample with a licence at its end."""
    paragraphs = (ROOT / "shared" / "sample.txt").read_text().split("\n\n")
    end = ["*** END OF THE PROJECT GUTENBERG EBOOK THE LOOM ***", "This licence is <i>long</i>. " * 40]
    return epub({"one": "".join(f"<p>{one}</p>" for one in (*paragraphs, *end))})


def clean_on_a_telephone(page: Page) -> None:
    """Clean the chosen text by one click on its page, look at what changed, and choose the new one."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_role("link", name="The Loom", exact=True).click()
    panel = page.locator("#findings")
    expect(panel.locator("summary").first).to_contain_text("Licence", timeout=PATIENCE_MS)
    panel.get_by_role("button", name="Fix what is advised").click()
    cleaning = page.get_by_role("region", name="Cleaning")
    expect(cleaning).to_contain_text("characters became", timeout=PATIENCE_MS)
    cleaning.get_by_text("licence: 1 change").click()
    expect(cleaning.locator("del").first).to_contain_text("END OF THE PROJECT GUTENBERG")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    cleaning.get_by_role("link", name="The Loom, cleaned").click()
    expect(page.locator("#findings")).to_contain_text("How it was cleaned", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Train on this text").click()
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_book_becomes_a_model_that_writes_though_the_server_restarts(
    browser: Browser, cluster: Cluster, valkey: str, tmp_path: Path
) -> None:
    book = tmp_path / "The Loom.epub"
    book.write_bytes(licensed_book())
    with cluster.worker(), serve(valkey, tmp_path) as first, tab(browser, first, complains=True) as page:
        page.goto("/")
        page.get_by_label("A file").set_input_files(book)
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(re.compile(r"/\?corpus_id=.*#recipes"), timeout=PATIENCE_MS)
        clean_on_a_telephone(page)
        expect(page.get_by_role("heading", name="The Loom, cleaned")).to_be_visible()
        form = page.locator('[data-recipe="stream"]')
        expect(form.locator(".estimate")).to_contain_text("Parameters")
        form.get_by_text("Options").click()
        for name, value in {
            "Hidden size": "32",
            "Epochs": "4",
            "Sample length": "20",
            "Patience": "0",
            "Seconds between saves": str(SLOW_CHECKPOINT_SECONDS),
        }.items():
            form.get_by_label(name, exact=True).fill(value)
        form.get_by_role("button", name="Train with stream").click()
        expect(page.get_by_role("status")).to_contain_text("Running", timeout=PATIENCE_MS)
        page.evaluate("window.untouched = true")
        expect(page.locator(".plot polyline")).to_have_count(2, timeout=PATIENCE_MS)
        expect(page.locator(".written").first).to_be_visible(timeout=PATIENCE_MS)
        first.terminate()
        with serve(valkey, tmp_path, CHARLOOM_PORT=str(first.port)):
            expect(page.locator('[data-part="state"]')).to_contain_text("Done", timeout=PATIENCE_MS)
            assert page.evaluate("window.untouched"), "nothing was loaded anew"
            job = cluster.store.jobs.get(page.url.rpartition("/")[2])
            assert job.status is Status.SUCCEEDED
            page.get_by_text("Table of losses").click()
            measured = len(cluster.store.jobs.metrics(job.id))
            expect(page.locator("tbody tr")).to_have_count(measured)
            expect(page.get_by_text(f"in epoch {job.metrics.best_epoch}")).to_be_visible()
            page.get_by_role("link", name="Write with it").click()
            page.get_by_label("Prompt").fill("The weaver ☃")
            page.get_by_role("button", name="Remove them").click()
            page.get_by_label("Length").fill("300")
            page.get_by_role("button", name="Write", exact=True).click()
            page.wait_for_url(re.compile("job=job_"))
            expect(page.get_by_role("status").first).to_contain_text("Done", timeout=PATIENCE_MS)
            expect(page.locator("figcaption")).to_contain_text("Ended at the requested length")
            writing = cluster.store.jobs.get(page.url.rpartition("=")[2])
            assert writing.result
            expect(page.locator(".written")).to_have_text("The weaver " + writing.result["outputs"][0]["text"])


def test_the_keyboard_alone_trains_cancels_and_goes_on(
    browser: Browser, cluster: Cluster, valkey: str, tmp_path: Path
) -> None:
    corpus = cluster.corpus(ROOT / "shared" / "sample.txt")
    with cluster.worker(), serve(valkey, tmp_path) as served, tab(browser, served) as page:

        def reach(words: str) -> None:
            """Press Tab until what has these words, or is labelled so, has the focus."""
            for _ in range(80):
                page.keyboard.press("Tab")
                said = page.evaluate(
                    "(e => (e.labels?.[0] || e).textContent.trim() || e.getAttribute('aria-label'))"
                    "(document.activeElement)"
                )
                if said == words:
                    return
            raise AssertionError(f"Tab never reaches {words!r}")

        page.goto(f"/?corpus_id={corpus.id}")
        reach("Options")
        page.keyboard.press("Enter")
        reach("Epochs")
        page.keyboard.type("5000")
        reach("Patience")
        page.keyboard.type("0")
        reach("Train with stream")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/jobs/job_"))
        job_id = page.url.rpartition("/")[2]
        cluster.running(job_id, step=5)
        reach("Cancel")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Cancelled", timeout=PATIENCE_MS)
        focused = page.evaluate("document.activeElement.textContent.trim()")
        assert focused in ("Resume", "Train again"), "the focus stays where the button was"
        page.get_by_role("button", name="Resume").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: job_id not in url)
        expect(page.get_by_role("link", name=job_id)).to_be_visible()
        cluster.running(page.url.rpartition("/")[2])
        page.get_by_role("button", name="Cancel").press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Cancelled", timeout=PATIENCE_MS)
