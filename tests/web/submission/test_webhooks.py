"""A training with a webhook: taken where it can be delivered, refused with the reason where it can't."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.submission.test_resuming import resume
from tests.web.world import API, World, pointers, settings_of

SECRET = {"CHARLOOM_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
#: The secret of one webhook, other than the service's.
OWN = "whsec_" + "b3duIHNlY3JldCBvZiBhIHdlYmhvb2shISE="
HOOK = {"url": "https://hooks.example.org/charloom", "events": ["job.succeeded"]}


@pytest.fixture
def world(redis_url: str, data_dir: Path) -> Iterator[World]:
    world = World(settings_of(redis_url, data_dir, **SECRET))
    yield world
    world.close()


def test_a_webhook_is_an_option_of_the_training_and_goes_on_with_it(world: World) -> None:
    answer = world.train(world.corpus(), webhook=HOOK)
    assert answer.status_code == 202, answer.text
    job_id = answer.json["id"]
    assert answer.json["params"]["webhook"] == HOOK
    claim = world.claim(job_id)
    world.save_state(claim)
    world.fail(claim)
    assert resume(world, job_id).json["params"]["webhook"] == HOOK


def test_by_default_every_end_is_sent(world: World) -> None:
    answer = world.train(world.corpus(), webhook={"url": HOOK["url"]})
    assert answer.json["params"]["webhook"]["events"] == ["job.succeeded", "job.failed", "job.cancelled"]


def test_without_one_the_option_is_left_out_for_older_workers(world: World) -> None:
    assert "webhook" not in world.train(world.corpus()).json["params"]


@pytest.mark.parametrize(
    ("hook", "pointer"),
    [
        ({}, "/webhook/url"),
        ({"url": "ftp://example.org/"}, "/webhook/url"),
        ({"url": "https://user:secret@example.org/"}, "/webhook/url"),
        ({"url": "http://example.org/"}, "/webhook/url"),
        ({"url": "https://127.0.0.1/"}, "/webhook/url"),
        ({"url": "https://localhost:8443/"}, "/webhook/url"),
        ({"url": "https://[fd00::1]/"}, "/webhook/url"),
        ({"url": "https://example.org/" + "x" * 2000}, "/webhook/url"),
        (HOOK | {"events": []}, "/webhook/events"),
        (HOOK | {"events": ["job.queued"]}, "/webhook/events/0"),
        (HOOK | {"secret": "mine"}, "/webhook/secret"),
        (HOOK | {"secret": "whsec_dG9vIHNob3J0"}, "/webhook/secret"),
        (HOOK | {"secret": "whsec_" + "AAAA" * 22}, "/webhook/secret"),
    ],
)
def test_what_could_not_be_delivered_is_refused_before_it_is_queued(
    world: World, hook: dict[str, object], pointer: str
) -> None:
    corpus_id = world.corpus()
    left = world.traces()
    for call in ("train-jobs", "estimates"):
        answer = world.http.post(f"{API}/{call}", json={"corpus_id": corpus_id, "webhook": hook})
        assert (answer.status_code, pointers(answer)) == (422, [pointer]), answer.text
        assert str(hook.get("secret", "-none-")) not in answer.text
    assert world.traces() == left


def test_a_service_without_a_secret_wants_one_with_each_webhook(redis_url: str, data_dir: Path) -> None:
    world = World(settings_of(redis_url, data_dir))
    answer = world.train(world.corpus(), webhook=HOOK)
    assert (answer.status_code, pointers(answer)) == (422, ["/webhook/secret"])
    assert "CHARLOOM_WEBHOOK_SECRET" in answer.json["detail"]
    assert world.train(world.corpus(), webhook=HOOK | {"secret": OWN}).status_code == 202
    world.close()


def test_a_secret_signs_and_is_shown_to_nobody(world: World) -> None:
    # Given: two trainings with secrets of their own, one of which failed and was resumed.
    answer = world.train(world.corpus(), webhook=HOOK | {"secret": OWN}, layers=2)
    assert answer.status_code == 202, answer.text
    job_id = answer.json["id"]
    claim = world.claim(job_id)
    world.save_state(claim)
    world.fail(claim)
    resumed = resume(world, job_id).json["id"]
    # Then: both have it, for those who sign, also once Redis was emptied.
    for one in (job_id, resumed):
        asked = world.services.volume.jobs.asked(one)
        assert asked is not None
        assert asked.webhook_secret == OWN
        assert OWN not in repr(asked)
        assert not world.services.store.jobs.restore(asked)
        assert world.services.store.jobs.get(one).params["webhook"] == HOOK
    # And nobody is shown it.
    key = OWN.removeprefix("whsec_")
    for page in (f"{API}/jobs/{job_id}", f"{API}/jobs", f"{API}/jobs/{job_id}/events", f"/jobs/{job_id}", "/jobs"):
        shown = world.http.get(page)
        assert shown.status_code == 200
        assert key not in shown.text, page


def test_an_allowed_network_may_be_called_by_http(redis_url: str, data_dir: Path) -> None:
    world = World(settings_of(redis_url, data_dir, **SECRET, CHARLOOM_WEBHOOK_ALLOW="10.1.0.0/16"))
    corpus_id = world.corpus()
    assert world.train(corpus_id, webhook={"url": "http://10.1.2.3:9000/"}).status_code == 202
    assert world.train(corpus_id, webhook={"url": "http://10.2.2.3:9000/"}).status_code == 422
    world.close()
