"""A store, a volume and a text for benches that need whole workers."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.common import SAMPLE
from cli.service import valkey as embedded
from shared.jobs.record import JobType
from shared.requests.options import StreamRequest
from shared.volume import Corpus
from tests.waiting import eventually
from tests.worker.cluster import Cluster

__all__ = ["SAMPLE", "cluster_of_argument", "own_cluster", "train", "trained", "valkey"]


def train(cluster: Cluster, corpus: Corpus, **options: Any) -> str:
    """Send a training from random weights, with default sizes unless given, and return its id."""
    request = StreamRequest(corpus_id=corpus.id, name="a model", init_from=None, seed=1, sample_chars=0, **options)
    return cluster.send(JobType.TRAIN, request.model_dump(mode="json"))


def trained(cluster: Cluster, corpus: Corpus) -> str:
    """Train for an epoch and return the model's id."""
    return cluster.ended(train(cluster, corpus, epochs=1)).model_id


@contextmanager
def cluster_of_argument() -> Iterator[tuple[Cluster, Path]]:
    """Give a cluster without workers, and the text that the command line names, the sample by default."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    with own_cluster() as cluster:
        yield cluster, path


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    """Give a cluster without workers, on a Valkey of its own, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="charloom-bench-") as name:
        folder = Path(name)
        with valkey(folder) as url:
            yield Cluster.make(url, folder / "data", folder, step_log=str(folder / "steps"))


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Start a Valkey in a folder, give its address, and end it."""
    socket = embedded.socket_path(folder)
    with (folder / "valkey.log").open("wb") as log:
        server = subprocess.Popen(embedded.server_command(folder, socket), stdout=log, stderr=log)
    try:
        eventually(lambda: embedded.responds(socket), "Valkey answers")
        yield embedded.socket_url(socket)
    finally:
        server.terminate()
        server.wait()
