"""A whole service whose hosts share a bucket: upload, a training that changes hosts, its model, a text of it."""

import itertools
from pathlib import Path

import pytest
import redis

from shared.errors import LeaseLost
from shared.volume import Corpus
from tests.web.world import API
from tests.worker.cluster import ROOT, Cluster
from web import create_app
from worker.jobs.attempt import Sealed, Stopped, Written
from worker.jobs.generate_job import run_generate
from worker.jobs.lease import StopRequest
from worker.jobs.publish import complete
from worker.jobs.train_job import run_train


def trained(cluster: Cluster, corpus: Corpus) -> bytes:
    """Train undisturbed, and return the weights."""
    job_id = cluster.mute().train(corpus, epochs=1)
    attempt = cluster.attempt(job_id)
    with attempt.lease:
        assert isinstance(run_train(attempt), Sealed)
    complete(cluster.store.jobs, cluster.volume, job_id, attempt.token)
    return cluster.weights(cluster.store.jobs.get(job_id))


def test_a_training_changes_hosts_that_share_a_bucket_and_ends_with_the_same_weights(
    valkey: str, tmp_path: Path, volume_url: str
) -> None:
    sample = ROOT / "shared" / "sample.txt"
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
        in_folder = Cluster.make(valkey, tmp_path / "folder", tmp_path)
        undisturbed = trained(in_folder, in_folder.corpus(sample))
        client.flushall()
    web, first, second = (
        Cluster.make(valkey, tmp_path / name, tmp_path, volume_url=volume_url) for name in ("web", "first", "second")
    )
    http = create_app(web.settings).test_client()
    with sample.open("rb") as file:
        sent = http.post(f"{API}/corpora", data={"file": (file, "sample.txt")})
    assert sent.json is not None
    # Given: a training that has saved a state and has given up its job, though it doesn't know
    job_id = first.mute().train(first.volume.corpora.get(sent.json["id"]), epochs=1)
    steps = itertools.count()
    lost = first.attempt(job_id, draining=lambda: next(steps) > 5)
    with lost.lease:
        assert run_train(lost) == Stopped(request=StopRequest.DRAIN)
    [state] = first.volume.jobs.states(job_id)
    first.store.jobs.release(job_id, lost.token)
    # When: another host goes on, and a third one publishes the model, as a reaper does
    successor = second.attempt(job_id)
    with successor.lease:
        assert isinstance(run_train(successor), Sealed)
    with pytest.raises(LeaseLost, match="newer attempt"):
        first.volume.jobs.commit_state(state.path.parent, state)
    complete(web.store.jobs, web.volume, job_id, successor.token)
    # Then
    model_id = web.store.jobs.get(job_id).model_id
    weights = first.volume.models.folder(model_id, "weights.safetensors") / "weights.safetensors"
    assert weights.read_bytes() == undisturbed
    assert first.volume.jobs.states(job_id) == []
    with http.get(f"{API}/models/{model_id}/download") as bundle:
        assert bundle.data == (second.volume.models.folder(model_id, "bundle.zip") / "bundle.zip").read_bytes()
    writer = first.attempt(first.mute().write(model_id))
    with writer.lease:
        text = run_generate(writer)
    assert isinstance(text, Written)
    assert len(text.result["outputs"][0]["text"]) == 100  # type: ignore[index]
