"""The wheel, installed into a bare environment: the whole command, from any directory."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.test_layers import ROOT
from tests.waiting import eventually

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
#: Names that are ours; a directory that somebody downloaded may hold files of these names.
NAMES = ("charloom", "cli", "client", "shared", "web", "worker", "celery", "gunicorn")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git tracks, since a build writes beside its sources."""
    folder = tmp_path_factory.mktemp("ünï sour ce")
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(tracked, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def installed(project: Path, folder: Path, wheel_name: str) -> Path:
    """Build a wheel, install it alone into a new environment, and give the folder of its commands."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", str(folder / "wheels"), str(project)], check=True)
    [wheel] = (folder / "wheels").iterdir()
    assert wheel.name == wheel_name
    bare = folder / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    # Of the packages that it needs, those of this environment are taken.
    [site] = (bare / "lib").glob("python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*pip, "--python", str(bare / "bin" / "python"), "install", *offline, str(wheel)], check=True)
    return bare / "bin"


@pytest.fixture(scope="module")
def bin_folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the whole; give the folder of its commands."""
    return installed(source, tmp_path_factory.mktemp("ünï pack age"), f"charloom-{VERSION}-py3-none-any.whl")


def environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("CHARLOOM_", "PYTHON"))}
    return ours | {"LC_ALL": "C"}


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory with files of our names that must never be run."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write({name!r})\n")
    return tmp_path


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


def test_the_client_is_a_distribution_of_its_own(source: Path, tmp_path: Path) -> None:
    bin_folder = installed(source / "client", tmp_path, f"charloom_client-{VERSION}-py3-none-any.whl")
    code = "import charloom, importlib.util as u; print(charloom.Charloom.__name__, u.find_spec('worker'))"
    words = [str(bin_folder / "python"), "-P", "-c", code]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "Charloom None\n"
