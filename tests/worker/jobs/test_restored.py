"""A service that is restored from a backup. A module of its own: all jobs of the volume begin again with it."""

import json
import shutil
from pathlib import Path

import pytest
import redis

from shared.jobs.events import EventType
from shared.jobs.record import Job
from shared.volume import Corpus
from shared.volume.backup import back_up
from tests.waiting import eventually
from tests.worker.cluster import MIDDLING, Cluster

pytestmark = pytest.mark.usefixtures("steady_worker")


def test_a_service_restored_from_a_backup_ends_a_training_with_the_same_weights(
    cluster: Cluster, corpus: Corpus, made: Job, tmp_path: Path
) -> None:
    # Given: a backup that was taken during a training.
    undisturbed = cluster.weights(made)
    job_id = cluster.train(corpus, **MIDDLING)
    eventually(lambda: cluster.volume.jobs.states(job_id), "a state is saved")
    back_up(cluster.volume, tmp_path / "backup")
    # When: the volume is lost and restored, then Redis is emptied: a worker that runs meanwhile rebuilds the records
    # from what it finds, once.
    cluster.store.jobs.cancel(job_id)
    cluster.ended(job_id)
    for part in cluster.volume.folder.iterdir():
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    shutil.copytree(tmp_path / "backup", cluster.volume.folder, dirs_exist_ok=True)
    with redis.Redis.from_url(cluster.settings.redis_url.get_secret_value()) as client:
        client.flushall()
    # Then
    eventually(lambda: cluster.store.jobs.find(job_id), "the record is restored")
    assert cluster.weights(cluster.ended(job_id)) == undisturbed
    logs = [
        event.data for event in cluster.store.events.read(job_id, limit=10_000).events if event.type is EventType.LOG
    ]
    assert any("Continues from step" in json.dumps(data) for data in logs)
