"""A real Chromium: what the tests of the pages ask of it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.web.serving import Served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
]
_AXE = Axe()
# Five seconds, which is the default, are too few on a machine that has other work.
expect.set_options(timeout=30_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it, or skip the test where there is none, except in CI."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium; CI has one.")
        pytest.skip("There is no Chromium here.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Tab:
    """One page of a browser of its own, and what it complains of."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.page: Page = browser.new_context(base_url=url, **options).new_page()
        #: Errors of the console, of scripts, and addresses elsewhere.
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._hear(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self._hear(str(error)))
        self.page.on("request", lambda sent: None if sent.url.startswith((url, "blob:")) else self._hear(sent.url))

    def _hear(self, complaint: str) -> None:
        self.complaints.append(complaint)


@contextmanager
def tab(browser: Browser, served: Served | str, *, complains: bool = False, **options: Any) -> Iterator[Page]:
    """Give an empty page; afterwards nothing may have been complained of, unless the test says that it `complains`."""
    one = Tab(browser, served if isinstance(served, str) else served.url, **options)
    try:
        yield one.page
        assert complains or one.complaints == []
    finally:
        one.page.context.close()


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page as it stands: the rule, how bad, and where."""
    options = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
    found = _AXE.run(page, options=options).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:150]}"
        for rule in found
        for node in rule["nodes"]
    ]


def unfold(page: Page) -> None:
    """Open everything that is folded away."""
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
