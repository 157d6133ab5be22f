"""States that the volume refuses leave nothing behind, and the training hears of it; a slow volume costs no lease."""

from pathlib import Path

import pytest
import torch

from shared.errors import VolumeUnavailable
from shared.jobs.events import EventType
from shared.volume import Corpus, JobFolders
from tests.waiting import eventually
from tests.worker.cluster import Cluster
from worker.jobs.attempt import Attempt
from worker.jobs.checkpointer import Checkpointer
from worker.jobs.lease import Lease
from worker.jobs.reporter import Reporter
from worker.training.state import TrainState, save_state


def state(step: int) -> TrainState:
    return TrainState(tensors={"model.a": torch.ones(4)}, facts={"step": step})


def test_a_state_that_the_volume_refuses_leaves_the_older_one_alone(
    cluster: Cluster, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = cluster.attempt(cluster.mute().train(corpus))
    folder = attempt.folder()
    checkpointer = Checkpointer(attempt, folder)
    checkpointer.save(state(1))
    kept = {"state-1.safetensors", "state.json"}
    assert {path.name for path in folder.iterdir()} == kept

    def refuse(*_: object) -> None:
        raise VolumeUnavailable("full")

    # When: there is space for the tensors, but none for the manifest; then not even for them.
    with monkeypatch.context() as full:
        full.setattr(JobFolders, "commit_state", refuse)
        checkpointer.save(state(2))
        full.setattr("worker.jobs.checkpointer.save_state", refuse)
        checkpointer.save(state(3))
    # Then
    assert {path.name for path in folder.iterdir()} == kept
    assert [saved.step for saved in cluster.volume.jobs.states(attempt.job.id)] == [1]
    checkpointer.save(state(4))
    assert {path.name for path in folder.iterdir()} == {"state-4.safetensors", "state.json"}
    attempt.reporter.flush(now=True)
    events = cluster.store.events.newest(attempt.job.id, limit=10)[::-1]
    assert [event.data["message"] for event in events if event.type is EventType.LOG] == [
        "The training continues, but its state can't be saved: full",
        "The training's state is saved again, at step 4.",
    ]


def test_while_a_volume_hangs_that_takes_a_state_the_lease_is_kept(
    cluster: Cluster, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, host, ttl_s = cluster.store.jobs, cluster.host(), 2.0
    claim = jobs.claim(cluster.mute().train(corpus), worker="w1", lease_s=ttl_s)
    assert claim is not None
    lease = Lease(jobs, claim, ttl_s=ttl_s, stall_s=60, lease_renewer=host.lease_renewer)
    reporter = Reporter(jobs, claim, saw_cancel=lease.saw_cancel)
    attempt = Attempt(host=host, job=claim.job, token=claim.token, lease=lease, reporter=reporter)
    folder = attempt.folder()

    def hang(path: Path, state: TrainState) -> str:
        first_ms = jobs.get(attempt.job.id).lease_until_ms
        eventually(lambda: jobs.get(attempt.job.id).lease_until_ms > first_ms + ttl_s * 1000, "it outlives its lease")
        assert jobs.reap(lease_s=ttl_s) == []
        return save_state(path, state)

    monkeypatch.setattr("worker.jobs.checkpointer.save_state", hang)
    with lease:
        Checkpointer(attempt, folder).save(state(1))
        assert lease.check() is None
    assert [saved.step for saved in cluster.volume.jobs.states(attempt.job.id)] == [1]
