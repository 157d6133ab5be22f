"""Jobs on a real worker end as they should."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import redis
import torch

from shared.errors import JobFailed
from shared.ids import model_id_of, new_id
from shared.jobs.events import EventType
from shared.jobs.record import Job, JobType, Queue, Status
from shared.requests.options import ClassicRequest
from shared.requests.writing import GenerateRequest
from shared.store import keys
from shared.text.items import Items, ModelItems
from shared.volume import Corpus
from shared.volume.item_lists import read_items
from tests.waiting import eventually
from tests.worker.cluster import ENDLESS, MIDDLING, Cluster
from worker.jobs.attempt import Written
from worker.jobs.generate_job import run_generate
from worker.jobs.items_job import run_items
from worker.jobs.lease import StopRequested

pytestmark = pytest.mark.usefixtures("steady_worker")


def test_a_training_ends_as_a_model_and_leaves_no_state(cluster: Cluster, made: Job) -> None:
    model = cluster.volume.models.get(model_id_of(made.id))
    assert model.losses.baselines is not None
    baselines = asdict(model.losses.baselines)
    assert made.result == {"model_id": model.id, "stop_reason": "completed", "baselines": baselines}
    assert made.metrics.baselines == baselines
    assert (model.name, model.recipe, model.job_id, set(model.files)) == ("a model", "stream", made.id, {"bundle"})
    # The record says that it has ended, then the worker removes what it saved on the way.
    eventually(lambda: cluster.volume.jobs.min_token(made.id) == 0, "its attempts are removed")
    assert cluster.volume.jobs.states(made.id) == []
    ended = cluster.volume.jobs.ended(made.id)
    assert ended is not None
    assert ended.status is Status.SUCCEEDED


def test_what_happened_is_published_in_order(cluster: Cluster, made: Job) -> None:
    events = cluster.store.events.read(made.id, limit=10_000).events
    kinds = [event.type for event in events]
    assert [event.data["status"] for event in events if event.type is EventType.STATUS] == [
        "queued",
        "running",
        "succeeded",
    ]
    assert {EventType.PROGRESS, EventType.METRIC, EventType.SAMPLE} <= set(kinds)
    assert kinds[-1] is EventType.DONE
    metrics = cluster.store.jobs.metrics(made.id)
    assert list(metrics) == [event.data for event in events if event.type is EventType.METRIC]
    steps = [event.data["progress"]["step"] for event in events if event.type is EventType.PROGRESS]
    assert steps == sorted(steps)
    assert made.progress.fraction == 1.0
    judged = [metric for metric in metrics if metric["validation_loss"] is not None]
    last, best = judged[-1], min(judged, key=lambda metric: metric["validation_loss"])
    assert (made.metrics.train_loss, made.metrics.validation_loss) == (last["train_loss"], last["validation_loss"])
    assert (made.metrics.best_loss, made.metrics.best_epoch) == (best["validation_loss"], best["epoch"])


def test_the_same_request_and_seed_give_the_same_text_and_another_seed_another(cluster: Cluster, made: Job) -> None:
    seeds = (3, 3, 4)
    jobs = [cluster.ended(cluster.write(made.model_id, seed=seed, n=3)) for seed in seeds]
    texts = [[output["text"] for output in (job.result or {})["outputs"]] for job in jobs]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) == 3, "variants differ"
    streamed: dict[int, str] = {}
    for event in cluster.store.events.read(jobs[0].id, limit=1000).events:
        if event.type is EventType.TEXT:
            index, offset = event.data["index"], event.data["offset"]
            streamed[index] = streamed.get(index, "")[:offset] + event.data["delta"]
    assert [streamed[index] for index in range(3)] == texts[0]


def test_a_cancelled_writing_keeps_what_it_wrote(cluster: Cluster, made: Job) -> None:
    job_id = cluster.write(made.model_id, length=100_000, n=64)
    cluster.running(job_id)
    cluster.store.jobs.cancel(job_id)
    job = cluster.ended(job_id)
    assert job.status is Status.CANCELLED
    assert job.result is not None
    assert {output["finish_reason"] for output in job.result["outputs"]} == {"cancelled"}
    assert job.result["outputs"][0]["text"]


def test_a_model_of_a_list_records_it_and_so_does_its_bundle(cluster: Cluster) -> None:
    names = "".join(f"name {number % 90}\n" for number in range(300))
    corpus = cluster.corpus_of(names)
    assert corpus.items == Items(separator="\n", count=300, unique=90, longest=7)
    job = cluster.ended(cluster.train(corpus, epochs=1, items={"separator": "\n"}))
    recorded = ModelItems(separator="\n", count=300, unique=90)
    assert cluster.volume.models.get(str(job.model_id)).items == recorded
    bundle = cluster.volume.models.folder(str(job.model_id)) / "bundle.zip"
    imported = cluster.ended(cluster.send(JobType.IMPORT, {"name": "theirs"}, upload=bundle))
    assert cluster.volume.models.get(model_id_of(imported.id)).items == recorded


def test_a_cancelled_list_keeps_its_items(cluster: Cluster, made: Job) -> None:
    wanted = {"count": 100_000, "unique": False, "separator": " "}
    job_id = cluster.write(made.model_id, items=wanted)
    cluster.running(job_id)
    cluster.store.jobs.cancel(job_id)
    job = cluster.ended(job_id)
    assert job.status is Status.CANCELLED
    assert job.result is not None
    items = job.result["items"]
    assert items["finish_reason"] == "cancelled"
    assert items["written"] == len(list(read_items(cluster.volume.jobs.items(job_id)))) < 100_000
    folder = cluster.volume.folder / "jobs" / job_id
    assert {path.name for path in folder.iterdir()} <= {"job.json", "end.json", "items.jsonl", "cancel.json"}


def test_a_drained_list_leaves_nothing_for_the_next_attempt_to_trip_over(cluster: Cluster, made: Job) -> None:
    job_id = cluster.mute().write(made.model_id, items={"count": 50, "separator": " "})
    attempt = cluster.attempt(job_id, draining=lambda: True)
    with pytest.raises(StopRequested):
        run_generate(attempt)
    assert {path.name for path in (cluster.volume.folder / "jobs" / job_id).iterdir()} == {"job.json"}
    cluster.store.jobs.finish(job_id, attempt.token, Status.CANCELLED)


def test_new_items_need_the_training_text_and_others_do_without(cluster: Cluster, made: Job) -> None:
    # Given a model whose text is deleted after the jobs were sent
    model = cluster.volume.models.get(made.model_id)
    orphan = replace(model, corpus_id=new_id("cor"))
    for new in (True, False):
        job_id = cluster.mute().write(model.id, items={"count": 5, "separator": " ", "new": new})
        attempt = cluster.attempt(job_id)
        request = GenerateRequest.model_validate(attempt.job.params)
        loaded = attempt.host.model_cache.model(model)
        assert request.items is not None
        if new:
            with pytest.raises(JobFailed, match="training text was deleted"):
                run_items(attempt, request, request.items, orphan, loaded)
        else:
            ended = run_items(attempt, request, request.items, orphan, loaded)
            assert isinstance(ended, Written)
            assert ended.result["items"]["known"] is None  # type: ignore[index]
            assert {item.known for item in read_items(cluster.volume.jobs.items(job_id))} == {None}
        cluster.store.jobs.finish(job_id, attempt.token, Status.CANCELLED)


def test_a_cancelled_training_keeps_its_newest_state(cluster: Cluster, corpus: Corpus) -> None:
    job_id = cluster.train(corpus, **ENDLESS)
    step = cluster.running(job_id, step=8).progress.step
    cluster.store.jobs.cancel(job_id)
    job = cluster.ended(job_id)
    assert (job.status, job.result, job.error) == (Status.CANCELLED, None, None)
    assert cluster.volume.jobs.states(job_id)[0].step == job.progress.step >= step
    assert cluster.volume.models.find(model_id_of(job_id)) is None


def test_a_cancelled_training_is_resumed_to_the_same_weights(cluster: Cluster, corpus: Corpus, made: Job) -> None:
    # Given a training that was cancelled on its way
    job_id = cluster.train(corpus, **MIDDLING)
    cluster.running(job_id, step=8)
    cluster.store.jobs.cancel(job_id)
    old = cluster.ended(job_id)
    assert old.status is Status.CANCELLED
    state = cluster.volume.jobs.states(job_id)[0]
    left = state.path.read_bytes()
    # When it is resumed, cancelled before it makes a step, and that one is resumed
    second = cluster.resume(old)
    cluster.store.jobs.cancel(second)
    new = cluster.ended(cluster.resume(cluster.ended(second)))
    # Then it ends as one that was never cancelled, and what the first left is still there
    assert cluster.weights(new) == cluster.weights(made)
    losses = [{**metric, "seconds": None} for metric in cluster.store.jobs.metrics(new.id)]
    assert losses == [{**metric, "seconds": None} for metric in cluster.store.jobs.metrics(made.id)]
    messages = [
        event.data["message"]
        for event in cluster.store.events.read(new.id, limit=10_000).events
        if event.type is EventType.LOG
    ]
    assert any(message.startswith("Continues from step ") for message in messages)
    assert cluster.volume.jobs.states(job_id) == [state]
    assert state.path.read_bytes() == left


def test_writing_doesn_t_wait_behind_training_and_a_second_training_does(
    cluster: Cluster, corpus: Corpus, made: Job
) -> None:
    trainings = [cluster.train(corpus, **ENDLESS) for _ in range(3)]
    cluster.running(trainings[0])
    for _ in range(3):
        assert cluster.ended(cluster.write(made.model_id)).status is Status.SUCCEEDED
    records = [cluster.store.jobs.get(job_id) for job_id in trainings]
    assert [record.status for record in records] == [Status.RUNNING, Status.QUEUED, Status.QUEUED]
    assert [record.queue_position for record in records] == [None, 1, 2]
    for job_id in reversed(trainings):
        cluster.store.jobs.cancel(job_id)
    assert cluster.ended(trainings[0]).status is Status.CANCELLED


def test_the_next_training_begins_when_a_slot_is_free(cluster: Cluster, corpus: Corpus) -> None:
    first, second = cluster.train(corpus), cluster.train(corpus)
    assert cluster.ended(first).status is cluster.ended(second).status is Status.SUCCEEDED
    begun = cluster.store.jobs.get(second).started_ms
    ended = cluster.store.jobs.get(first).finished_ms
    assert begun is not None
    assert ended is not None
    assert begun >= ended


def test_a_message_that_comes_twice_runs_a_job_once(cluster: Cluster, corpus: Corpus) -> None:
    job_id = cluster.train(corpus)
    for _ in range(3):
        cluster.broker.send(job_id, Queue.TRAIN)
    assert cluster.ended(job_id).attempt == 1
    eventually(lambda: cluster.broker.waiting(Queue.TRAIN) == 0)
    after = cluster.ended(cluster.train(corpus))
    assert after.status is Status.SUCCEEDED
    assert cluster.store.jobs.get(job_id).attempt == 1


def test_a_job_whose_message_was_never_sent_is_run_all_the_same(cluster: Cluster, corpus: Corpus) -> None:
    assert cluster.ended(cluster.mute().train(corpus)).status is Status.SUCCEEDED


def test_a_sealed_job_of_a_dead_worker_is_completed_by_a_reaper(cluster: Cluster, corpus: Corpus, made: Job) -> None:
    # Given a training whose worker died right after it sealed its model: its files are there, its record runs
    job_id = cluster.mute().train(corpus)
    claim = cluster.store.jobs.claim(job_id, worker="dead", lease_s=1)
    assert claim is not None
    folder = cluster.volume.jobs.open_attempt(job_id, claim.token)
    (folder / "model").mkdir()
    for file in cluster.volume.models.folder(made.model_id).iterdir():
        (folder / "model" / file.name).write_bytes(file.read_bytes())
    (folder / "result.json").write_text('{"model_id": "mod_x"}')
    cluster.store.jobs.seal(job_id, claim.token, "ab")
    # When its lease is over, then a reaper publishes the model and ends the job
    job = cluster.ended(job_id)
    assert (job.status, job.result) == (Status.SUCCEEDED, {"model_id": "mod_x"})
    assert (cluster.volume.folder / "models" / model_id_of(job_id) / "weights.safetensors").exists()


def test_a_training_that_blows_up_fails_with_words_and_keeps_its_last_good_state(
    cluster: Cluster, corpus: Corpus
) -> None:
    request = ClassicRequest(
        recipe="classic", corpus_id=corpus.id, seed=1, learning_rate=1.0, hidden_size=64, seq_length=20, sample_chars=0
    )
    job = cluster.ended(cluster.send(JobType.TRAIN, request.model_dump(mode="json")))
    assert job.error is not None
    assert job.error.code == "diverged"
    assert "learning_rate" in job.error.detail
    assert cluster.volume.jobs.states(job.id)


def test_the_document_s_file_is_imported_and_writes(cluster: Cluster, tmp_path: Path) -> None:
    characters = {character: index for index, character in enumerate("\n abcdefgh")}
    lstm, linear = torch.nn.LSTM(1, 16, batch_first=True), torch.nn.Linear(16, len(characters))
    parts = {"lstm": lstm, "linear": linear}
    state = {f"{part}.{name}": value for part in parts for name, value in parts[part].state_dict().items()}
    torch.save([state, characters], tmp_path / "text_generator.pth")
    job = cluster.ended(cluster.send(JobType.IMPORT, {"name": "theirs"}, upload=tmp_path / "text_generator.pth"))
    assert job.error is None
    model = cluster.volume.models.get(model_id_of(job.id))
    assert (model.recipe, model.vocabulary, model.corpus_id, set(model.files)) == (
        "classic",
        "\n abcdefgh",
        None,
        {"bundle", "pth"},
    )
    written = cluster.ended(cluster.write(model.id, prompt="a cab", length=20))
    assert written.result is not None
    assert len(written.result["outputs"][0]["text"]) == 20
    assert written.result["outputs"][0]["copied"] is None


class Bomb:
    """What a wicked file would have us run."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._mark),)


