"""A whole Charloom of real processes that can be hurt: Valkey with its file, web, hosts with workers, a volume.

Whoever hurts it uses the methods here; whoever judges it asks over HTTP, looks at the volume and reads the step log.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis
from pydantic import SecretStr

from cli.service import valkey as embedded
from cli.service.ports import NO_CERTIFICATES
from shared.broker import Broker
from shared.settings import Settings, load
from shared.store import Store
from shared.volume import Volume
from tests.faults.disk import Disk
from tests.faults.network import Network, make_network
from tests.ports import free_port
from tests.preloaded import popen
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
#: Seconds that a process gets to end when asked, before it is killed.
GRACE_S = 60


class Process:
    """One process of the site and its group; started again under the same name and log."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.popen: subprocess.Popen[bytes] | None = None

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self.popen is not None and self.popen.poll() is None

    def start(self, command: list[str], environment: Mapping[str, str]) -> None:
        """Start it."""
        assert not self.lives
        with self.log.open("ab") as log:
            self.popen = popen(command, cwd=ROOT, environment=environment, stdout=log, new_session=True)

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send it a signal, or to its whole group."""
        assert self.popen is not None
        with suppress(ProcessLookupError):
            if group:
                os.killpg(self.popen.pid, number)
            else:
                os.kill(self.popen.pid, number)

    def children(self) -> list[int]:
        """List its child processes: of a worker, the pool."""
        assert self.popen is not None
        try:
            listed = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in listed.split()]

    def kill(self) -> None:
        """Kill it and all its children at once."""
        if self.popen is not None:
            self.signal(signal.SIGKILL, group=True)
            self.popen.wait()

    def terminate(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self.popen is not None
        self.signal(signal.SIGCONT, group=True)
        self.signal(signal.SIGTERM)
        return self.popen.wait(GRACE_S)


@dataclass
class Site:
    """All of it. Hosts are numbered from 1."""

    folder: Path
    network: Network
    disk: Disk
    settings: Settings
    environment: Mapping[str, str]
    port: int
    valkey: Process = field(init=False)
    web: Process = field(init=False)
    hosts: dict[int, Process] = field(default_factory=dict)
    #: Options of Valkey in addition to the usual, "--name value".
    redis_options: list[str] = field(default_factory=list)
    #: Where the test and the web server reach Redis, where it isn't this site's own.
    redis_url: str = ""
    #: How gunicorn finds the app.
    app: str = "web:create_app()"

    def __post_init__(self) -> None:
        self.valkey = Process("valkey", self.folder)
        self.web = Process("web", self.folder)

    @property
    def socket(self) -> Path:
        """Where the test and the web server reach Redis."""
        return self.folder / "valkey" / "valkey.sock"

    @property
    def steps(self) -> Path:
        """The folder of step logs."""
        return self.folder / "steps"

    @property
    def url(self) -> str:
        """The address of the web server."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> "redis.Redis":
        """Return a client of Redis."""
        return redis.Redis.from_url(embedded.socket_url(self.socket), socket_timeout=30)

    def api(self, timeout_s: float = 10) -> httpx.Client:
        """Return a client of the API."""
        return httpx.Client(base_url=f"{self.url}/api/v1", timeout=timeout_s, verify=NO_CERTIFICATES)

    def start(self, hosts: Iterable[int]) -> None:
        """Start Redis, the web server and these hosts, and wait until all are there."""
        self.start_redis()
        self.start_web()
        for number in hosts:
            self.start_host(number)
        for number in hosts:
            self.wait_for_host(number)

    # Redis

    @property
    def redis_here(self) -> str:
        """The address of Redis for the test and the web server."""
        return self.redis_url or embedded.socket_url(self.socket)

    def start_redis(self) -> None:
        """Start Valkey on its file and wait until it answers."""
        folder = self.socket.parent
        folder.mkdir(exist_ok=True)
        command = embedded.server_command(folder, self.socket)
        network = ["--port", str(self.network.port), "--bind", self.network.address, "--protected-mode", "no"]
        self.valkey.start(self.network.at_redis([*command, *network, *self.redis_options]), self.environment)
        eventually(lambda: embedded.responds(self.socket) or not self.valkey.lives, "Valkey answers")
        assert self.valkey.lives, self.valkey.log.read_text()

    # Web

    def start_web(self, *, wait: bool = True) -> None:
        """Start gunicorn and wait until it answers, or not."""
        variables = {"CHARLOOM_REDIS_URL": self.redis_here, "CHARLOOM_PORT": str(self.port)}
        self.web.start([sys.executable, "-m", "gunicorn", self.app], {**self.environment, **variables})
        if not wait:
            return
        eventually(lambda: self.answers() or not self.web.lives, "the web server answers")
        assert self.web.lives, self.web.log.read_text()

    def answers(self) -> bool:
        """Return True if the web server lives."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=2, verify=NO_CERTIFICATES).is_success
        return False

    def readiness(self) -> httpx.Response:
        """Ask whether jobs can be done."""
        return httpx.get(f"{self.url}/readyz", timeout=10, verify=NO_CERTIFICATES)

    # Hosts

    def start_host(self, number: int, name: str = "", **changes: str) -> Process:
        """Start a worker on a host; `changes` are settings in lower case. See `wait_for_host`."""
        host = self.hosts.setdefault(number, Process(f"host{number}", self.folder))
        command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-n", f"{name or host.name}@site"]
        own = {f"CHARLOOM_{key.upper()}": value for key, value in changes.items()}
        host.start(self.network.at_host(number, command), {**self.environment, **own})
        return host

    def wait_for_host(self, number: int) -> None:
        """Wait until a started worker is seen."""
        host = self.hosts[number]

        def is_seen() -> bool:
            assert host.lives, host.log.read_text()
            with self.store() as store:
                return f"{host.name}@site" in [info.name for info in store.workers.seen()]

        eventually(is_seen, f"{host.name} is seen")

    # What tests look at in addition to the API

    @property
    def here(self) -> Settings:
        """The settings with Redis as it is reached from the test's own process."""
        return self.settings.model_copy(update={"redis_url": SecretStr(self.redis_here)})

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Give a store."""
        store = Store.of(self.here)
        try:
            yield store
        finally:
            store.close()

    @property
    def broker(self) -> Broker:
        """A broker."""
        return Broker.of(self.here)

    @property
    def volume(self) -> Volume:
        """The volume."""
        return Volume.of(self.settings)

    def close(self) -> None:
        """Kill all that runs, and remove what was made."""
        for process in (self.web, *self.hosts.values(), self.valkey):
            process.kill()
        self.network.close()
        self.disk.close()


@contextmanager
def make_site(folder: Path, network: Network | None = None, **settings: str) -> Iterator[Site]:
    """Make a site with nothing running yet; `settings` are CHARLOOM_ variables in lower case, without their prefix."""
    network = network or make_network()
    disk = Disk(folder / "data")
    own = {
        "redis_url": f"redis://{network.address}:{network.port}/0",
        "data_dir": str(disk.folder),
        "step_log": str(folder / "steps"),
        "train_threads": "1",  # several hosts share few cores here
        "packaged_bases": "0",
        **settings,
    }
    variables = {f"CHARLOOM_{name.upper()}": value for name, value in own.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARLOOM_")}
    site = Site(
        folder=folder,
        network=network,
        disk=disk,
        settings=load(variables),
        environment={**kept, **variables},
        port=free_port(),
    )
    try:
        yield site
    finally:
        site.close()


def tail(site: Site, lines: int = 40) -> str:
    """Give the last lines of all logs, for an error's words."""
    parts = [site.valkey, site.web, *site.hosts.values()]
    found = [f"== {p.name}\n" + "\n".join(p.log.read_text().splitlines()[-lines:]) for p in parts if p.log.exists()]
    return "\n".join(found)
