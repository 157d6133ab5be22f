"""Both distributions, built and installed into bare environments: the command, from any directory, and the client."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

from tests.test_layers import ROOT
from tests.waiting import eventually

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
#: Names that are ours; a directory that somebody downloaded may hold files of these names.
NAMES = ("charloom", "cli", "client", "shared", "web", "worker", "celery", "gunicorn")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git tracks, since a build writes next to its sources."""
    folder = tmp_path_factory.mktemp("ünï sour ce")
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(tracked, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def pip_of(environment: Path) -> list[str]:
    """Return the start of a command by which pip works in an environment that has none; it asks no index."""
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
    return [*pip, "install", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile"]


def make_environment(folder: Path) -> Path:
    """Make an environment with nothing but setuptools, and return the folder of its packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [site] = (folder / "lib").glob("python*/site-packages")
    link(distribution("setuptools"), site)
    return site


def installed(project: Path, folder: Path, name: str) -> Path:
    """Build an sdist, and install that into a new environment; return the folder of its commands.

    Of the packages that it requires, those of this environment are there, and nothing else.
    """
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=project, stdout=subprocess.DEVNULL, check=True)
    bare = folder / "bare"
    site = make_environment(bare)
    subprocess.run([*pip_of(bare), str(folder / f"{name}-{VERSION}.tar.gz")], check=True)
    for linked in site.iterdir():
        if linked.is_symlink():
            linked.unlink()
    link_required(site)
    return bare / "bin"


def link_required(site: Path) -> None:
    """Link the packages that the one in an environment requires, and what these require."""
    [built] = distributions(path=[str(site)])
    wanted = [*map(Requirement, built.requires or ())]
    seen: set[str] = set()
    while wanted:
        one = wanted.pop()
        if one.name in seen or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        seen.add(one.name)
        found = distribution(one.name)
        wanted += map(Requirement, found.requires or ())
        link(found, site)


def link(package: Distribution, site: Path) -> None:
    """Link one package into an environment."""
    for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(package.locate_file(top))))


@pytest.fixture(scope="module")
def bin_folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the whole; return the folder of its commands."""
    folder = installed(source, tmp_path_factory.mktemp("ünï pack age"), "charloom")
    [kernel] = folder.parent.glob("lib/python*/site-packages/worker/nn/kernel")
    for compiled in (ROOT / "worker" / "nn" / "kernel").glob("lstm-*.so"):
        shutil.copy(compiled, kernel)  # taken where the same sources were installed: compiling takes 8 s
    return folder


@pytest.fixture(scope="module")
def client_folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the client alone; return the folder of its environment's commands."""
    return installed(source / "client", tmp_path_factory.mktemp("ünï cli ent"), "charloom_client")


def environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("CHARLOOM_", "PYTHON"))}
    return ours | {"LC_ALL": "C"}


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory with files of our names that must never be run."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write({name!r})\n")
    return tmp_path


def test_an_editable_installation_works_under_a_path_beyond_ascii(source: Path, tmp_path: Path) -> None:
    own = tmp_path / "ünï env"
    make_environment(own)
    subprocess.run([*pip_of(own), "--editable", str(source)], check=True)
    code = "import shared.errors; print(ascii(shared.errors.__file__))"
    words = [str(own / "bin" / "python"), "-c", code]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.strip() == ascii(str(source / "shared" / "errors.py")), done.stderr


def test_the_command_runs_whatever_lies_in_the_present_directory(bin_folder: Path, trap: Path) -> None:
    for words in (["--version"], ["--help"], ["completion", "bash"], ["doctor"]):
        done = subprocess.run(
            [bin_folder / "charloom", *words], cwd=trap, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.stdout, (words, done.stderr)
        assert "Traceback" not in done.stderr
    assert not (trap / "sprung").exists()


def test_a_whole_service_comes_up_from_it(bin_folder: Path, trap: Path) -> None:
    log = trap / "up.log"
    with log.open("wb") as file:
        words = [str(bin_folder / "charloom"), "up", "--data", "data", "--port", "0"]
        process = subprocess.Popen(words, cwd=trap, env=environment(), stdout=file, stderr=file)

    def address() -> str:
        assert process.poll() is None, log.read_text()
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        return found[0] if found else ""

    try:
        url = eventually(address, "it says where it serves", within_s=90)
        assert httpx.get(f"{url}/readyz").json()["status"] == "ready"
        assert httpx.get(f"{url}/").status_code == 200
        assert httpx.get(f"{url}/static/app.css").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert not (trap / "sprung").exists()


def test_the_client_is_a_distribution_of_its_own(client_folder: Path, tmp_path: Path) -> None:
    code = "import charloom, importlib.util as u; print(charloom.AsyncCharloom.__name__, u.find_spec('worker'))"
    words = [str(client_folder / "python"), "-P", "-c", code]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "AsyncCharloom None\n"


def test_a_type_checker_understands_a_program_that_uses_the_installed_client(
    client_folder: Path, tmp_path: Path
) -> None:
    """`make types` has mypy check the same program, with the client's sources."""
    command = Path(sys.executable).parent / "basedpyright"
    if not command.exists() and "CI" not in os.environ:
        pytest.skip("there is no basedpyright; CI has it")
    shutil.copy(ROOT / "tests" / "client" / "typed_use.py", tmp_path / "program.py")
    strict = {"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": True, "include": ["program.py"]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(strict))
    words = [str(command), "--pythonpath", str(client_folder / "python")]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
