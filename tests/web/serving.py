"""A real gunicorn with the repository's own configuration, for what needs a socket: streams, uploads, the end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from flask import Flask

from tests.preloaded import popen
from tests.waiting import eventually
from web import create_app

ROOT = Path(__file__).parent.parent.parent
#: Seconds between pings of a silent stream: short, so that a test needn't wait for long.
PING_S = 0.5
#: Streams that may be open at once.
STREAMS = 3


def make_app() -> Flask:
    """Make the app that gunicorn serves in tests; its silent streams ping often."""
    return create_app(ping_s=PING_S)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A gunicorn that serves."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def terminate(self) -> int:
        """Have it end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def serve(redis_url: str, folder: Path, **changes: str) -> Iterator[Served]:
    """Start a gunicorn on a free port and give it; it is ended at the end."""
    data_dir = folder / "data"
    if not data_dir.exists():
        data_dir.mkdir()
        with suppress(redis.RedisError), redis.Redis.from_url(redis_url) as client:
            client.flushdb()  # what tests before have left belongs to another volume
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHARLOOM_")}
    environment |= {
        "CHARLOOM_REDIS_URL": redis_url,
        "CHARLOOM_DATA_DIR": str(data_dir),
        "CHARLOOM_PORT": "0",
        "CHARLOOM_WEB_THREADS": "12",
        "CHARLOOM_WEB_STREAMS": str(STREAMS),
        "CHARLOOM_PACKAGED_BASES": "0",
    } | changes
    log = folder / "gunicorn.log"
    with log.open("wb") as file:
        words = [sys.executable, "-m", "gunicorn", "tests.web.serving:make_app()"]
        process = popen(words, cwd=ROOT, environment=environment, stdout=file)

    def address() -> str:
        assert process.poll() is None, log.read_text()
        found = re.search(r"Listening at: (http://127\.0\.0\.1:\d+)", log.read_text())
        return found[1] if found and "Booting worker" in log.read_text() else ""

    try:
        yield Served(url=eventually(address, "gunicorn listens"), data_dir=data_dir, process=process, log=log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
