"""Pages and forms by HTTP alone: what is posted goes through the request types, errors are next to their fields."""

import html
import io
import json
import re
from typing import Any

import pytest

from shared.jobs.events import EventType
from tests.web.world import BOOK, Reply, World, settings_of
from web.pages import job_pages

JOB, MODEL, CORPUS = (f"{kind}_{'0' * 26}" for kind in ("job", "mod", "cor"))


def token_of(world: World, path: str = "/") -> str:
    """Load a page and return the token of its forms; the browser keeps the cookie."""
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', world.http.get(path).text)
    assert found
    return found[1]


def post(world: World, path: str, **fields: Any) -> Reply:
    """Post a form as the page would."""
    return world.http.post(path, data={"csrf_token": token_of(world)} | fields)


def text_of(answer: Reply) -> str:
    """Return a page's words."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def test_every_page_is_there_in_an_empty_house(world: World) -> None:
    for path in ("/", "/write", "/texts", "/jobs", "/models", "/workers", "/api/docs"):
        answer = world.http.get(path)
        assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8"), path
        assert "style=" not in answer.text
        assert not re.search(r"\son\w+=|<script(?! src=)", answer.text), "the policy for content would stop it"


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        f"/jobs/{JOB}",
        f"/models/{MODEL}",
        f"/texts/{CORPUS}",
        "/jobs/..%2fetc",
        f"/?again={JOB}",
        f"/write?again={JOB}",
        "/jobs/%00",
    ],
)
def test_what_is_not_there_has_a_page_that_says_so(world: World, path: str) -> None:
    answer = world.http.get(path)
    assert (answer.status_code, answer.content_type) == (404, "text/html; charset=utf-8")


def test_a_pasted_text_is_picked_at_once(world: World) -> None:
    sent = post(world, "/corpora", text=BOOK.replace("\n", "\r\n"))
    assert sent.status_code == 303
    page = world.http.get(sent.headers["Location"])
    words = text_of(page)
    assert "The wind was in the reeds" in words
    assert f"{len(BOOK):,} Characters" in re.sub(r"Characters ([\d,]+)", r"\1 Characters", words)
    assert "Train with stream" in words
    assert "Train with classic" in words


def test_a_file_is_taken_with_its_name(world: World) -> None:
    sent = post(world, "/corpora", file=(io.BytesIO(BOOK.encode()), "reeds.txt"), text="")
    assert "reeds" in text_of(world.http.get(sent.headers["Location"]))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": ""}, "No text was sent"),
        ({"text": "  \r\n "}, "No text was sent"),
        ({"text": BOOK, "name": "x" * 201}, "at most 200"),
        ({"file": (io.BytesIO(b"a\0b"), "a.bin")}, "it is binary"),
    ],
)
def test_a_text_that_will_not_do_is_refused_beside_the_field(world: World, fields: dict[str, Any], words: str) -> None:
    before = world.traces()[1] | {"secret.key"}
    answer = post(world, "/corpora", **fields)
    assert answer.status_code == 422
    assert words in text_of(answer)
    if "text" in fields:
        assert html.escape(fields["text"].strip()[:20]) in answer.text, "what was typed stays"
    assert world.traces()[1] == before


def test_a_text_of_uncertain_encoding_is_taken_in_the_one_that_reads_correctly(world: World) -> None:
    sent = ("Все счастливые семьи похожи друг на друга. " * 30).encode("koi8-r")
    refused = post(world, "/corpora", file=(io.BytesIO(sent), "family.txt"))
    assert refused.status_code == 422
    choices = re.findall(r'type="radio" name="encoding" value="([^"]+)"', refused.text)
    assert choices[0] == "koi8-r"
    assert "Все счастливые семьи" in refused.text
    assert "чУЕ УЮБУФМЙЧЩЕ УЕНШЙ" in refused.text, "the reading of another encoding"
    taken = post(world, "/corpora", file=(io.BytesIO(sent), "family.txt"), encoding=choices[0])
    assert "Encoding koi8-r" in text_of(world.http.get(taken.headers["Location"]))


def test_a_file_that_is_too_large_keeps_the_form(redis_url: str, world: World) -> None:
    small = World(settings_of(redis_url, world.services.volume.folder, CHARLOOM_MAX_CORPUS_BYTES="5000"))
    answer = post(small, "/corpora", file=(io.BytesIO(b"x" * 5001), "a.txt"))
    assert (answer.status_code, "5,000 bytes" in text_of(answer), "Upload" in answer.text) == (413, True, True)
    small.close()


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/corpora", "/"),
        ("/train", "/"),
        ("/train/preview", "/"),
        ("/models/import", "/models"),
        (f"/models/{MODEL}/rename", f"/models/{MODEL}"),
        (f"/jobs/{JOB}/resume", f"/jobs/{JOB}"),
    ],
)
def test_a_form_s_address_leads_back_to_the_page_with_the_form(world: World, address: str, page: str) -> None:
    answer = world.http.get(address)
    assert (answer.status_code, answer.headers["Location"]) == (302, page)


def test_a_training_is_asked_for_by_the_form(world: World) -> None:
    corpus_id = world.corpus()
    sent = post(world, "/train", corpus_id=corpus_id, recipe="classic", epochs="3", hidden_size="", lowercase="false")
    assert sent.status_code == 303
    job = world.get(f"/jobs/{sent.headers['Location'].rpartition('/')[2]}").json
    params = job["params"]
    assert (params["recipe"], params["epochs"], params["hidden_size"]) == ("classic", 3, 256)
    assert params["lowercase"] is False


def test_errors_are_next_to_their_fields_and_what_was_typed_stays(world: World) -> None:
    corpus_id = world.corpus()
    before = world.traces()[0]
    answer = post(world, "/train", corpus_id=corpus_id, recipe="stream", hidden_size="9999", epochs="ten", name="Mine")
    assert answer.status_code == 422
    words = text_of(answer)
    assert "hidden_size is 9999, but must be at most 4096" in words
    assert 'epochs is "ten", but must be a whole number' in words
    assert re.search(r'id="stream-hidden_size"[^>]*value="9999"[^>]*aria-invalid="true"', answer.text)
    assert 'href="#stream-epochs"' in answer.text
    assert 'value="Mine"' in answer.text
    assert world.traces()[0] == before


def test_each_recipe_shows_its_estimate(world: World) -> None:
    corpus_id = world.corpus()
    page = text_of(world.http.get(f"/?corpus_id={corpus_id}"))
    assert page.count("not known") == 2
    world.worker(speed=1)
    page = text_of(world.http.get(f"/?corpus_id={corpus_id}"))
    assert "not known" not in page
    assert len(re.findall(r"Time, about [\d.]+ \w+.*? Steps [\d,]+ Parameters [\d,]+ Memory [\d.]+ MiB", page)) == 2
    assert f"All {len(set(BOOK))} different characters" in page


def test_a_list_is_shown_as_one_and_can_be_trained_on_as_a_text(world: World) -> None:
    names = "".join(f"{number},name {number % 400}\n" for number in range(700))
    missing = post(world, "/corpora", file=(io.BytesIO(f"id,name\n{names}".encode()), "names.csv"), column="surname")
    assert missing.status_code == 422
    assert "There is no column 'surname'. The columns are 'id', 'name'." in text_of(missing)
    sent = post(world, "/corpora", file=(io.BytesIO(f"id,name\n{names}".encode()), "names.csv"), column="name")
    words = text_of(world.http.get(sent.headers["Location"]))
    assert "A list of 700 items, one per line (400 different)" in words
    assert "of the items held out" in words
    corpus_id = world.get("/corpora").json["data"][0]["id"]
    for typed, decided in [("", {"separator": "\n"}), ("null", None), ('{"separator": "\\n\\n"}', None)]:
        queued = post(world, "/train", corpus_id=corpus_id, recipe="stream", items=typed)
        if queued.status_code == 422:
            assert "a single item" in text_of(queued)
            continue
        job_id = queued.headers["Location"].rpartition("/")[2]
        assert world.get(f"/jobs/{job_id}").json["params"]["items"] == decided
        again = world.http.get(f"/?again={job_id}").text
        assert ("of the items held out" in text_of(world.http.get(f"/?again={job_id}"))) == (decided is not None)
        assert f'<option value="{html.escape(json.dumps(decided))}" selected>' in again.replace("&#34;", "&quot;")
        assert ("--items none" in text_of(world.http.get(f"/jobs/{job_id}"))) == (decided is None)


def test_what_is_typed_is_looked_at_without_queueing_anything(world: World) -> None:
    corpus_id = world.corpus()
    before = text_of(world.http.get(f"/?corpus_id={corpus_id}"))
    preview = post(world, "/train/preview", corpus_id=corpus_id, recipe="stream", hidden_size="48", epochs="3")
    assert preview.status_code == 200
    estimate = world.http.post("/api/v1/estimates", json={"corpus_id": corpus_id, "hidden_size": 48, "epochs": 3}).json
    words = text_of(preview)
    assert f"Steps {estimate['steps']:,} Parameters {estimate['parameters']:,}" in words
    assert f"Steps {estimate['steps']:,}" not in before
    assert re.search(r'id="stream-hidden_size"[^>]*value="48"', preview.text)
    wrong = post(world, "/train/preview", corpus_id=corpus_id, recipe="stream", hidden_size="many")
    assert wrong.status_code == 422
    assert "Not possible: hidden_size is" in text_of(wrong)
    assert world.get("/jobs").json["data"] == []


def test_a_model_is_taught_more_from_its_page(world: World) -> None:
    corpus_id = world.corpus()
    model = world.model(corpus_id, hidden_size=48)
    link = re.search(r'href="([^"]*init_from[^"]*)"', world.http.get(f"/models/{model.id}").text)
    assert link
    page = world.http.get(html.unescape(link[1])).text
    assert re.search(rf'<option value="{model.id}" selected>', page)


def test_same_again_brings_the_options_back(world: World) -> None:
    corpus_id = world.corpus()
    options = {"epochs": 3, "dropout": 0.25, "lowercase": True, "seed": 77, "validation_fraction": 0.2}
    for validation, words in (("spread", "all over it"), ("tail", "its end")):
        job_id = world.train(corpus_id, **options, validation=validation).json["id"]
        page = world.http.get(f"/?again={job_id}").text
        assert f'<option value="{validation}" selected>' in page
        assert f"of the text held out for validation, {words}." in " ".join(page.split())
    for name, value in (("epochs", "3"), ("dropout", "0.25"), ("seed", "77")):
        assert re.search(rf'id="stream-{name}"[^>]*value="{value}"', page), name
    assert re.search(r'<option value="true" selected>', page)
    writing = world.write(world.model(corpus_id).id, prompt="The wind", temperature=1.5, seed=5, stop=["a", "b"]).json
    page = world.http.get(f"/write?again={writing['id']}").text
    assert re.search(r'id="temperature"[^>]*value="1.5"', page)
    assert re.search(r'id="seed"[^>]*value="5"', page)
    assert "the wind</textarea>" in page
    assert "a\nb</textarea>" in page
    assert not re.search(r'id="seed"[^>]*value="5"', world.http.get(f"/write?again={writing['id']}&seed=new").text)


def test_a_writing_is_asked_for_by_the_form(world: World) -> None:
    model = world.model()
    sent = post(world, "/write", model_id=model.id, prompt=" The wind\r\n", stop="song\r\n\r\nend", temperature="0")
    assert sent.status_code == 303
    params = world.get(f"/jobs/{sent.headers['Location'].rpartition('/')[2]}").json["params"]
    assert (params["prompt"], params["stop"], params["temperature"]) == (" the wind\n", ["song", "end"], 0)


def test_unknown_characters_of_a_prompt_are_marked(world: World) -> None:
    answer = post(world, "/write", model_id=world.model().id, prompt="the ☃☃ wind <b>")
    assert answer.status_code == 422
    assert '<mark class="strange">☃☃</mark>' in answer.text
    assert '<mark class="strange">&lt;b&gt;</mark>' in answer.text
    assert "the ☃☃ wind &lt;b&gt;</textarea>" in answer.text


def test_copied_passages_are_underlined(world: World) -> None:
    job_id = world.write(world.model().id, prompt="the", seed=9).json["id"]
    text = "x <b> the wind was in the reeds"
    copied = {"longest": 25, "share": 0.8, "spans": [[6, len(text)]]}
    output = {"index": 0, "text": text, "finish_reason": "length", "copied": copied, "runs_cut": 3}
    world.finish(world.claim(job_id), {"prompt": "the", "seed": 9, "outputs": [output]})
    page = world.http.get(f"/jobs/{job_id}").text
    assert "A run of one character was cut 3 times." in page
    assert '<span class="prompt">the</span><span class="text">x &lt;b&gt; <mark class="copied"' in page
    assert "80\N{NO-BREAK SPACE}%" in page


def test_text_is_shown_while_it_is_written(world: World) -> None:
    job_id = world.write(world.model().id, prompt="the", n=2).json["id"]
    claim = world.claim(job_id)
    for index, offset, delta in ((0, 0, "wind was"), (1, 0, "reeds"), (0, 4, " is"), (0, 7, " up")):
        world.record(claim, (EventType.TEXT, {"index": index, "offset": offset, "delta": delta}))
    page = world.http.get(f"/jobs/{job_id}").text
    assert '<span class="text">wind is up</span></div>' in page, "what begins anew writes over what was before"
    assert '<span class="text">reeds</span></div>' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    world.finish(claim, {"outputs": [], "seed": 1, "prompt": "the"})
    assert "refresh" not in world.http.get(f"/jobs/{job_id}").text


def test_losses_and_samples_of_a_training_are_shown(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    claim = world.claim(job_id)
    for epoch in range(1, 5):
        loss = 3 - epoch / 2
        row = {"step": epoch, "epoch": epoch, "seconds": 1.0, "train_loss": loss, "validation_loss": loss + 0.1}
        sample = {"step": epoch, "epoch": epoch, "text": f"sample {epoch}", "prompt": "the ", "temperature": 0.7}
        world.record(claim, (EventType.METRIC, row), (EventType.SAMPLE, sample))
    world.record(claim, progress={"step": 4, "fraction": 0.4}, losses={"best_loss": 1.1, "best_epoch": 4})
    page = world.http.get(f"/jobs/{job_id}").text
    assert page.count("<polyline") == 2
    assert 'class="best"' in page
    assert page.index("sample 4") < page.index("sample 1")
    assert "1.100" in page


def test_a_sample_of_blanks_says_so(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    text = "a" + " " * 40 + "b" + "\n  \n \n\n" + "c"
    sample = {"step": 1, "epoch": 1, "text": text, "prompt": "the ", "temperature": 0.7}
    world.record(world.claim(job_id), (EventType.SAMPLE, sample))
    assert "the a 40 spaces b 4 line ends c" in text_of(world.http.get(f"/jobs/{job_id}"))


def test_without_a_worker_the_job_and_the_list_say_so(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    pages = (f"/jobs/{job_id}", "/jobs")
    for page in pages:
        assert "o worker is running" in text_of(world.http.get(page)), page
    world.worker()
    for page in pages:
        assert "o worker is running" not in text_of(world.http.get(page)), page


def test_an_ended_job_says_so_in_its_title_and_shows_the_second_of_each_event(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    assert "<title>Training: Reeds · Charloom</title>" in world.http.get(f"/jobs/{job_id}").text
    world.fail(world.claim(job_id))
    page = world.http.get(f"/jobs/{job_id}").text
    assert "<title>Failed · Training: Reeds · Charloom</title>" in page
    assert re.search(r">\d+ \w+, \d\d:\d\d:\d\d UTC</time> Failed", page)


def test_the_time_of_a_resumed_training_includes_its_first_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.train(world.corpus()).json["id"]
    claim = world.claim(job_id)
    world.save_state(claim)
    world.fail(claim)
    resumed = world.http.post(f"/api/v1/jobs/{job_id}/resume").json["id"]
    world.fail(world.claim(resumed))
    # Both ended at once: the clock of the store can't be moved.
    monkeypatch.setattr(job_pages, "running_time", lambda job: 65.0 if job.id == job_id else 0.0)
    assert "Took 1 minute 5 seconds in 2 jobs" in text_of(world.http.get(f"/jobs/{resumed}"))


def test_a_job_is_cancelled_by_its_button(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    assert post(world, f"/jobs/{job_id}/cancel").headers["Location"] == f"/jobs/{job_id}"
    assert world.get(f"/jobs/{job_id}").json["status"] == "cancelled"
    assert post(world, f"/jobs/{job_id}/cancel").status_code == 303, "again is no error"
    assert post(world, f"/jobs/{JOB}/cancel").status_code == 404


def test_a_training_goes_on_by_its_button_where_it_has_a_state(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    claim = world.claim(job_id)
    assert "Resume" not in text_of(world.http.get(f"/jobs/{job_id}"))
    world.fail(claim)
    assert "Resume" not in text_of(world.http.get(f"/jobs/{job_id}")), "nothing is there to go on from"
    refused = post(world, f"/jobs/{job_id}/resume")
    assert (refused.status_code, refused.content_type) == (409, "text/html; charset=utf-8")
    world.save_state(claim)
    assert "Resume" in text_of(world.http.get(f"/jobs/{job_id}"))
    sent = post(world, f"/jobs/{job_id}/resume")
    assert sent.status_code == 303
    assert f'<a href="/jobs/{job_id}">' in world.http.get(sent.headers["Location"]).text


def test_a_model_is_renamed_imported_and_deleted_by_forms(world: World) -> None:
    model = world.model()
    assert post(world, f"/models/{model.id}/rename", name=" <i>New</i> ").status_code == 303
    assert "&lt;i&gt;New&lt;/i&gt;" in world.http.get(f"/models/{model.id}").text
    assert "empty" in text_of(post(world, f"/models/{model.id}/rename", name=" "))
    job_id = world.write(model.id, prompt="the").json["id"]
    assert post(world, f"/models/{model.id}/delete").status_code == 409
    world.http.post(f"/api/v1/jobs/{job_id}/cancel")
    assert post(world, f"/models/{model.id}/delete").headers["Location"] == "/models"
    assert world.http.get(f"/models/{model.id}").status_code == 404
    sent = post(world, "/models/import", file=(io.BytesIO(b"x"), "a.pth"), name="")
    assert "a" in text_of(world.http.get(sent.headers["Location"]))
    assert "No file was sent" in text_of(post(world, "/models/import", file=(io.BytesIO(b""), "")))


def test_lists_have_pages_and_filters_in_their_address(world: World) -> None:
    corpus_id = world.corpus()
    ids = [world.train(corpus_id).json["id"] for _ in range(3)]
    page = world.http.get("/jobs?limit=2&type=train").text
    assert ids[2] in page
    assert ids[0] not in page
    older = re.search(r'href="(/jobs\?[^"]*)" rel="next"', page)
    assert older
    rest = world.http.get(html.unescape(older[1])).text
    assert ids[0] in rest
    assert ids[2] not in rest
    assert world.http.get("/jobs?status=gone").status_code == 422
    assert ids[0] not in world.http.get("/jobs?status=failed").text


def test_the_list_of_one_models_jobs_says_so(world: World) -> None:
    model = world.model(name="Reeds & rivers")
    mine, other = (world.write(one, prompt="the").json["id"] for one in (model.id, world.model().id))
    page = world.http.get(f"/jobs?model_id={model.id}&type=generate")
    assert "Jobs of the model Reeds & rivers" in text_of(page)
    assert mine in page.text
    assert other not in page.text
    assert 'href="/jobs?type=generate">Show all models’ jobs' in page.text


def test_the_page_of_workers_shows_what_each_does_and_what_waits(world: World) -> None:
    corpus_id = world.corpus()
    job_id = world.train(corpus_id, name="<Reeds>").json["id"]
    world.train(corpus_id)
    claim = world.claim(job_id)
    world.record(claim, progress={"step": 5, "fraction": 0.25})
    world.worker(running=[job_id])
    world.worker(name="worker@loom-2")
    page = world.http.get("/workers")
    words = text_of(page)
    assert f'href="/jobs/{job_id}">Training <bdi>&lt;Reeds&gt;</bdi>' in page.text
    for said in (
        "Workers 2",
        "Running jobs 1",
        "Queued trainings 1",
        "Queued texts and imports 0",
        "25 %",
        "Idle",
        "2 (quota 1.5)",
        "The oldest of the trainings has waited for",
        "How long it will take isn’t known yet.",
    ):
        assert said in words, said


def test_a_worker_is_drained_by_a_button_and_what_was_lost_is_listed(world: World) -> None:
    world.worker()
    corpus_id = world.corpus()
    for _ in "123":
        job_id = world.train(corpus_id).json["id"]
    world.services.store.jobs.release(job_id, world.claim(job_id).token)
    form = {"csrf_token": token_of(world)}
    drained = world.http.post("/workers/worker@loom-1/drain", data=form)
    assert (drained.status_code, drained.headers["Location"]) == (303, "/workers")
    page = world.http.get("/workers")
    words = text_of(page)
    for said in ("Take jobs again", "Drained: it runs nothing.", "was requested to drain", "released a job"):
        assert said in words, said
    assert f'href="/jobs/{job_id}">{job_id}' in page.text
    assert "All should have begun in about" not in words, "a worker that drains has no slots"
    world.http.post("/workers/worker@loom-1/undrain", data=form)
    words = text_of(world.http.get("/workers"))
    assert "takes jobs again" in words
    assert "All should have begun in about" in words
    assert world.http.post("/workers/nobody/drain", data=form).status_code == 404
    assert world.http.get("/workers/worker@loom-1/drain").headers["Location"] == "/workers"


@pytest.mark.parametrize(
    "path",
    [
        "/corpora",
        "/train",
        "/train/preview",
        "/write",
        "/models/import",
        "/texts/join",
        f"/texts/{CORPUS}/edit",
        f"/texts/{CORPUS}/delete",
        f"/jobs/{JOB}/cancel",
        f"/jobs/{JOB}/resume",
        "/workers/w/drain",
    ],
)
def test_a_form_without_its_token_is_refused(world: World, path: str) -> None:
    good = token_of(world)
    assert world.http.post(path, data={}).status_code == 403
    assert world.http.post(path, data={"csrf_token": good[:-1] + "x"}).status_code == 403
    stranger = world.app.test_client()
    assert stranger.post(path, data={"csrf_token": good}).status_code == 403, "a token is one browser's"
    assert world.http.post(path, data={"csrf_token": "ü" * 64}).status_code == 403


def test_the_cookie_is_kept_from_scripts_and_other_sites(world: World) -> None:
    cookie = world.http.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Set-Cookie" not in world.http.get("/").headers, "one is enough"
    assert "Set-Cookie" not in world.get("/jobs").headers


def test_a_form_too_large_is_refused(world: World) -> None:
    answer = post(world, "/write", model_id=MODEL, prompt="x" * 3_000_000)
    assert (answer.status_code, answer.content_type) == (413, "text/html; charset=utf-8")
