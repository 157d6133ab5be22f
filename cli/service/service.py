"""The embedded service: Valkey (unless an address is given), one web server and one worker, all on this machine.

They are started exactly as they would be on a host of their own; only the addresses are chosen here.
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
#: Seconds that web and worker may take; loading torch from a cold disk is most of it.
READY_S = 120
#: What opens or signs for the web server's door; a worker, which reads strangers' files, and Valkey are not given it.
AUTH_VARIABLES = frozenset({"CHARLOOM_API_KEYS", "CHARLOOM_API_KEY", "CHARLOOM_SECRET_KEY"})
#: Seconds between two looks at something starting.
POLL_S = 0.1

#: Seconds that each gets to end: a drained worker promises 5, the streams of the web server end at once.
WORKER_GRACE_S, WEB_GRACE_S, VALKEY_GRACE_S = 8.0, 5.0, 10.0


class ShutdownRequested(Exception):
    """The end was asked for before the start was done."""


class Service:
    """The processes behind one address."""

    def __init__(
        self, settings: Settings, *, lock: DataLock | None, signals: Signals, report: Callable[[str], None]
    ) -> None:
        """Prepare the service.

        Args:
            settings: `data_dir` absolute and `port` chosen. Where `redis_url` was given, no Valkey is started.
            lock: Held by the guardian and Valkey too, so that nobody else opens the data while they live.
            signals: Looked at while waiting.
            report: Told of deaths and restarts.
        """
        self.url = ports.address(settings.host, settings.port)
        self.logs = settings.data_dir / "logs"
        self._settings = settings
        self._signals = signals
        self._inherited_fds = [] if lock is None else [lock.fileno()]
        self._supervisor = Supervisor(log=self.logs / "up.log", report=report, inherited_fds=self._inherited_fds)
        self._not_ready = "nothing answers yet"

    @property
    def starts_valkey(self) -> bool:
        """Whether the service brings its own Valkey."""
        return "redis_url" not in self._settings.model_fields_set

    def start(self) -> None:
        """Start everything, and return once `/readyz` says so.

        Raises:
            ChildFailed: it doesn't come; the words show the last lines of the log that tells why.
            ShutdownRequested: the end was asked for meanwhile.
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
        self._wait(self._ready, READY_S, lambda: self._not_ready, [web, worker])

    def serve(self) -> None:
        """Keep everything going until the end is asked for."""
        while not self._signals.shutdown_requests:
            self.check()
            self._signals.wait(1)

    def check(self) -> None:
        """Look after the processes once.

        Raises:
            ChildFailed: one can't be kept going.
        """
        self._supervisor.check()

    def shut_down(self) -> None:
        """End worker, web and Valkey, in this order; at once where a second signal came."""
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
                can_be_killed=False,
                inherited_fds=self._inherited_fds,
            )
        )
        self._wait(lambda: valkey.responds(path), VALKEY_READY_S, lambda: "it doesn't answer", [child])
        return url

    def _ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)
        except httpx.HTTPError as exc:
            self._not_ready = f"the web server doesn't answer ({exc})"
            return False
        self._not_ready = f"/readyz answers {answer.status_code}: {answer.text.strip()[:500]}"
        return answer.status_code == httpx.codes.OK

    def _wait(
        self, look: Callable[[], bool], within_s: float, why_not: Callable[[], str], children: list[Child]
    ) -> None:
        deadline = time.monotonic() + within_s
        while not look():
            if self._signals.shutdown_requests:
                raise ShutdownRequested
            self._supervisor.check()
            if time.monotonic() >= deadline:
                tails = "\n".join(f"Last lines of {child.spec.log}:\n{child.tail()}" for child in children)
                raise ChildFailed(f"Not ready after {within_s:g} s: {why_not()}.\n{tails}")
            self._signals.wait(POLL_S)


def _without_auth(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name not in AUTH_VARIABLES}
