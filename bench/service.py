"""A store, a volume and a text for benches that need whole workers."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli import valkey as embedded
from tests.waiting import eventually
from tests.worker.cluster import Cluster

SAMPLE = Path(__file__).parents[1] / "shared" / "sample.txt"


@contextmanager
def cluster_of_argument() -> Iterator[tuple[Cluster, Path]]:
    """Give a cluster without workers, on a Valkey of its own, and the text that is named, the sample by default."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    with tempfile.TemporaryDirectory(prefix="charloom-bench-") as name:
        folder = Path(name)
        socket = embedded.socket_path(folder)
        with (folder / "valkey.log").open("wb") as log:
            server = subprocess.Popen(embedded.command(folder, socket), stdout=log, stderr=log)
        try:
            eventually(lambda: embedded.answers(socket), "Valkey answers")
            yield Cluster.make(embedded.url(socket), folder / "data", folder, step_log=str(folder / "steps")), path
        finally:
            server.terminate()
            server.wait()
