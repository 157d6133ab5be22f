"""A job's page in a real Chromium while the job goes on: by events, after a restart of the server, without a stream."""

import re
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import APIResponse, Browser, Route, expect

from shared.jobs.events import EventType
from tests.waiting import eventually
from tests.web.api.test_live import streaming
from tests.web.browsing import tab, violations
from tests.web.serving import ROOT, STREAMS, Served, serve
from tests.web.world import API, BOOK, World, settings_of

#: More than anything here takes.
PATIENCE_MS = 30_000


def text(delta: str, offset: int = 0, index: int = 0) -> tuple[EventType, dict[str, object]]:
    return EventType.TEXT, {"index": index, "offset": offset, "delta": delta}


def row(epoch: int) -> tuple[EventType, dict[str, float]]:
    loss = 3.0 / epoch
    return EventType.METRIC, {
        "step": 10 * epoch,
        "epoch": epoch,
        "seconds": 1.5 * epoch,
        "train_loss": loss,
        "validation_loss": loss + 0.25,
    }


@pytest.fixture
def writing(live: World) -> str:
    job_id: str = live.write(live.model().id, prompt="the").json["id"]
    return job_id


@pytest.fixture
def training(live: World) -> str:
    job_id: str = live.train(live.corpus(BOOK * 3)).json["id"]
    return job_id


def test_text_comes_as_it_is_written_and_nothing_is_loaded_anew(
    browser: Browser, served: Served, live: World, writing: str
) -> None:
    with tab(browser, served) as page:
        page.goto(f"/jobs/{writing}")
        page.evaluate("window.untouched = true")
        expect(page.get_by_role("status")).to_contain_text("no worker is running")
        live.worker()
        expect(page.get_by_role("status")).not_to_contain_text("no worker is running")
        claim = live.claim(writing)
        expect(page.get_by_role("status")).to_contain_text("Running")
        live.record(claim, text(" wind"))
        expect(page.locator(".written")).to_have_text("the wind")
        live.record(claim, text(" 👩‍", 5), text("🚀 flies", 8))
        expect(page.locator(".written")).to_have_text("the wind 👩‍🚀 flies")
        live.record(claim, text(" sang", 5), progress={"step": 10, "total_steps": 1000, "fraction": 0.01})
        expect(page.locator(".written")).to_have_text("the wind sang")
        expect(page.get_by_text("10 of 1,000")).to_be_visible()
        live.finish(
            claim,
            {
                "prompt": "the",
                "seed": 1,
                "outputs": [
                    {
                        "index": 0,
                        "text": " wind sang",
                        "finish_reason": "length",
                        "copied": {"longest": 5, "share": 0.5, "spans": [[0, 5]]},
                    }
                ],
            },
        )
        expect(page.get_by_role("status")).to_contain_text("Done")
        expect(page).to_have_title("Done · Writing: “the” · Charloom")
        expect(page.locator(".written mark")).to_have_text(" wind")
        assert page.evaluate("window.untouched"), "nothing was loaded anew"


def test_a_training_shows_its_figures_curve_and_samples_as_they_come(
    browser: Browser, served: Served, live: World, training: str
) -> None:
    with tab(browser, served) as page:
        page.goto(f"/jobs/{training}")
        expect(page.get_by_text("The first losses appear")).to_be_visible()
        claim = live.claim(training)
        live.record(claim, row(1))
        live.record(claim, row(2))
        expect(page.get_by_role("slider", name="Loss values")).to_be_visible()
        expect(page.locator(".plot polyline")).to_have_count(2)
        page.get_by_text("Table of losses").click()
        sample = {"step": 20, "epoch": 2, "text": "reeds and more", "prompt": "the ", "temperature": 0.7}
        live.record(claim, row(3), (EventType.SAMPLE, sample))
        expect(page.get_by_role("cell", name="1.000")).to_be_visible()
        expect(page.locator(".written")).to_have_text("the reeds and more")
        progress = {"step": 30, "total_steps": 60, "fraction": 0.5, "eta_seconds": 65.0, "chars_per_second": 1234.5}
        live.record(claim, progress=progress, losses={"train_loss": 1.0, "best_loss": 1.25, "best_epoch": 3})
        for words in ("30 of 60", "1 minute 5 seconds", "1.250 in epoch 3", "50 %"):
            expect(page.get_by_text(words, exact=True).first).to_be_visible()
        expect(page.locator(".plot circle.best")).to_have_count(1)
        expect(page.get_by_role("row")).to_have_count(4)  # the table was kept open
        assert violations(page) == []
        live.services.store.jobs.release(training, claim.token)
        again = live.claim(training)
        live.services.store.jobs.rewind(training, again.token, metrics=[row(1)[1]], samples=[])
        live.record(again, row(2), row(3), row(4))
        expect(page.get_by_role("status")).to_contain_text("attempt 2")
        expect(page.get_by_role("row")).to_have_count(5)  # what was measured again isn't shown twice


def test_figures_that_come_while_a_page_is_under_way_stay(
    browser: Browser, served: Served, live: World, training: str
) -> None:
    with tab(browser, served) as page:
        claim = live.claim(training)
        live.record(claim, row(1), row(2))
        page.goto(f"/jobs/{training}")
        page.get_by_text("Table of losses").click()
        expect(page.get_by_role("row")).to_have_count(3)
        under_way: list[tuple[Route, APIResponse]] = []

        def hold(route: Route) -> None:
            # The server answers at once, the browser gets it later; while it waits it asks for no other.
            if under_way:
                route.continue_()
            else:
                under_way.append((route, route.fetch()))

        page.route(f"**/jobs/{training}", hold)
        live.services.store.jobs.release(training, claim.token)
        again = live.claim(training)
        live.services.store.jobs.rewind(training, again.token, metrics=[row(1)[1]], samples=[])

        def asked() -> bool:
            page.wait_for_timeout(20)
            return bool(under_way)

        eventually(asked, "the page is asked for")
        live.record(again, row(2), row(3), row(4))
        expect(page.get_by_role("row")).to_have_count(5)
        route, answer = under_way[0]
        assert answer.text().count("<tr>") == 1  # that of the one measurement that the second attempt began with
        route.fulfill(response=answer)
        expect(page.get_by_role("status")).to_contain_text("attempt 2")
        expect(page.get_by_role("row")).to_have_count(5)


