"""The writing page in a real Chromium: marks before sending, text next to the form, stop, seeds, and every script."""

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from shared.jobs.events import EventType
from tests.web.api.test_items import LIST, finish_list
from tests.web.browsing import tab, violations
from tests.web.serving import Served
from tests.web.world import BOOK, World

KOREAN = "옛날 어느 마을에 베 짜는 사람이 살았다.\n"
#: A woman astronaut is three code points, one of them the zero-width joiner; the flag of Korea is two.
EMOJI = "👩‍🚀 flew 🇰🇷 home.\n"
HEBREW = "בראשית ברא אלהים את השמים ואת הארץ\n"


def job_of(page: Page) -> str:
    """Wait until the page shows another job, and return its id."""
    page.wait_for_url(re.compile(r"/write\?job=job_"))
    return page.url.rpartition("=")[2]


def text(delta: str, index: int = 0, offset: int = 0) -> tuple[EventType, dict[str, object]]:
    return EventType.TEXT, {"index": index, "offset": offset, "delta": delta}


def test_unknown_characters_are_marked_before_anything_is_sent(browser: Browser, served: Served, live: World) -> None:
    live.model(text=BOOK + "é")
    with tab(browser, served) as page:
        page.goto("/write")
        prompt = page.get_by_label("Prompt")
        prompt.fill("The ☃☃ wind 👩‍🚀 e\u0301")  # é in its other Unicode form is known
        expect(page.locator(".behind mark")).to_have_text(["☃☃", "👩‍🚀"])
        notice = page.locator(".problem")
        expect(notice).to_contain_text("never saw ☃ (U+2603), 👩 (U+1F469), U+200D, 🚀 (U+1F680).")
        expect(page.locator(".count")).to_have_text("18 characters, read in lower case like the model’s text")
        assert violations(page) == []
        page.get_by_text("More options").click()
        page.get_by_label("Unknown characters").select_option("drop")
        expect(notice).to_contain_text("They will be removed.")
        page.get_by_label("Unknown characters").select_option("")
        page.get_by_role("button", name="Remove them").click()
        expect(prompt).to_have_value("The  wind  e\u0301")
        expect(notice).to_be_empty()


def test_a_server_that_was_away_is_asked_again_what_a_model_knows(
    browser: Browser, served: Served, live: World
) -> None:
    live.model()
    with tab(browser, served, complains=True) as page:
        page.route("**/api/v1/models/*", lambda route: route.abort(), times=1)
        page.goto("/write")
        page.get_by_label("Prompt").fill("The ☃ wind")
        expect(page.locator(".behind mark")).to_have_text(["☃"])


def test_a_prompt_is_typed_on_while_the_scripts_load(browser: Browser, served: Served, live: World) -> None:
    live.model()
    with tab(browser, served) as page:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/prompt.js*", hold)
        with page.expect_request("**/prompt.js*"):
            page.goto("/write", wait_until="commit")
        prompt = page.get_by_label("Prompt")
        prompt.click()
        page.keyboard.type("The wind ☃")
        prompt.press("ArrowLeft")
        held.pop().continue_()
        expect(page.locator(".behind mark")).to_have_text(["☃"])
        page.keyboard.type("is ")
        expect(prompt).to_have_value("The wind is ☃")


def test_text_streams_in_beside_the_form_until_it_is_stopped(browser: Browser, served: Served, live: World) -> None:
    live.model()
    with tab(browser, served) as page:
        page.goto("/write")
        page.evaluate("window.untouched = true")
        page.get_by_label("Prompt").fill("The wind")
        page.get_by_label("Variants").fill("2")
        page.get_by_role("button", name="Write", exact=True).click()
        job_id = job_of(page)
        claim = live.claim(job_id)
        live.record(claim, text(" was"), text(" is", index=1))
        expect(page.locator(".written")).to_have_text(["the wind was", "the wind is"])
        tops = page.locator(".written").evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
        assert tops[0] == tops[1], "variants are side by side, wherever the page is scrolled to"
        expect(page.get_by_label("Prompt")).to_have_value("The wind")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("status").first).to_contain_text("Being cancelled")
        assert live.get(f"/jobs/{job_id}").json["status"] == "cancelling"
        page.reload()
        expect(page.locator(".written")).to_have_text(["the wind was", "the wind is"])
        expect(page.get_by_label("Prompt")).to_have_value("the wind")