@pytest.mark.parametrize("kind", ["bomb", "truncated", "text", "foreign"])
def test_a_file_that_is_no_model_fails_with_words_runs_nothing_and_isn_t_kept(
    cluster: Cluster, tmp_path: Path, kind: str
) -> None:
    path, mark = tmp_path / "model.pth", tmp_path / "was-run"
    if kind == "bomb":
        torch.save([{"lstm.weight_ih_l0": Bomb(mark)}, {"a": 0}], path)
    elif kind == "truncated":
        torch.save([{"lstm.weight_ih_l0": torch.zeros(400, 100)}, {"a": 0}], path)
        path.write_bytes(path.read_bytes()[:-5000])
    elif kind == "text":
        path.write_text("this is no model")
    else:
        torch.save({"epoch": 3}, path)
    job = cluster.ended(cluster.send(JobType.IMPORT, {"name": "wicked"}, upload=path))
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "bad_model_file")
    assert not mark.exists()
    kept = {path.name for path in (cluster.volume.folder / "jobs" / job.id).iterdir()}
    assert kept == {"job.json", "end.json"}
    assert cluster.volume.models.find(model_id_of(job.id)) is None


def test_no_live_job_is_left_over(cluster: Cluster) -> None:
    client = redis.Redis.from_url(cluster.settings.redis_url.get_secret_value(), decode_responses=True)
    for job in cluster.store.jobs.page(limit=100).jobs:
        assert job.ended, job
    assert client.zcard(keys.RUNNING) == client.zcard(keys.OUTBOX) == 0
    assert not list(client.scan_iter(keys.LAYOUT["uses"] + "*"))
    client.close()
