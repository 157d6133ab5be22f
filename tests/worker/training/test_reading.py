"""A long text is read with an eye on the lease: a wish to stop is heard before the first step."""

from pathlib import Path

import pytest

from shared.jobs.record import Status
from shared.volume import Corpus
from tests.worker.cluster import Cluster
from tests.worker.short_trainings import sample_text
from worker.jobs.attempt import Attempt, Stopped, WorkerContext
from worker.jobs.lease import Lease, StopRequest
from worker.jobs.lease_renewer import LeaseRenewer
from worker.jobs.model_cache import ModelCache
from worker.jobs.reporter import Reporter
from worker.jobs.step_log import StepLog
from worker.jobs.train_job import run_train

#: Some parts of what is read at once.
CHARS = 500_000


@pytest.fixture(scope="module")
def long_corpus(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path: Path = tmp_path_factory.mktemp("long") / "long.txt"
    sample = sample_text(10_000)
    path.write_text(sample * (CHARS // len(sample)), "utf-8")
    return cluster.corpus(path)


@pytest.mark.parametrize("wish", StopRequest)
def test_a_wish_to_stop_is_heard_while_the_text_is_read(
    cluster: Cluster, long_corpus: Corpus, wish: StopRequest
) -> None:
    # Given: a claimed training, and a wish that comes at the third look.
    job_id = cluster.mute().train(long_corpus)
    claim = cluster.store.jobs.claim(job_id, worker="w1", lease_s=60)
    assert claim is not None
    looks = 0

    def draining() -> bool:
        nonlocal looks
        looks += 1
        if wish is StopRequest.CANCEL and looks == 2:
            lease.saw_cancel(True)  # heard at the next look
        return wish is StopRequest.DRAIN and looks == 3

    lease_renewer = LeaseRenewer()
    lease = Lease(cluster.store.jobs, claim, ttl_s=60, stall_s=60, lease_renewer=lease_renewer, draining=draining)
    reporter = Reporter(cluster.store.jobs, claim, saw_cancel=lease.saw_cancel, every_s=1)
    host = WorkerContext(
        name="w1",
        owner_id="w1",
        settings=cluster.settings,
        store=cluster.store,
        volume=cluster.volume,
        train_threads=1,
        step_log=StepLog(None),
        lease_renewer=lease_renewer,
        model_cache=ModelCache(cluster.volume),
        draining=draining,
    )
    # When
    outcome = run_train(Attempt(host=host, job=claim.job, token=claim.token, lease=lease, reporter=reporter))
    # Then
    assert outcome == Stopped(request=wish)
    assert looks == (3 if wish is StopRequest.DRAIN else 2)
    assert cluster.volume.jobs.states(job_id) == [], "nothing was there to be saved"
    job = cluster.store.jobs.get(job_id)
    assert (job.status, job.progress.step) == (Status.RUNNING, 0)
