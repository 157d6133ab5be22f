"""Signing in with a real Chromium: sign in, send something, follow it live, sign out."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.jobs.events import EventType
from tests.web.browsing import tab, violations
from tests.web.locked import ANNA, WRONG, locked_world
from tests.web.serving import Served, serve
from tests.web.world import World


@pytest.fixture(scope="module")
def locked_server(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(valkey, tmp_path_factory.mktemp("locked"), CHARLOOM_API_KEYS=f"anna:{ANNA}") as served:
        yield served


@pytest.fixture
def behind(locked_server: Served, redis_url: str) -> Iterator[World]:
    """Give the world behind the locked server."""
    world = locked_world(redis_url, locked_server.data_dir)
    yield world
    world.close()


def sign_in(page: Page) -> None:
    page.get_by_label("Key").fill(ANNA)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("javascript", [True, False])
def test_one_signs_in_sends_something_and_signs_out(
    browser: Browser, locked_server: Served, behind: World, javascript: bool
) -> None:
    model = behind.model(name="Reeds")
    with tab(browser, locked_server, complains=True, java_script_enabled=javascript) as page:
        # Given: somebody who wants a certain page and types a wrong key first
        page.goto(f"/write?model_id={model.id}")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.get_by_label("Key").fill(WRONG)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("This key doesn’t open").or_(page.get_by_text("This key doesn't open"))).to_be_visible()
        # When: the right one
        sign_in(page)
        # Then: that page, and it works
        page.wait_for_url(re.compile(r"/write\?model_id="))
        page.get_by_label("Prompt").fill("The wind")
        page.get_by_role("button", name="Write").click()
        page.wait_for_url(re.compile("job_"))
        claim = behind.claim(page.url[page.url.index("job_") :])
        behind.record(claim, (EventType.TEXT, {"index": 0, "offset": 0, "delta": " was in"}))
        expect(page.locator(".written")).to_have_text("the wind was in", timeout=30_000)
        output = {"index": 0, "text": " was in the reeds", "finish_reason": "length", "copied": None}
        behind.finish(claim, {"prompt": "the wind", "seed": 1, "outputs": [output]})
        expect(page.get_by_role("status")).to_contain_text("Done", timeout=30_000)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.goto("/jobs")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.go_back()
        assert ANNA not in page.content()


@pytest.mark.usefixtures("behind")
def test_scripts_of_the_page_call_the_api_by_the_session(browser: Browser, locked_server: Served) -> None:
    with tab(browser, locked_server, complains=True) as page:
        page.goto("/jobs")
        sign_in(page)
        page.wait_for_url(re.compile("/jobs$"))
        statuses = page.evaluate(
            """async () => [
              (await fetch("/api/v1/jobs")).status,
              (await fetch("/api/v1/generate-jobs", {method: "POST", body: "{}",
                headers: {"Content-Type": "application/json"}})).status,
              document.cookie,
            ]"""
        )
        assert statuses == [200, 422, ""], "read, written, and no cookie within reach of a script"


def test_a_live_page_asks_for_the_key_again_once_its_session_is_over(
    browser: Browser, locked_server: Served, behind: World
) -> None:
    behind.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {ANNA}"
    job_id = behind.train(behind.corpus()).json["id"]
    with tab(browser, locked_server, complains=True) as page:
        # Given: a training's page in one tab, and in another one signs out
        page.goto(f"/jobs/{job_id}")
        sign_in(page)
        expect(page.get_by_role("status")).to_contain_text("Waiting")
        other = page.context.new_page()
        other.goto("/workers")
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
        other.close()
        # When: something happens to the training
        behind.claim(job_id)
        # Then
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=30_000)
        sign_in(page)
        page.wait_for_url(re.compile(f"/jobs/{job_id}$"))
        expect(page.get_by_role("status")).to_contain_text("Running")


@pytest.mark.usefixtures("behind")
def test_a_page_elsewhere_can_do_nothing_with_the_session(browser: Browser, locked_server: Served) -> None:
    with tab(browser, locked_server, complains=True) as page:
        page.goto("/jobs")
        sign_in(page)
        page.wait_for_url(re.compile("/jobs$"))
        # The same machine by its other name is another site, as evil.example would be.
        page.route("http://localhost:1/**", lambda route: route.fulfill(body="<title>elsewhere</title>"))
        page.goto("http://localhost:1/")
        refused = page.evaluate(
            """async (base) => {
              const tries = [
                fetch(base + "/api/v1/jobs", {credentials: "include"}),
                fetch(base + "/api/v1/generate-jobs", {method: "POST", credentials: "include", mode: "cors", body: "{}",
                  headers: {"Content-Type": "application/json"}}),
                fetch(base + "/logout", {method: "POST", credentials: "include"}),
              ];
              return (await Promise.allSettled(tries)).map((one) => one.status);
            }""",
            locked_server.url,
        )
        assert refused == ["rejected"] * 3
        page.goto(f"{locked_server.url}/jobs")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_signing_in_and_out_fits_and_can_be_read(
    browser: Browser, locked_server: Served, width: int, scheme: Literal["light", "dark"]
) -> None:
    with tab(browser, locked_server, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        page.goto("/jobs")
        for _ in ("the way in", "the way out"):
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert violations(page) == []
            if page.get_by_label("Key").is_visible():
                sign_in(page)
                page.wait_for_url(re.compile("/jobs$"))