def test_a_page_goes_on_after_the_web_server_has_restarted(browser: Browser, redis_url: str, tmp_path: Path) -> None:
    with ExitStack() as first_life:
        first = first_life.enter_context(serve(redis_url, tmp_path))
        world = World(settings_of(redis_url, first.data_dir))
        job_id = world.write(world.model().id, prompt="the").json["id"]
        with tab(browser, first, complains=True) as page:
            page.goto(f"/jobs/{job_id}")
            page.evaluate("window.untouched = true")
            claim = world.claim(job_id)
            world.record(claim, text(" wind"))
            expect(page.locator(".written")).to_have_text("the wind")
            first.terminate()
            expect(page.get_by_text("can’t be reached")).to_be_visible(timeout=PATIENCE_MS)
            world.record(claim, text(" sang", 5))
            with serve(redis_url, tmp_path, CHARLOOM_PORT=str(first.port)):
                expect(page.locator(".written")).to_have_text("the wind sang", timeout=PATIENCE_MS)
                expect(page.get_by_text("can’t be reached")).to_be_hidden()
                world.finish(claim, {"prompt": "the", "seed": 1, "outputs": []})
                expect(page.get_by_role("status")).to_contain_text("Done", timeout=PATIENCE_MS)
                assert page.evaluate("window.untouched"), "nothing was loaded anew"
        world.close()


def test_a_page_that_gets_no_stream_asks_instead(browser: Browser, served: Served, live: World, writing: str) -> None:
    other = live.write(live.model().id, prompt="the").json["id"]
    with ExitStack() as held, tab(browser, served, complains=True) as page:
        for _ in range(STREAMS):
            held.enter_context(streaming(served, other))
        with page.expect_response(re.compile("/events")) as refused:
            page.goto(f"/jobs/{writing}")
        assert refused.value.status == 503
        claim = live.claim(writing)
        live.record(claim, text(" wind"), text(" sang", 5))
        expect(page.locator(".written")).to_have_text("the wind sang", timeout=PATIENCE_MS)
        live.finish(claim, {"prompt": "the", "seed": 1, "outputs": []})
        expect(page.get_by_role("status")).to_contain_text("Done", timeout=PATIENCE_MS)
    # The server notices at the next ping that they were left; until then other tests' pages would get no stream.
    eventually(
        lambda: "\ncharloom_streams_open 0.0\n" in httpx.get(f"{served.url}/metrics").text, "all streams are given back"
    )


def test_two_tabs_show_the_same_and_one_stops_the_job(
    browser: Browser, served: Served, live: World, writing: str
) -> None:
    with tab(browser, served) as one, tab(browser, served) as other:
        for page in (one, other):
            page.goto(f"/jobs/{writing}")
        claim = live.claim(writing)
        live.record(claim, text(" wind"))
        for page in (one, other):
            expect(page.locator(".written")).to_have_text("the wind")
        other.evaluate("window.untouched = true")
        other.get_by_role("button", name="Stop").click()
        for page in (one, other):
            expect(page.get_by_role("status")).to_contain_text("Being cancelled")
            expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        assert other.evaluate("window.untouched"), "stopping loads nothing anew"
        assert live.get(f"/jobs/{writing}").json["status"] == "cancelling"


@pytest.mark.usefixtures("live")
def test_a_page_lets_go_of_its_stream_once_the_job_has_ended(browser: Browser, served: Served, writing: str) -> None:
    with tab(browser, served) as page:
        page.goto(f"/jobs/{writing}")
        expect(page.get_by_role("status")).to_contain_text("Waiting")
        httpx.post(f"{served.url}{API}/jobs/{writing}/cancel")
        expect(page.get_by_role("status")).to_contain_text("Cancelled")
        expect(page.locator("[data-job]")).to_have_attribute("data-ended", "")


def test_the_documented_lines_follow_a_job_over_a_proxys_502(
    browser: Browser, served: Served, live: World, training: str
) -> None:
    documented = (ROOT / "docs" / "api.md").read_text().partition("```js\n")[2].partition("```")[0]
    claim = live.claim(training)
    live.record(claim, row(1))
    refusals = iter(range(2))

    def answer(route: Route) -> None:
        if next(refusals, None) is None:
            route.continue_()
        else:
            route.fulfill(status=502, body="Bad Gateway")

    with tab(browser, served, complains=True) as page:
        page.goto("/jobs")
        page.route(re.compile("/events"), answer)
        page.evaluate(
            f"{documented}; window.seen = []; follow('{API}/jobs/{training}/events', (...one) => seen.push(one))"
        )
        eventually(lambda: page.evaluate("seen.some(([type]) => type === 'metric')"), "the first loss is seen")
        live.record(claim, row(2))
        live.finish(claim, {"model_id": claim.job.model_id, "stop_reason": "completed"})
        eventually(lambda: page.evaluate("seen.some(([type]) => type === 'done')"), "the end is seen")
        assert page.evaluate("seen.filter(([type]) => type === 'metric').map(([, data]) => data.epoch)") == [1, 2]
    assert next(refusals, None) is None
