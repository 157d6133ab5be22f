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
#: Finds all elements of a page that differ from an earlier one in their text at most: in neither colors, font and
#: attributes, nor in what is in and around them. axe-core takes most of its time for the contrast of each.
ALIKE = """() => {
  const looks = new Map(), shapes = new Map(), seen = new Set(), alike = [];
  const look = (element) => {
    const { color, backgroundColor, fontSize, fontWeight, opacity } = getComputedStyle(element);
    const { width, height } = element.getBoundingClientRect();
    return [element.tagName, element.getAttribute("class"), element.getAttribute("style"), element.labels?.length,
      ...element.getAttributeNames(), color, backgroundColor, fontSize, fontWeight, opacity,
      width < 24, height < 24].join();
  };
  const measure = (element) => {
    looks.set(element, look(element));
    const inside = [...element.childNodes].map((node) =>
      node instanceof Element ? measure(node) : node instanceof Text && node.data.trim() ? "text" : "");
    shapes.set(element, `${looks.get(element)}(${inside.join("")})`);
    return shapes.get(element);
  };
  const visit = (element, path) => {
    for (const child of element.children) {
      const key = path + shapes.get(child);
      if (seen.has(key)) alike.push(child);
      else visit(child, `${path}${looks.get(child)}>`);
      seen.add(key);
    }
  };
  measure(document.body);
  visit(document.body, "");
  return alike;
}"""
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
        assert complains or not complaints, complaints
    finally:
        page.close()
        context.clear_cookies()


def violations(page: Page, *rules: str) -> list[str]:
    """Return what axe-core finds wrong with a page by these rules, or by all: the rule, how bad, and where.

    Of elements that are alike the first is checked. See `ALIKE`.
    """
    options: dict[str, object] = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    run = f"async (options) => (await axe.run({{ exclude: ({ALIKE})() }}, options)).violations"
    found = page.evaluate(run, options)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:150]}"
        for rule in found
        for node in rule["nodes"]
    ]


def unfold(page: Page) -> None:
    """Open what is folded away."""
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
