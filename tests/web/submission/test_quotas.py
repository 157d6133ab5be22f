"""What a caller may store: counted for each key, or for all where there are no keys; nothing refused leaves a trace."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.errors import QuotaExceeded
from shared.jobs.record import JobType
from shared.store import Store, keys
from tests.jobs import make_job
from tests.web.locked import ANNA, BERT, bearer, locked_world
from tests.web.world import API, BOOK, World, settings_of

#: How a caller sends the three things that jobs make, and a text.
SENT: dict[str, Callable[[Any, str, dict[str, str]], Any]] = {
    "train": lambda http, text, who: http.post(
        f"{API}/train-jobs", json={"corpus_id": text, "init_from": None}, headers=who
    ),
    "import": lambda http, _, who: http.post(
        f"{API}/models/import", data={"file": (io.BytesIO(b"a bundle"), "a.zip")}, headers=who
    ),
    "clean": lambda http, text, who: http.post(f"{API}/corpora/{text}/clean", json={}, headers=who),
    "extract": lambda http, _, who: http.post(
        f"{API}/corpora", data={"file": (io.BytesIO(b"<!DOCTYPE html><p>A"), "a.html")}, headers=who
    ),
    "upload": lambda http, _, who: http.post(
        f"{API}/corpora", data="Another text.", content_type="text/plain", headers=who
    ),
    "join": lambda http, text, who: http.post(
        f"{API}/corpora/join", json={"corpus_ids": [text, newest(http, who)]}, headers=who
    ),
}


def newest(http: Any, who: dict[str, str]) -> str:
    """Return the id of the newest text."""
    return str(http.get(f"{API}/corpora", headers=who).json["first_id"])


@pytest.fixture
def make(redis_url: str, data_dir: Path) -> Iterator[Callable[..., World]]:
    """Make a world with two keys, and quotas."""
    made: list[World] = []

    def one(**quotas: int) -> World:
        made.append(
            locked_world(redis_url, data_dir, **{f"CHARLOOM_QUOTA_{k.upper()}": str(v) for k, v in quotas.items()})
        )
        return made[-1]

    yield one
    for world in made:
        world.close()


def store_text(world: World, owner: str, text: str = BOOK) -> str:
    """Store a text of a caller, past all quotas."""
    file = io.BytesIO(text.encode())
    return world.services.volume.corpora.add(file, name="Reeds", max_bytes=9999, owner=owner)[0].id


@pytest.mark.parametrize(
    ("quotas", "sent", "says"),
    [
        ({"models": 1}, "train", "1 models, 1 of them in the making; CHARLOOM_QUOTA_MODELS allows 1."),
        ({"models": 1}, "import", "1 models, 1 of them in the making; CHARLOOM_QUOTA_MODELS allows 1."),
        ({"texts": 2}, "clean", "2 texts; CHARLOOM_QUOTA_TEXTS allows 2."),
        ({"texts": 2}, "extract", "2 texts; CHARLOOM_QUOTA_TEXTS allows 2."),
        ({"texts": 2}, "upload", "2 texts; CHARLOOM_QUOTA_TEXTS allows 2."),
        ({"texts": 2}, "join", "2 texts; CHARLOOM_QUOTA_TEXTS allows 2."),
        ({"bytes": len(BOOK) + 100}, "upload", "and this would add 13 bytes; CHARLOOM_QUOTA_BYTES allows 2,489 bytes."),
        (
            {"bytes": len(BOOK) + 100},
            "extract",
            "and this would add 19 bytes; CHARLOOM_QUOTA_BYTES allows 2,489 bytes.",
        ),
        ({"bytes": len(BOOK) + 100}, "train", "CHARLOOM_QUOTA_BYTES allows 2,489 bytes."),
    ],
)
def test_what_would_be_too_much_is_refused_and_leaves_nothing(
    make: Callable[..., World], quotas: dict[str, int], sent: str, says: str
) -> None:
    world = make(**quotas)
    texts = [store_text(world, "anna"), store_text(world, "anna", "A" * 90)]
    store_text(world, "key-2", "B" * 90)
    store_text(world, "", "C" * 90)
    if "models" in quotas:
        assert SENT["train"](world.http, texts[0], bearer(ANNA)).status_code == 202
    left = world.traces()
    refused = SENT[sent](world.http, texts[0], bearer(ANNA))
    assert (refused.status_code, refused.json["code"]) == (403, "quota_exceeded"), refused.text
    assert says in refused.json["detail"]
    assert "Delete texts or models" in refused.json["detail"]
    assert world.traces() == left
    if not (sent == "train" and "bytes" in quotas):
        assert SENT[sent](world.http, texts[0], bearer(BERT)).status_code < 300, "another key has its own quota"


def test_what_is_stored_and_in_the_making_is_shown_to_its_owner(make: Callable[..., World]) -> None:
    world = make(texts=5, models=2)
    text = store_text(world, "anna")
    job = SENT["train"](world.http, text, bearer(ANNA)).json["id"]
    usage = world.get("/usage", headers=bearer(ANNA)).json
    assert (usage["owner"], usage["texts"]) == ("anna", {"stored": 1, "reserved": 0, "limit": 5})
    assert usage["models"] == {"stored": 0, "reserved": 1, "limit": 2}
    assert usage["bytes"]["stored"] == len(BOOK)
    assert usage["bytes"]["reserved"] > 100_000
    theirs = world.get("/usage", headers=bearer(BERT)).json
    assert (theirs["owner"], theirs["texts"]["stored"], theirs["models"]["reserved"]) == ("key-2", 0, 0)
    assert "Your key: 1 of 5 texts, 0 of 2 models" in world.http.get("/texts", headers=bearer(ANNA)).text
    # The job's end frees what it reserved; what is deleted frees its place.
    world.http.post(f"{API}/jobs/{job}/cancel", headers=bearer(ANNA))
    world.http.delete(f"{API}/corpora/{text}", headers=bearer(ANNA))
    freed = world.get("/usage", headers=bearer(ANNA)).json
    assert [freed[name][kind] for name in ("texts", "models", "bytes") for kind in ("stored", "reserved")] == [0] * 6


def test_without_keys_everything_counts_together(redis_url: str, data_dir: Path) -> None:
    world = World(settings_of(redis_url, data_dir, CHARLOOM_QUOTA_TEXTS="2"))
    store_text(world, "anna")
    world.corpus("The second text.")
    refused = world.http.post(f"{API}/corpora", data="The third text.", content_type="text/plain")
    assert (refused.status_code, "There are 2 texts" in refused.json["detail"]) == (403, True)
    again = world.http.post(f"{API}/corpora", data="The second text.", content_type="text/plain")
    assert again.status_code == 200, "the same bytes are no other text"
    page = world.http.get("/texts").text
    assert "All: 2 of 2 texts, 0 models" in page
    world.close()


def test_jobs_at_once_share_one_room(store: Store) -> None:
    room = {"model": 2, "bytes": 100}
    for _ in range(2):
        store.jobs.create(make_job(owner="anna", makes_bytes=40), room=room)
    for job, what in (
        (make_job(owner="anna"), "model"),
        (make_job(JobType.EXTRACT, owner="anna", makes_bytes=21), "bytes"),
    ):
        with pytest.raises(QuotaExceeded) as refused:
            store.jobs.create(job, room=room)
        assert refused.value.what == what
        assert store.jobs.find(job.id) is None
    store.jobs.create(make_job(JobType.GENERATE, owner="anna"), room=room)
    store.jobs.create(make_job(owner="bert", makes_bytes=99), room=room)
    reserved = store.jobs.reserved("anna")
    assert (reserved.models, reserved.texts, reserved.bytes) == (2, 0, 80)


def test_a_job_that_an_older_version_ended_reserves_nothing(store: Store, client: "redis.Redis") -> None:
    job = make_job(owner="anna", makes_bytes=40)
    store.jobs.create(job)
    store.jobs.cancel(job.id)
    client.hset(f"{keys.LAYOUT['making']}anna", job.id, "model:40")
    assert store.jobs.reserved("anna").models == 0
    assert not client.exists(f"{keys.LAYOUT['making']}anna")
