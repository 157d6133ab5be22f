"""A real Chromium: what the tests of the pages ask of it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.web.serving import Served

#: Chromium without windows, which spends a quarter of the processor's time, or whichever there is.
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
]
# Five seconds, which is the default, are too few on a machine that has other work.
expect.set_options(timeout=30_000)
#: The contexts of the running Chromium by their address and whether they run scripts. See `_context`.
_contexts: dict[tuple[str, bool], BrowserContext] = {}


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
        _contexts.clear()
        browser.close()


def _context(browser: Browser, url: str, scripts: bool) -> BrowserContext:
    """Return the context of an address, made for its first page.

    Each context opens a window of its own in a Chromium that has windows: 1.5 s of processor time. It closes with its
    last page, hence the empty one.
    """
    key = url, scripts
    if key not in _contexts:
        _contexts[key] = browser.new_context(base_url=url, java_script_enabled=scripts)
        _contexts[key].new_page()
    return _contexts[key]


@contextmanager
def tab(
    browser: Browser,
    served: Served | str,
    *,
    complains: bool = False,
    java_script_enabled: bool = True,
    color_scheme: Literal["light", "dark"] = "light",
    viewport: ViewportSize | None = None,
) -> Iterator[Page]:
    """Give an empty page without cookies; the web pages keep nothing else in a browser.

    Afterwards there may be no errors of the console or of scripts and no requests to other addresses, unless the test
    says that the page `complains`.
    """
    url = served if isinstance(served, str) else served.url
    context = _context(browser, url, java_script_enabled)
    page = context.new_page()
    page.emulate_media(color_scheme=color_scheme)
    if viewport is not None:
        page.set_viewport_size(viewport)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith((url, "blob:")) else complaints.append(sent.url))
    try:
        yield page
        assert complains or complaints == []
    finally:
        page.close()
        context.clear_cookies()


def violations(page: Page, *rules: str, apart_from: str = "") -> list[str]:
    """Return what axe-core finds wrong with a page by these rules, or by all: the rule, how bad, and where.

    Args:
        page: the page as it is.
        rules: their ids.
        apart_from: a selector of elements that are not checked.
    """
    options: dict[str, object] = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    context = {"exclude": [apart_from] if apart_from else []}
    found = page.evaluate("async (given) => (await axe.run(...given)).violations", [context, options])
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:150]}"
        for rule in found
        for node in rule["nodes"]
    ]


def unfold(page: Page) -> None:
    """Open what is folded away."""
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
