"""Make pictures of every page, wide and narrow, light and dark: `python -m scripts.pictures OUT`.

A whole service is started on an empty data directory, trains on the sample for half a minute and writes; each page is
then opened in Chromium. Nothing on the pictures is made up.
"""

import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize

from charloom import Charloom, Job
from tests.waiting import eventually
from tests.web.browsing import chromium

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "shared" / "sample.txt"
#: Widths of a desk's screen and of a telephone's, px.
WIDTHS = {"wide": 1280, "narrow": 390}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
README_SIZE: ViewportSize = {"width": 1180, "height": 940}
#: Longest time that the examination of a text takes to begin and end.
PATIENCE_MS = 120_000
PROMPT = "There was a "


@contextmanager
def service() -> Iterator[str]:
    """Start a whole Charloom on an empty data directory; give its address and end it."""
    with tempfile.TemporaryDirectory(prefix="charloom-pictures-") as folder:
        log = Path(folder) / "up.log"
        words = [sys.executable, "-m", "cli.main", "up", "--data", f"{folder}/data", "--port", "0"]
        with log.open("wb") as output:
            process = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)

        def address() -> str:
            if process.poll() is not None:
                sys.exit(log.read_text())
            found = re.search(r"Open (http://\S+) in a browser", log.read_text())
            return found[1] if found else ""

        try:
            yield eventually(address, "the service is up")
        finally:
            process.terminate()
            process.wait()


def furnish(charloom: Charloom) -> Mapping[str, str]:
    """Train, write, and leave a training running. Return the address of each page, by the picture's name."""
    corpus = charloom.corpora.add(SAMPLE, name="The Loom at Thrum Mill")
    corpus = charloom.corpora.patch(corpus, metadata={"language": "en"})
    text = charloom.corpora.text(corpus)
    troubled = charloom.corpora.add_text(_troubled(text), name="The Loom, as an archive has it")
    cleaning = _ended(charloom, charloom.corpora.clean(troubled))
    words = sorted(set(re.findall(r"[A-Za-z]{4,}", text)))
    listed = charloom.corpora.add_text("\n".join(words), name="Words of the mill")
    first = _ended(charloom, charloom.train(corpus, epochs=14, seed=1, name="The Loom at Thrum Mill"))
    narrow = _ended(charloom, charloom.train(corpus, epochs=14, seed=1, hidden_size=64, name="A narrow loom"))
    more = _ended(
        charloom, charloom.train(corpus, init_from=first.model_id, epochs=4, seed=2, name="The Loom, taught more")
    )
    models = [job.model_id for job in (first, narrow, more)]
    written = [
        _ended(charloom, charloom.generate(model_id, prompt=PROMPT, length=300, temperature=0.6, seed=7))
        for model_id in models
        if model_id
    ]
    variants = _ended(
        charloom, charloom.generate(first.model_id or "", prompt=PROMPT, length=500, temperature=0.6, n=2, seed=3)
    )
    cancelled = charloom.train(corpus, epochs=1000, name="A mistake")
    charloom.jobs.cancel(cancelled)
    running = charloom.train(corpus, epochs=600, patience=0, hidden_size=192, name="A long evening")
    charloom.train(corpus, recipe="classic", name="As the document has it")
    eventually(lambda: (charloom.jobs.get(running).progress.epoch or 0) >= 3, "the long training is under way")
    ids = ",".join(one for one in models if one)
    return {
        "train": f"/?corpus_id={corpus.id}",
        "train-list": f"/?corpus_id={listed.id}",
        "texts": "/texts",
        "text": f"/texts/{corpus.id}",
        "findings": f"/texts/{troubled.id}",
        "cleaned": f"/texts/{troubled.id}/findings?job={cleaning.id}",
        "list": f"/texts/{listed.id}",
        "training": f"/jobs/{first.id}",
        "running": f"/jobs/{running.id}",
        "write": f"/write?job={variants.id}",
        "writing": f"/jobs/{variants.id}",
        "jobs": "/jobs",
        "models": "/models",
        "model": f"/models/{more.model_id}",
        "compare": f"/models/compare?ids={ids}&jobs={','.join(job.id for job in written)}",
        "workers": "/workers",
        "docs": "/api/docs",
        "missing": "/jobs/none",
    }


def _troubled(text: str) -> str:
    """Return a text as archives have it: wrapped, with page numbers and a licence, some letters misread."""
    paragraphs = [textwrap.fill(one, 68) if len(one) > 100 else one for one in text.split("\n\n")]
    for number in range(12, len(paragraphs), 12):
        paragraphs[number] += f" [Pg {number // 12}]"
    licence = "*** END OF THE PROJECT GUTENBERG EBOOK THE LOOM ***\n\nStart: full license\n"
    return "\n\n".join([*paragraphs, licence]).replace("'s", "â€™s", 30)


def take(browser: Browser, url: str, pages: Mapping[str, str], out: Path) -> None:
    """Take a picture of each page at each width in each scheme."""
    for scheme in SCHEMES:
        for size, width in WIDTHS.items():
            context = browser.new_context(
                base_url=url, color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
            )
            page = context.new_page()
            for name, address in pages.items():
                page.goto(address)
                _settle(page)
                page.screenshot(path=out / f"{name}-{size}-{scheme}.png", full_page=True)
            context.close()


def take_for_readme(browser: Browser, url: str, pages: Mapping[str, str], out: Path) -> None:
    """Take the pictures that README.md shows: a training and a text's findings, in light, and a writing, in dark."""
    shots: tuple[tuple[str, Literal["light", "dark"], str], ...] = (
        ("page", "light", "training"),
        ("write", "dark", "write"),
        ("text", "light", "findings"),
    )
    for name, scheme, shown in shots:
        page = browser.new_context(base_url=url, color_scheme=scheme, viewport=README_SIZE).new_page()
        page.goto(pages[shown])
        _settle(page)
        if shown == "training":
            page.get_by_role("slider").hover(position={"x": 420, "y": 120})
        page.screenshot(path=out / f"readme-{name}.png")
        page.context.close()


def _settle(page: Page) -> None:
    """Wait until scripts have drawn what they draw."""
    if page.locator("[data-losses]").count():
        page.locator(".plot polyline").first.wait_for()
    if page.locator("[data-findings]").count():
        page.locator("#findings form").or_(page.get_by_text("Nothing is odd")).first.wait_for(timeout=PATIENCE_MS)
    if page.locator("[data-show]").count():
        page.locator(".work .written").first.wait_for()


def _ended(charloom: Charloom, job: Job) -> Job:
    return charloom.jobs.wait(job).check()


def main(out: Path) -> None:
    """Make the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with service() as url, Charloom(url) as charloom, chromium() as browser:
        print("Training and writing, about a minute ...", flush=True)
        pages = furnish(charloom)
        take(browser, url, pages, out)
        take_for_readme(browser, url, pages, out)
    print(f"{len(list(out.glob('*.png')))} pictures in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