def test_the_seed_is_shown_and_used_again_or_not(browser: Browser, served: Served, live: World) -> None:
    live.model()
    with tab(browser, served) as page:
        page.goto("/write")
        page.get_by_label("Prompt").fill("the")
        page.get_by_role("button", name="Write", exact=True).click()
        job_id = job_of(page)
        seed = live.get(f"/jobs/{job_id}").json["params"]["seed"]
        expect(page.locator('[data-part="seed"]').get_by_text(str(seed))).to_be_visible()
        copied = {"longest": 9, "share": 0.6, "spans": [[1, 10]]}
        output = {"index": 0, "text": " wind was in the reeds", "finish_reason": "length", "copied": copied}
        live.finish(live.claim(job_id), {"prompt": "the", "seed": seed, "outputs": [output]})
        expect(page.locator(".written mark.copied")).to_have_text("wind was ")
        page.get_by_label("Temperature", exact=True).fill("0.3")
        page.get_by_role("link", name="Again with this seed").click()
        page.wait_for_url(lambda url: job_id not in url)
        second = job_of(page)
        params = live.get(f"/jobs/{second}").json["params"]
        assert (params["seed"], params["temperature"]) == (seed, 0.3)
        expect(page.locator(".earlier")).to_contain_text("the wind was in the reeds")
        page.get_by_role("link", name="Again with another seed").click()
        page.wait_for_url(lambda url: job_id not in url and second not in url)
        expect(page.locator(".earlier")).to_have_count(2)
        assert live.get(f"/jobs/{job_of(page)}").json["params"]["seed"] != seed


