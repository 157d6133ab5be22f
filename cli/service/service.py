"""A service on this machine: Valkey (unless CHARLOOM_REDIS_URL is set), a web server and a worker.

They are started as they would be on hosts of their own; only their addresses are chosen here.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from cli.service import ports, valkey
from cli.service.lock import DataLock
from cli.service.signals import Signals
from cli.service.supervisor import Child, ChildFailed, ChildSpec, Supervisor
from shared.settings import Settings

#: Where the packages are: a checkout, or site-packages. Children start there, so they never import from elsewhere.
ROOT = Path(__file__).parents[2]

#: Seconds that Valkey may take to read a long append-only file.
VALKEY_READY_S = 120
#: Seconds that web server and worker may take, most of them to load torch from a cold disk.
READY_S = 120
#: Secrets of the web server's authentication. Valkey and the worker, which reads uploaded files, don't get them.
AUTH_VARIABLES = frozenset({"CHARLOOM_API_KEYS", "CHARLOOM_API_KEY", "CHARLOOM_SECRET_KEY"})
#: Seconds between two checks of something that is starting.
POLL_S = 0.1

#: Seconds between SIGTERM and SIGKILL: a worker drains within 5, the web server ends its streams at once.
WORKER_GRACE_S, WEB_GRACE_S, VALKEY_GRACE_S = 8.0, 5.0, 10.0


class ShutdownRequested(Exception):
    """A shutdown was requested during the start."""


class Service:
    """The processes behind one address."""

    def __init__(
        self, settings: Settings, *, lock: DataLock | None, signals: Signals, report: Callable[[str], None]
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            settings: with an absolute `data_dir` and a free `port`. If `redis_url` was given, no Valkey is started.
            lock: the lock on the data, which the guardian and Valkey hold too while they run.
            signals: ends waits and `serve`.
            report: called with a message for each exit and restart.
        """
        self.url = ports.address(settings.host, settings.port)
        self.logs = settings.data_dir / "logs"
        self._settings = settings
        self._signals = signals
        self._inherited_fds = [] if lock is None else [lock.fileno()]
        self._supervisor = Supervisor(log=self.logs / "up.log", report=report, inherited_fds=self._inherited_fds)
        self._not_ready = "nothing responds yet"

    @property
    def starts_valkey(self) -> bool:
        """Whether the service runs its own Valkey."""
        return "redis_url" not in self._settings.model_fields_set

    def start(self) -> None:
        """Start all processes, and return once `/readyz` reports that they are ready and a worker is seen.

        Raises:
            ChildFailed: one doesn't start; the message has the last lines of its log.
            ShutdownRequested: a shutdown signal came.
        """
        redis_url = self._settings.redis_url.get_secret_value()
        if self.starts_valkey:
            redis_url = self._start_valkey()
        environment = os.environ | {
            "CHARLOOM_REDIS_URL": redis_url,
            "CHARLOOM_DATA_DIR": str(self._settings.data_dir),
            "CHARLOOM_HOST": self._settings.host,
            "CHARLOOM_PORT": str(self._settings.port),
            "PYTHONUNBUFFERED": "1",
        }
        web = self._start(
            "web",
            ["gunicorn", "--config", "python:web.gunicorn_conf", "web:create_app()"],
            environment,
            name="web server",
            rank=2,
            grace_s=WEB_GRACE_S,
        )
        worker = self._start(
            "worker",
            ["celery", "-A", "worker", "worker"],
            _without_auth(environment),
            name="worker",
            rank=1,
            grace_s=WORKER_GRACE_S,
        )
        with httpx.Client(timeout=5, trust_env=False, verify=ports.NO_CERTIFICATES) as client:
            self._wait_until(lambda: self._is_ready(client), READY_S, lambda: self._not_ready, [web, worker])

    def serve(self) -> None:
        """Keep the processes running until a shutdown signal comes."""
        while not self._signals.shutdown_requests:
            self.check()
            self._signals.wait(1)

    def check(self) -> None:
        """Restart processes that have exited.

        Raises:
            ChildFailed: one doesn't keep running.
        """
        self._supervisor.check()

    def shut_down(self) -> None:
        """Shut down worker, web server and Valkey, in this order; at once after a second signal."""
        self._supervisor.shut_down(self._signals.forced)

    def _start(
        self, log: str, command: list[str], environment: Mapping[str, str], *, name: str, rank: int, grace_s: float
    ) -> Child:
        return self._supervisor.start(
            ChildSpec(
                name=name,
                command=[sys.executable, "-m", *command],
                cwd=ROOT,
                environment=environment,
                log=self.logs / f"{log}.log",
                rank=rank,
                grace_s=grace_s,
            )
        )

    def _start_valkey(self) -> str:
        directory = self._settings.data_dir / "valkey"
        path = valkey.socket_path(directory)
        url = valkey.socket_url(path)
        (directory / "address").write_text(f"{url}\n")
        child = self._supervisor.start(
            ChildSpec(
                name="valkey",
                command=valkey.server_command(directory, path),
                cwd=directory,
                environment=_without_auth(os.environ),
                log=self.logs / "valkey.log",
                rank=3,
                grace_s=VALKEY_GRACE_S,
                killable=False,
                inherited_fds=self._inherited_fds,
            )
        )
        self._wait_until(lambda: valkey.responds(path), VALKEY_READY_S, lambda: "it doesn't respond", [child])
        return url

    def _is_ready(self, client: httpx.Client) -> bool:
        try:
            response = client.get(f"{self.url}/readyz")
        except httpx.HTTPError as exc:
            self._not_ready = f"the web server doesn't respond ({exc})"
            return False
        self._not_ready = f"/readyz responds with {response.status_code}: {response.text.strip()[:500]}"
        return response.status_code == httpx.codes.OK and response.json()["workers"] > 0

    def _wait_until(
        self, is_ready: Callable[[], bool], timeout_s: float, why_not: Callable[[], str], children: list[Child]
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if self._signals.shutdown_requests:
                raise ShutdownRequested
            self._supervisor.check()
            if time.monotonic() >= deadline:
                tails = "\n".join(f"The last lines of {child.spec.log}:\n{child.tail()}" for child in children)
                raise ChildFailed(f"Not ready after {timeout_s:g} s: {why_not()}.\n{tails}")
            self._signals.wait(POLL_S)


def _without_auth(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name not in AUTH_VARIABLES}
