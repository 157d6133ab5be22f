"""A long text is read with an eye on the lease: a request to stop is noticed before the first step."""

from pathlib import Path

import pytest

from shared.jobs.record import Status
from shared.volume import Corpus
from tests.worker.cluster import Cluster
from tests.worker.short_trainings import sample_text
from worker.jobs.lease import StopRequest, StopRequested
from worker.jobs.train_job import run_train

#: Some parts of what is read at once.
CHARS = 500_000


@pytest.fixture(scope="module")
def long_corpus(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path: Path = tmp_path_factory.mktemp("long") / "long.txt"
    sample = sample_text(10_000)
    path.write_text(sample * (CHARS // len(sample)), "utf-8")
    return cluster.corpus(path)


@pytest.mark.parametrize("stop", StopRequest)
def test_a_request_to_stop_is_noticed_while_the_text_is_read(
    cluster: Cluster, long_corpus: Corpus, stop: StopRequest
) -> None:
    # Given: a claimed training, and a request that comes at the third check.
    checks = 0

    def draining() -> bool:
        nonlocal checks
        checks += 1
        if stop is StopRequest.CANCEL and checks == 2:
            attempt.lease.saw_cancel(True)  # noticed at the next check
        return stop is StopRequest.DRAIN and checks == 3

    job_id = cluster.mute().train(long_corpus)
    attempt = cluster.attempt(job_id, draining=draining)
    # When
    with pytest.raises(StopRequested) as caught:
        run_train(attempt)
    # Then
    assert caught.value.request is stop
    assert checks == (3 if stop is StopRequest.DRAIN else 2)
    assert cluster.volume.jobs.states(job_id) == [], "nothing was there to be saved"
    job = cluster.store.jobs.get(job_id)
    assert (job.status, job.progress.step) == (Status.RUNNING, 0)
