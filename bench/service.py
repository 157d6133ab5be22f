"""A store, a volume and a text for benches that need whole workers."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.common import SAMPLE
from cli.service import valkey as embedded
from tests.waiting import eventually
from tests.worker.cluster import Cluster

__all__ = ["SAMPLE", "cluster_of_argument", "own_cluster", "valkey"]


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
