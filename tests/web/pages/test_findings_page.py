"""The page of a text's findings by HTTP alone: examined, shown, cleaned."""

from dataclasses import asdict

from shared.jobs.record import Status
from shared.volume import corpus_findings
from shared.volume.corpus_record import Cleaning
from tests.web.api.test_findings import FINDING
from tests.web.pages.test_pages import post
from tests.web.world import World


def test_a_text_is_examined_and_what_is_odd_is_shown(world: World) -> None:
    corpus_id = world.corpus()
    assert f'data-findings="/texts/{corpus_id}/findings"' in world.http.get(f"/texts/{corpus_id}").text
    page = world.http.get(f"/texts/{corpus_id}/findings").text
    assert "This text is examined" in page
    assert "data-live" in page
    corpora = world.services.volume.corpora
    example = {**FINDING["examples"][0], "text": "<b>\u200b\n"}
    corpus_findings.write(corpora, corpus_id, [{**FINDING, "examples": [example]}])
    page = world.http.get(f"/texts/{corpus_id}/findings").text
    assert "Fix what is advised" in page
    assert "<del>&lt;b&gt;200B" in page
    assert "data-live" not in page
    corpus_findings.write(corpora, corpus_id, [])
    assert "Nothing is odd" in world.http.get(f"/texts/{corpus_id}/findings").text


def test_one_click_cleans_it_and_leads_to_the_new_text(world: World) -> None:
    corpus_id, made_id = world.corpus(), world.corpus("Another text. " * 50, "Cleaned <b>")
    corpora = world.services.volume.corpora
    corpus_findings.write(corpora, corpus_id, [FINDING])
    answer = post(world, f"/texts/{corpus_id}/clean", advised="1")
    assert answer.status_code == 303
    address = answer.headers["Location"]
    job_id = address.rpartition("job=")[2]
    job = world.services.store.jobs.get(job_id)
    assert (job.type, job.params["remedies"], job.status) == ("clean", "advised", Status.QUEUED)
    assert "Progress of the cleaning" in world.http.get(address).text

    done = {"remedy": "licence", "changes": 1, "removed": 9, "added": 0, "examples": FINDING["examples"]}
    cleaning = Cleaning(parent_id=corpus_id, chars_before=700, chars_after=691, remedies=[done])
    corpora.keep_fact(made_id, "cleaning.json", asdict(cleaning))
    meta = corpora.folder(made_id) / "meta.json"
    meta.write_text(meta.read_text().replace('"parent_id": null', f'"parent_id": "{corpus_id}"'))
    world.finish(world.claim(job_id), {"corpus_id": made_id})
    page = world.http.get(address).text
    assert f'<a href="/texts/{made_id}"><bdi>Cleaned &lt;b&gt;</bdi></a>' in page
    assert "licence: 1 change, 9 characters removed" in page
    corpus_findings.write(corpora, made_id, [])
    assert "700 characters became 691" in world.http.get(f"/texts/{made_id}/findings").text
    assert f'href="/texts/{corpus_id}"' in world.http.get(f"/texts/{made_id}").text


def test_a_form_without_a_remedy_is_refused(world: World) -> None:
    corpus_id = world.corpus()
    assert post(world, f"/texts/{corpus_id}/clean").status_code == 422
    assert post(world, f"/texts/{corpus_id}/clean", remedy="magic").status_code == 422
