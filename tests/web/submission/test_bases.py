"""What a training starts from: a base where one knows the text's language, random weights, or the model asked for."""

import re
from pathlib import Path
from typing import Any

import pytest

from shared.errors import VolumeUnavailable
from shared.jobs.rows import ModelLosses
from shared.requests.options import RATE_ON_SHORT_TEXT, StreamRequest
from shared.text.vocabulary import Vocabulary
from tests.web.world import API, BOOK, Reply, World, pointers, settings_of
from worker.formats.bundle import write_model
from worker.training import events
from worker.training.train import train

#: English prose.
SAMPLE = Path(__file__).parents[3] / "shared" / "sample.txt"
#: What a base of the book's language has learned.
SHELF = BOOK + "All the reeds sang in the wind.\n" * 10
SIZES: dict[str, Any] = {"hidden_size": 192, "layers": 1, "embedding_size": 64}
STRANGE = "".join(chr(0x400 + (k * k // 5) % 40) for k in range(3000))


@pytest.fixture(scope="module")
def knows_the_language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a small model that was trained on the shelf."""
    request = StreamRequest(
        corpus_id="",
        init_from=None,
        epochs=25,
        seq_length=50,
        batch_size=8,
        patience=0,
        sample_chars=0,
        seed=1,
        **SIZES,
    )
    done = next(event for event in train(request, SHELF, threads=1) if isinstance(event, events.Done))
    folder = tmp_path_factory.mktemp("base")
    write_model(
        folder,
        params=request.model_dump(),
        vocabulary=done.vocabulary,
        weights=done.weights,
        losses=ModelLosses(validation=1),
    )
    return folder


@pytest.fixture
def base_id(world: World, knows_the_language: Path) -> str:
    """Give the id of a base on the world's volume."""
    model = world.model(text=SHELF, name="Riverside", lowercase=False, **SIZES)
    folder = world.services.volume.models.folder(model.id)
    for name in ("weights.safetensors", "bundle.zip"):
        (folder / name).write_bytes((knows_the_language / name).read_bytes())
    world.services.volume.models.mark_base(model.id, base=True)
    return model.id


def start_of(world: World, text: str = BOOK, **options: Any) -> tuple[Any, Any]:
    """Return what a training on a text starts from, and the job's options."""
    answer = world.train(world.corpus(text), **options)
    assert answer.status_code == 202, answer.text
    return answer.json["starting_point"], answer.json["params"]


def test_a_base_that_knows_the_language_is_taken(world: World, base_id: str) -> None:
    start, params = start_of(world)
    assert (start["model_id"], start["name"]) == (base_id, "Riverside"), start
    assert start["loss"] < start["pairs_loss"]
    assert f"{start['loss']:.2f}" in start["reason"]
    assert f"{start['pairs_loss']:.2f}" in start["reason"]
    assert len(start["sha256"]) == 64
    assert params["init_from"] == base_id
    assert {name: params[name] for name in SIZES} == SIZES
    assert params["learning_rate"] == RATE_ON_SHORT_TEXT
    again, _ = start_of(world, init_from="auto")
    assert again == start


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        pytest.param(STRANGE, {}, "no base knows this language", id="another script"),
        pytest.param(BOOK, {"init_from": None}, "random weights were asked for", id="asked for"),
        pytest.param(BOOK, {"hidden_size": 190}, "no base has hidden_size 190", id="another width"),
        pytest.param(BOOK, {"layers": 2}, "no base has layers 2", id="more layers"),
        pytest.param(BOOK, {"recipe": "classic"}, "random weights were asked for", id="classic"),
        pytest.param("aaaaaaaaaaaaaaaa" * 100, {}, "", id="one character"),
    ],
)
@pytest.mark.usefixtures("base_id")
def test_otherwise_random_weights_with_the_reason(world: World, text: str, options: dict[str, Any], words: str) -> None:
    start, params = start_of(world, text, **options)
    assert start["model_id"] is params["init_from"] is None
    assert words in start["reason"]


@pytest.mark.usefixtures("base_id")
def test_time_for_a_much_wider_model_is_better_spent_on_one(world: World) -> None:
    text = BOOK * 60
    start, params = start_of(world, text, max_seconds=3600)
    assert start["model_id"] is None
    assert f"{params['hidden_size']} units" in start["reason"]


def test_without_bases_the_reason_says_so(world: World) -> None:
    start, _ = start_of(world)
    assert start["reason"] == "there are no bases"


def test_a_training_that_is_sent_before_a_worker_has_started_has_the_packaged_base(
    redis_url: str, data_dir: Path
) -> None:
    world = World(settings_of(redis_url, data_dir, CHARLOOM_PACKAGED_BASES="1"))
    try:
        job = world.train(world.corpus(SAMPLE.read_text("utf-8"))).json
        assert job["starting_point"]["name"] == "English"
        assert job["starting_point"]["model_id"] == job["params"]["init_from"]
        world.services.store.jobs.cancel(job["id"])
        assert world.http.delete(f"{API}/models/{job['params']['init_from']}").status_code == 204
        assert start_of(world)[0]["reason"] == "there are no bases", "it comes only once"
    finally:
        world.close()


def test_a_volume_that_takes_no_base_costs_a_training_only_that(
    redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(settings_of(redis_url, data_dir, CHARLOOM_PACKAGED_BASES="1"))

    def is_full(*_: object) -> None:
        raise VolumeUnavailable("No space left on device")

    monkeypatch.setattr("shared.bases.packaged.building", is_full)
    try:
        assert start_of(world)[0]["reason"] == "there are no bases"
        assert "No space left on device" in caplog.text
    finally:
        world.close()


def test_the_estimate_knows_the_base(world: World, base_id: str) -> None:
    corpus_id = world.corpus()
    estimate = world.http.post(f"{API}/estimates", json={"corpus_id": corpus_id}).json
    assert estimate["starting_point"]["model_id"] == base_id
    params = world.train(corpus_id).json["params"]
    chars = len(Vocabulary.of(SHELF + BOOK))
    units, embedding = params["hidden_size"], params["embedding_size"]
    assert estimate["parameters"] == 4 * units * (units + embedding + 2) + chars * (embedding + units + 1)


def test_a_base_in_use_cannot_be_deleted_and_one_that_is_gone_is_not_tried(world: World, base_id: str) -> None:
    job_id = world.train(world.corpus()).json["id"]
    assert world.http.delete(f"{API}/models/{base_id}").status_code == 409
    world.services.store.jobs.cancel(job_id)
    assert world.http.delete(f"{API}/models/{base_id}").status_code == 204
    assert start_of(world)[0]["reason"] == "there are no bases"


def test_a_damaged_base_is_left_out(world: World, base_id: str, caplog: pytest.LogCaptureFixture) -> None:
    path = world.services.volume.models.weights_path(base_id)
    path.write_bytes(path.read_bytes()[:100])
    assert start_of(world)[0]["reason"] == "no base can be read"
    assert base_id in caplog.text


def test_any_stream_model_can_be_marked(world: World) -> None:
    model, other = world.model(), world.model(recipe="classic", name="Tutorial")
    assert world.get(f"/models/{model.id}").json["base"] is False
    etag = world.get(f"/models/{model.id}").headers["ETag"]
    marked = world.http.patch(f"{API}/models/{model.id}", json={"base": True}, headers={"If-Match": etag})
    assert marked.json["base"] is True
    assert marked.headers["ETag"] != etag
    assert [one["base"] for one in world.get("/models?order=asc").json["data"]] == [True, False]
    assert world.http.patch(f"{API}/models/{model.id}", json={"base": False}).json["base"] is False
    refused = world.http.patch(f"{API}/models/{other.id}", json={"base": True})
    assert refused.status_code == 422
    assert pointers(refused) == ["/base"]


def test_a_resumed_training_keeps_its_starting_point(world: World, base_id: str) -> None:
    job_id = world.train(world.corpus()).json["id"]
    claim = world.claim(job_id)
    world.save_state(claim)
    world.fail(claim)
    resumed = world.http.post(f"{API}/jobs/{job_id}/resume").json
    assert resumed["starting_point"]["model_id"] == base_id


def test_the_pages_show_what_a_training_starts_from(world: World, base_id: str) -> None:
    corpus_id = world.corpus()
    form = world.http.get(f"/?corpus_id={corpus_id}").text
    assert "Riverside</bdi></a>: Riverside predicts a sample of the text with" in form
    token = re.findall(r'name="csrf_token" value="([0-9a-f]{64})"', form)[0]

    def post(path: str, **fields: str) -> Reply:
        return world.http.post(path, data={"csrf_token": token} | fields)

    from_base = post("/train", corpus_id=corpus_id, recipe="stream").location.rpartition("/")[2]
    assert world.get(f"/jobs/{from_base}").json["params"]["init_from"] == base_id
    assert "Riverside predicts a sample" in world.http.get(f"/jobs/{from_base}").text

    from_random = post("/train", corpus_id=corpus_id, recipe="stream", init_from="random").location.rpartition("/")[2]
    assert world.get(f"/jobs/{from_random}").json["params"]["init_from"] is None
    again = world.http.get(f"/?again={from_random}").text
    assert '<option value="random" selected>random weights</option>' in again

    assert '<span class="kicker">base</span> <bdi>Riverside</bdi>' in world.http.get("/models").text
    assert "No longer a base" in world.http.get(f"/models/{base_id}").text
    assert post(f"/models/{base_id}/base", base="false").status_code == 303
    assert not world.services.volume.models.is_base(base_id)
    assert "Make it a base" in world.http.get(f"/models/{base_id}").text
    assert post(f"/models/{base_id}/base", base="true").status_code == 303
    assert world.services.volume.models.is_base(base_id)
    assert "built-in" not in form, "an option named as a method of dict has no error"
