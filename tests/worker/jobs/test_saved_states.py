"""A saved training state starts the count of lost attempts again; one that is no newer doesn't."""

import pytest

from shared.volume import Corpus
from tests.worker.cluster import ENDLESS, Cluster
from worker.jobs.lease import StopRequested
from worker.jobs.train_job import run_train


def test_each_attempt_that_saves_a_newer_state_starts_the_count_again(cluster: Cluster, corpus: Corpus) -> None:
    # Given: a training that has lost two of the three attempts that it may lose in a row.
    job_id = cluster.mute().train(corpus, **ENDLESS)
    for _ in range(2):
        lose(cluster, cluster.attempt(job_id).job.id)
    assert cluster.store.jobs.get(job_id).lost_attempts == 2
    # When: four more save a state after some steps, and are lost.
    for _ in range(4):
        checks = iter(range(200))
        attempt = cluster.attempt(job_id, draining=lambda: next(checks) > 20)  # noqa: B023
        run_train(attempt)
        assert cluster.store.jobs.get(job_id).lost_attempts == 0
        lose(cluster, job_id)
    # Then: an attempt that is stopped where it began has saved nothing newer.
    with pytest.raises(StopRequested, match="drain"):
        run_train(cluster.attempt(job_id, draining=lambda: True))
    assert cluster.store.jobs.get(job_id).lost_attempts == 1


def lose(cluster: Cluster, job_id: str) -> None:
    cluster.store.jobs.lose(job_id, owner_id="w1")
    assert [reaped.outcome for reaped in cluster.store.jobs.reap(lease_s=60)] == ["requeued"]
