"""What is damaged on the disk is shown as an error where it is asked for, never as a 500, and harms nothing else."""

import json
from pathlib import Path

import pytest

from tests.web.pages.test_pages import text_of
from tests.web.world import World

ROW = b'{"step": 9, "epoch": 1, "seconds": 1.0, "train_loss": 2.0}\n'


def folder_of(world: World, kind: str, an_id: str) -> Path:
    return world.services.volume.folder / kind / an_id


@pytest.mark.parametrize(
    "rows",
    [
        b'{"step": 9, "epoch": 1, "seconds": 1.0, "train_loss": "low"}\n',
        b'{"step": 9, "epoch": -1, "seconds": 1.0, "validation_loss": 1.0}\n',
        b'{"step": 9, "epoch": 1, "seconds": 1.0, "train_loss": NaN}\n',
        b'{"step": 9, "epoch": 1, "seconds": %s}\n' % (b"9" * 4000),
        b"{}\n" * 100_000,
        b"[" * 300_000,
        b"\xff\n",
        ROW * 20_001,
        b'{"step": 9, "ep',
    ],
    ids=range(9),
)
def test_a_model_whose_losses_are_damaged_is_shown_with_an_error_in_their_place(world: World, rows: bytes) -> None:
    whole, damaged = world.model(name="Whole", epochs_measured=3), world.model(name="Reeds", epochs_measured=3)
    (folder_of(world, "models", damaged.id) / "metrics.jsonl").write_bytes(ROW + rows)
    page = world.http.get(f"/models/{damaged.id}")
    assert page.status_code == 200
    assert f"The losses of {damaged.id} can't be read: metrics.jsonl is damaged, " in text_of(page)
    csv = world.http.get(f"/models/{damaged.id}/losses.csv")
    assert csv.status_code == 404
    assert "is damaged" in text_of(csv)
    both = world.http.get(f"/models/compare?ids={whole.id},{damaged.id}")
    assert both.status_code == 200
    assert "is damaged" in text_of(both)
    assert len(page.data) + len(csv.data) + len(both.data) < 200_000


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b'{"id": "mod',
        b"\xff",
        b"[]",
        b"[" * 100_000,
        {"recipe": "transformer"},
        {"losses": {"train": "low"}},
        {"losses": {"validation": 10**4000}},
        {"vocabulary": None},
        {"files": {"bundle": {}}},
    ],
    ids=range(10),
)
def test_a_model_whose_meta_is_damaged_is_an_error_of_its_own_and_can_be_deleted(
    world: World, change: bytes | dict[str, object]
) -> None:
    whole, damaged = world.model(name="Whole"), world.model(name="Broken")
    path = folder_of(world, "models", damaged.id) / "meta.json"
    path.write_bytes(
        change if isinstance(change, bytes) else json.dumps(json.loads(path.read_bytes()) | change).encode()
    )
    for address in (f"/models/{damaged.id}", f"/models/compare?ids={whole.id},{damaged.id}"):
        page = world.http.get(address)
        assert page.status_code == 404
        assert f"meta.json of {damaged.id} is damaged: " in text_of(page)
    answer = world.get(f"/models/{damaged.id}")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert len(answer.data) < 1000
    for address in ("/models", f"/models/{whole.id}", "/write", "/"):
        assert world.http.get(address).status_code == 200, address
    assert [model["id"] for model in world.get("/models").json["data"]] == [whole.id]
    assert world.http.delete(f"/api/v1/models/{damaged.id}").status_code == 204
    assert "There is no model" in world.get(f"/models/{damaged.id}").json["detail"]


def test_a_corpus_whose_meta_is_damaged_is_left_out_and_can_be_sent_again_and_deleted(world: World) -> None:
    corpus_id = world.corpus()
    (folder_of(world, "corpora", corpus_id) / "meta.json").write_text('{"id": 1}')
    for address in ("/", f"/?corpus_id={corpus_id}"):
        assert world.http.get(address).status_code < 500
    assert world.get("/corpora").json["data"] == []
    answer = world.get(f"/corpora/{corpus_id}")
    assert (answer.status_code, "is damaged" in answer.json["detail"]) == (404, True)
    new = world.corpus()
    assert new != corpus_id
    assert world.corpus() == new
    assert world.http.delete(f"/api/v1/corpora/{corpus_id}").status_code == 204
    assert "There is no corpus" in world.get(f"/corpora/{corpus_id}").json["detail"]
    assert world.corpus() == new


def test_a_page_holds_at_most_so_many_rows_and_the_file_has_all(world: World) -> None:
    model = world.model(epochs_measured=19_999)
    page = world.http.get(f"/models/{model.id}")
    assert page.text.count("<tr><td") == 2000
    assert 'data-value="179991"' in page.text, "the last row"
    assert "One row in 10 is shown" in text_of(page)
    assert len(world.http.get(f"/models/{model.id}/losses.csv").text.splitlines()) == 20_000
