"""What all tests may ask for: a real Valkey server, a clean database on it, a data directory."""

import contextlib
import functools
import importlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import execnet
import httpx._transports.default
import hypothesis
import pytest
import redis

import worker  # noqa: F401  (says how threads wait, before any test loads torch)
from cli.service import valkey as embedded
from shared.store import Store, connect
from tests import preloaded
from tests.servers import SERVER
from tests.waiting import eventually

HERE = Path(__file__).parent
#: The files that take longest, in this order: they begin first, so that no processor waits for one at the end.
LONGEST = (
    "faults/test_each_fault.py",
    "faults/test_bad_cases.py",
    "test_package.py",
    "web/pages/test_browser_whole.py",
    "worker/generation/test_decoders.py",
    "web/pages/test_browser.py",
    "worker/jobs/test_resume.py",
    "web/openapi/test_fuzzing.py",
    "cli/commands/test_commands.py",
    "worker/jobs/test_lost_workers.py",
    "client/test_generated_clients.py",
    "worker/maintenance/test_throughput.py",
    "faults/test_rehearsal.py",
    "worker/jobs/test_running_jobs.py",
    "client/test_restarts.py",
    "cli/commands/test_documents.py",
    "web/pages/test_browser_live.py",
    "web/pages/test_browser_write.py",
    "cli/service/test_up.py",
    "worker/nn/test_kernel.py",
    "worker/nn/test_compilation.py",
    "worker/training/test_train.py",
    "worker/nn/test_compilers.py",
    "test_containers.py",
    "web/security/test_browser_login.py",
    "cli/terminal/test_terminal.py",
    "worker/texts/test_doctor.py",
    "client/test_charloom.py",
    "shared/volume/test_bucket.py",
    "worker/training/test_classic_parity.py",
    "worker/monitoring/test_traces.py",
    "worker/test_forking.py",
    "web/server/test_slow_clients.py",
    "shared/store/test_state_machine.py",
    "web/pages/test_browser_chart.py",
    "worker/formats/test_bombs.py",
    "cli/commands/test_demo.py",
)

#: What the tests import that no program of ours does, and takes long: loaded once for all of pytest-xdist's workers.
TESTS_IMPORT = (
    "botocore.session",
    "openapi_spec_validator",
    "playwright.sync_api",
    "pypdfium2",
    "requests",
    "tests.web.world",
    "tests.worker.cluster",
)


# Hypothesis' deadline of 200 ms for an example would fail on a busy machine.
hypothesis.settings.register_profile("charloom", deadline=None)
hypothesis.settings.load_profile("charloom")

# Each of httpx's clients, and so each `httpx.get`, would read the certificates of all authorities, in 50 ms.
_create_ssl_context = functools.cache(httpx._config.create_ssl_context)
httpx._transports.default.create_ssl_context = _create_ssl_context  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first; within a file and among the others the order stays."""
    missing = [name for name in LONGEST if not (HERE / name).exists()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py: LONGEST names files that aren't there: {', '.join(missing)}")
    ranks = {HERE / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_configure(config: pytest.Config) -> None:
    """Start one preloaded process for all of pytest-xdist's workers, which are started later."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        process = preloaded.Preloaded(modules=[name for name in TESTS_IMPORT if find_spec(name.partition(".")[0])])
        os.environ[preloaded.SHARED] = str(process.pid)
        config.add_cleanup(process.close)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let each of pytest-xdist's workers begin with other modules: they all compile, and find what others compiled."""
    its = getattr(session.config, "workerinput", None)
    if its is None:
        return
    modules = sorted(HERE.rglob("test_*.py"))
    first = len(modules) * int(its["workerid"].removeprefix("gw")) // its["workercount"]
    for path in (*modules[first:], *modules[:first]):
        with contextlib.suppress(Exception, pytest.skip.Exception):  # which collecting it reports
            importlib.import_module(".".join(path.relative_to(HERE.parent).with_suffix("").parts))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[execnet.XSpec]) -> None:
    """Fork pytest-xdist's workers, too."""
    folder = Path(tempfile.mkdtemp(prefix="charloom-test-"))
    config.add_cleanup(functools.partial(shutil.rmtree, folder))
    with preloaded.forking():
        preloaded.write_command(folder / "python", "tests.preloaded_worker")
    specs[:] = [execnet.XSpec(f"popen//python={folder / 'python'}") for _ in specs]


@pytest.fixture(scope="session", autouse=True)
def _preloaded() -> Iterator[None]:
    """Start workers, web servers and commands from a process that has loaded their libraries."""
    with preloaded.forking():
        yield


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """Start one real Valkey server for the whole run, as `charloom up` starts it; give its address."""
    with tempfile.TemporaryDirectory(prefix="charloom-test-") as directory:
        path = embedded.socket_path(Path(directory))
        with (Path(directory) / "valkey.log").open("wb") as log:
            command = [SERVER, *embedded.server_command(Path(directory), path)[1:]]
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually(lambda: embedded.responds(path) or server.poll() is not None, "Valkey answers")
            assert server.poll() is None, (Path(directory) / "valkey.log").read_text()
            yield embedded.socket_url(path)
        finally:
            server.kill()
            server.wait()


@pytest.fixture
def redis_url(valkey: str) -> str:
    """Give the address of a database that is empty when the test begins."""
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Give an empty data directory of the test's own."""
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


@pytest.fixture(scope="session")
def _s3() -> Iterator[Mapping[str, str]]:
    """Start one real S3 server for the whole run; give the variables that lead to it."""
    if not os.environ.get("CI"):
        pytest.importorskip("botocore")  # the extra s3
    from tests import seaweed  # noqa: PLC0415

    with seaweed.serving() as variables:
        yield variables


@pytest.fixture
def volume_url(_s3: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the address of an empty part of a bucket, and set the variables that lead to its server."""
    for name, value in _s3.items():
        monkeypatch.setenv(name, value)
    return f"s3://volume/{secrets.token_hex(8)}"


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    """Give a client of the clean database."""
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def store(client: "redis.Redis") -> Store:
    """Give a store on the clean database."""
    return Store(client, events_cap=1000)