def test_what_is_wrong_is_said_in_the_form_without_leaving_it(browser: Browser, served: Served, live: World) -> None:
    live.model()
    with tab(browser, served, complains=True) as page:
        page.goto("/write")
        page.get_by_label("Prompt").fill("the ☃")
        page.get_by_label("Length").fill("0")
        page.get_by_role("button", name="Write", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("length is 0, but must be at least 1")
        expect(page.get_by_role("alert").get_by_role("link").first).to_be_focused()
        page.get_by_label("Length").fill("10")
        page.get_by_role("button", name="Remove them").click()
        page.keyboard.press("End")
        page.get_by_role("button", name="Write", exact=True).click()
        assert live.get(f"/jobs/{job_of(page)}").json["params"]["prompt"] == "the "


def test_the_temperature_says_what_it_does_where_it_is_set(browser: Browser, served: Served, live: World) -> None:
    live.model()
    with tab(browser, served) as page:
        page.goto("/write")
        here = page.locator(".scale [aria-current]")
        expect(here).to_contain_text("best with most models")
        box = page.get_by_label("Temperature", exact=True)
        box.fill("0")
        expect(here).to_contain_text("repeats itself")
        slider = page.get_by_role("slider")
        slider.focus()
        page.keyboard.press("End")
        expect(here).to_contain_text("nonsense")
        expect(box).to_have_value("2.5")
        expect(slider).to_have_attribute("aria-valuetext", re.compile("2.5: nonsense"))


@pytest.mark.parametrize(("script", "direction"), [(KOREAN, "ltr"), (EMOJI, "ltr"), (HEBREW, "rtl")])
def test_every_script_goes_from_upload_to_page_whole(
    browser: Browser, served: Served, live: World, script: str, direction: str
) -> None:
    book = script * 60
    with tab(browser, served) as page:
        page.goto("/")
        if not page.get_by_label("Or paste a text").is_visible():
            page.get_by_text("Upload a new text").click()
        page.get_by_label("Or paste a text").fill(book)
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(re.compile("corpus_id="))
        corpus_id = re.search(r"cor_\w+", page.url)
        assert corpus_id
        expect(page.locator(".text-card .figures")).to_contain_text(f"{len(book):,}")
        assert live.get(f"/corpora/{corpus_id[0]}").json["chars"] == len(book)
        preview = page.locator(".preview")
        assert (preview.inner_text()).startswith(script.strip())
        assert preview.evaluate("(e) => getComputedStyle(e).direction") == direction
        model = live.model(corpus_id[0], text=book)
        page.goto(f"/write?model_id={model.id}")
        prompt = page.get_by_label("Prompt")
        prompt.fill(script.strip())
        expect(page.locator(".behind mark")).to_have_count(0)
        cased = script != script.lower()
        lowered = ", read in lower case like the model’s text" if cased else ""
        expect(page.locator(".count")).to_have_text(f"{len(script.strip())} characters{lowered}")
        assert prompt.evaluate("(e) => getComputedStyle(e).direction") == direction
        page.get_by_role("button", name="Write", exact=True).click()
        job_id = job_of(page)
        claim = live.claim(job_id)
        for place, character in enumerate(script):
            live.record(claim, text(character, offset=place))
        expect(page.locator(".written")).to_have_text(script.strip().lower() + script.lower().rstrip("\n"))
        assert page.locator(".written").evaluate("(e) => getComputedStyle(e).direction") == direction
        output = {
            "index": 0,
            "text": script,
            "finish_reason": "length",
            "copied": {"longest": 4, "share": 1.0, "spans": [[0, 4]]},
        }
        live.finish(claim, {"prompt": script.strip(), "seed": 1, "outputs": [output]})
        assert page.locator(".written mark.copied").inner_text() == script[:4]
        assert "\ufffd" not in page.content()


def test_a_right_to_left_text_of_many_kinds_keeps_each_line_to_its_side(
    browser: Browser, served: Served, live: World
) -> None:
    corpus_id = live.corpus(HEBREW + BOOK)
    with tab(browser, served) as page:
        page.goto(f"/?corpus_id={corpus_id}")
        assert page.locator(".preview").evaluate("(e) => getComputedStyle(e).unicodeBidi") == "plaintext"


def test_models_are_picked_compared_and_write_side_by_side(browser: Browser, served: Served, live: World) -> None:
    for name in ("One", "Two"):
        live.model(name=name, epochs_measured=5)
    with tab(browser, served) as page:
        page.goto("/models")
        for name in ("One", "Two"):
            page.get_by_role("checkbox", name=f"Compare {name}").first.check()
        page.get_by_role("button", name="Compare selected models").click()
        expect(page.get_by_role("heading", name="2 models compared")).to_be_visible()
        expect(page.locator(".plot polyline")).to_have_count(4)
        page.get_by_role("button", name="One").click()
        expect(page.locator(".plot polyline")).to_have_count(2)
        page.get_by_role("slider").focus()
        page.keyboard.press("End")
        expect(page.locator(".readout")).to_have_text("Epoch 5Two 0.7000")
        page.get_by_role("textbox", name="Prompt").fill("the")
        page.get_by_role("button", name="Write with all 2").click()
        page.wait_for_url(re.compile("jobs=job_"))
        page.evaluate("window.untouched = true")
        jobs = re.findall(r"job_\w+", page.url)
        for place, job_id in enumerate(jobs):
            live.record(live.claim(job_id), text(f" wind {place}"))
        expect(page.locator(".written")).to_have_text(["the wind 0", "the wind 1"])
        assert page.evaluate("window.untouched")


def test_a_model_of_a_list_writes_items_into_a_table_that_sorts(browser: Browser, served: Served, live: World) -> None:
    corpus_id = live.corpus()
    live.model(corpus_id, name="Words", items=LIST)
    live.model(corpus_id, name="Prose")
    with tab(browser, served) as page:
        page.goto("/write")
        count = page.get_by_label("Number of items")
        expect(count).to_be_hidden()
        page.get_by_label("Model").select_option(label="Words (stream)")
        expect(count).to_have_value("100")
        assert violations(page) == []
        count.fill("3")
        page.get_by_role("button", name="Write", exact=True).click()
        job_id = job_of(page)
        claim = live.claim(job_id)
        live.record(claim, (EventType.ITEMS, {"offset": 0, "items": ["reeds", "wind"]}))
        live.record(claim, (EventType.ITEMS, {"offset": 2, "items": ["<b>river</b>"]}))
        expect(page.locator("[data-coming] li")).to_have_text(["<b>river</b>", "wind", "reeds"])
        finish_list(live, claim, ["reeds", "wind", "<b>river</b>"])
        items = page.locator("table.items td:nth-child(2)")
        expect(items).to_have_text(["reeds", "wind", "<b>river</b>"])
        assert violations(page) == []
        page.get_by_role("link", name="Item", exact=True).click()
        expect(page.get_by_role("columnheader", name="Item")).to_have_attribute("aria-sort", "ascending")
        expect(items).to_have_text(["<b>river</b>", "reeds", "wind"])
        assert violations(page) == []
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert download.value.suggested_filename == f"{job_id}-items.csv"
