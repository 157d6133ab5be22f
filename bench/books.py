"""What arrives of public texts that are sent as books and documents, by the command line and by the page.

What: each TEXT, converted by pandoc (EPUB, HTML, DOCX, ODT, FB2, RTF, Markdown), Chromium (PDF, with page numbers and a
running head) and Python (subtitles, .gz, .zip), goes through `charloom train FILE`, and through the page in Chromium
as far as the recipes' estimates. Then the words of the text that arrived in order, and those that are too many: title
and author, page numbers, heads.
Peer: the text itself.
Bar: 99.5 % of the words.

    python -m bench.books TEXT [TEXT ...] [--chars 100000]
"""

import argparse
import gzip
import html
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, expect

from bench.common import Row, report
from bench.suite import existing_file
from charloom import Charloom
from scripts.pictures import ROOT, service
from shared.text.vocabulary import normalise
from tests.web.browsing import chromium

#: Share of the words that are to arrive, and characters of a chapter.
LEAST, CHAPTER = 0.995, 20_000
#: Seconds between two lines of subtitles.
PAUSE_S = 2
PATIENCE_MS = 300_000
#: Options of the trainings.
SHORT = ("--hidden-size", "32", "--init-from", "random", "--max-seconds", "1", "--sample-chars", "0")
#: pandoc's name of each format that it makes from the web page.
PANDOC = {"epub": "epub", "docx": "docx", "odt": "odt", "fb2": "fb2", "rtf": "rtf", "md": "commonmark"}


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What of a text's words arrived."""

    found: float
    added: int
    seconds: float

    def __str__(self) -> str:
        return f"{100 * self.found:.2f} %, {self.added} added, {self.seconds:.1f} s"


def paragraphs_of(text: str) -> list[str]:
    """Return the paragraphs of a text, their lines as they are."""
    return [part for part in re.split(r"\n\s*\n", text) if part.strip()]


def files_of(text: str, title: str, folder: Path, browser: Browser) -> Mapping[str, Path]:
    """Make a file of each format of a text. Lines stay: the texts have verse."""
    paragraphs = paragraphs_of(text)
    body = "".join(f"<p>{html.escape(one).replace(chr(10), '<br>')}</p>\n" for one in paragraphs)
    page = folder / "book.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><body>\n{body}")
    made = {"html": page}
    for suffix, name in PANDOC.items():
        made[suffix] = folder / f"book.{suffix}"
        words = ("pandoc", "-f", "html", "-t", name, "-s", "-o", made[suffix], page)
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    made["pdf"] = folder / "book.pdf"
    sheet = browser.new_page()
    sheet.goto(page.as_uri())
    sheet.pdf(
        path=made["pdf"],
        format="A5",
        display_header_footer=True,
        header_template=f'<span style="font-size:9px;margin:auto">{html.escape(title.upper())}</span>',
        footer_template='<span style="font-size:9px;margin:auto" class="pageNumber"></span>',
        margin={"top": "60px", "bottom": "60px", "left": "50px", "right": "50px"},
    )
    sheet.close()
    lines = [line for line in text.splitlines() if line.strip()]
    cues = [
        f"{number}\n{_clock(PAUSE_S * number)} --> {_clock(PAUSE_S * number + 1)}\n{line}\n"
        for number, line in enumerate(lines)
    ]
    for suffix, head in (("srt", ""), ("vtt", "WEBVTT\n\n")):
        made[suffix] = folder / f"book.{suffix}"
        made[suffix].write_text(head + "\n".join(cues).replace(",000", ".000" if head else ",000"))
    made["txt.gz"] = folder / "book.txt.gz"
    made["txt.gz"].write_bytes(gzip.compress(text.encode()))
    made["zip"] = folder / "book.zip"
    with zipfile.ZipFile(made["zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        for number, chapter in enumerate(_chapters(paragraphs), 1):
            archive.writestr(f"chapter {number}.txt", chapter)
    return made


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},000"


def _chapters(paragraphs: list[str]) -> list[str]:
    chapters = [""]
    for one in paragraphs:
        if len(chapters[-1]) > CHAPTER:
            chapters.append("")
        chapters[-1] += one + "\n\n"
    return chapters


def arrived(sent: str, found: str, seconds: float) -> Arrived:
    """Compare the words of two texts by `diff`."""
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / which for which in "ab"]
        for path, text in zip(paths, (sent, found), strict=True):
            path.write_text("\n".join(text.split()) + "\n")
        lines = subprocess.run(("diff", *paths), capture_output=True, text=True, check=False).stdout.splitlines()
    lost, added = (sum(line.startswith(mark) for line in lines) for mark in "<>")
    return Arrived(found=1 - lost / len(sent.split()), added=added, seconds=seconds)


def by_cli(path: Path, url: str) -> str:
    """Send a file by `charloom train`, for a second of training; return the corpus' id."""
    words = (sys.executable, "-m", "cli.main", "train", str(path), "--json", *SHORT)
    environment = {**os.environ, "CHARLOOM_URL": url}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{path.name}: {done.stderr}")
    with Charloom(url) as client:
        job = client.jobs.wait(json.loads(done.stdout)["id"], timeout_s=PATIENCE_MS / 1000).check()
        return str(job.params["corpus_id"])


def by_page(browser: Browser, path: Path, url: str) -> str:
    """Send a file on the page; return the id of the text that it ends at, with its estimates."""
    page = browser.new_page(base_url=url)
    page.goto("/")
    if not page.get_by_label("A file").is_visible():
        page.get_by_text("Upload").first.click()
    page.get_by_label("A file").set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile(r"corpus_id="), timeout=PATIENCE_MS)
    expect(page.locator(".estimate").first).to_contain_text("Parameters", timeout=PATIENCE_MS)
    found = re.search(r"corpus_id=(\w+)", page.url)
    page.close()
    assert found is not None
    return found[1]


def main() -> None:
    """Send all; show each as it arrives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=existing_file, nargs="+", metavar="TEXT", help="UTF-8 texts")
    parser.add_argument("--chars", type=int, default=100_000, help="characters of each, at most")
    given = parser.parse_args()
    found: dict[str, list[float]] = {}
    with service() as url, Charloom(url) as client, chromium() as browser, tempfile.TemporaryDirectory() as name:
        for source in given.texts:
            text = normalise(source.read_text(encoding="utf-8-sig"), lowercase=False)[: given.chars]
            (folder := Path(name) / source.stem).mkdir()
            for suffix, path in files_of(text, source.stem, folder, browser).items():
                ways: dict[str, Callable[[], str]] = {
                    "command line": partial(by_cli, path, url),
                    "page": partial(by_page, browser, path, url),
                }
                for way, send in ways.items():
                    began = time.monotonic()
                    corpus = client.corpora.get(send())
                    result = arrived(text, client.corpora.text(corpus), time.monotonic() - began)
                    print(f"  {source.stem}, {suffix}, by the {way}: {result}", flush=True)
                    found.setdefault(f"{suffix}, by the {way}", []).append(result.found)
                    client.corpora.delete(corpus)  # or the same file is answered with it at once
    rows = [
        Row(
            what=f"{what}, the least of {len(shares)}",
            unit="% of the words",
            ours=100 * min(shares),
            peer=100.0,
            ratio=min(shares),
            least_ratio=LEAST,
            must=True,
        )
        for what, shares in found.items()
    ]
    report(bench="books", rows=rows, texts=[path.name for path in given.texts], characters=given.chars)


if __name__ == "__main__":
    main()
