"""A cluster of a module's own, a text, and a training undisturbed: what the disturbed ones are held against."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import redis

from shared.jobs.record import Job
from shared.volume import Corpus
from tests.worker.clock import Clock
from tests.worker.cluster import MIDDLING, ROOT, Cluster


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def cluster(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    folder = tmp_path_factory.mktemp("cluster")
    # One thread: these trainings are small, and other processes compute at the same time.
    return Cluster.make(valkey, folder / "data", folder, lease_ttl_s="3", train_threads="1")


@pytest.fixture(scope="module")
def corpus(cluster: Cluster) -> Corpus:
    """A third of the sample: few batches."""
    return cluster.corpus_of((ROOT / "shared" / "sample.txt").read_text("utf-8")[:12_000])


@pytest.fixture(scope="module")
def steady_worker(cluster: Cluster) -> Iterator[None]:
    """A worker that serves all tests of the module."""
    with cluster.worker():
        yield


@pytest.fixture(scope="module")
def made(cluster: Cluster, corpus: Corpus) -> Job:
    """A job that trained to its end, undisturbed, on the module's steady worker if there is one."""
    with nullcontext() if cluster.seen() else cluster.worker("maker"):
        return cluster.ended(cluster.train(corpus, **MIDDLING))
