"""Set-up and the Makefile's verbs, with a stand-in for Python that notes what it was asked for."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_layers import ROOT

#: Does as much of Python as scripts/setup.sh asks for; `MAKE_*` variables make it fail at something.
PYTHON = """\
#!/bin/sh
case "$*" in
    --version) echo "Python 3.12.1" ;;
    *version_info*) exit ${MAKE_OLD:-0} ;;
    *"import ensurepip"*) exit ${MAKE_BARE:-0} ;;
    "-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    "-m pip --version") ;;
    *"import torch"*) exit 1 ;;
    *urlopen*) exit ${MAKE_OFFLINE:-0} ;;
    "-m pip install"*--editable*)
        echo "$*" >>pip.calls
        printf '#!/bin/sh\nfor word; do echo "[$word]"; done\n' >.venv/bin/charloom && chmod +x .venv/bin/charloom ;;
    "-m pip install"*locks/compiler.txt)
        echo "$*" >>pip.calls; [ "$MAKE_NO_COMPILER" != offline ] || exit 1; touch compiler ;;
    "-m pip install"*) echo "$*" >>pip.calls; exit ${MAKE_BROKEN:-0} ;;
    "-m worker.nn.kernel")
        if [ -e compiler ] || [ -z "${MAKE_NO_COMPILER:-}" ]; then echo compiled; else echo slow; exit 3; fi ;;
    "-m bench"*) shift 2; for word; do echo "[$word]"; done ;;
esac
"""


class Checkout:
    """A copy of what set-up reads, in a directory with a space in its name."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "a checkout"
        (self.path / "scripts").mkdir(parents=True)
        for name in ("requirements.txt", "pyproject.toml", "Makefile"):
            shutil.copy(ROOT / name, self.path)
        shutil.copytree(ROOT / "locks", self.path / "locks")
        for name in ("setup.sh", "audit.sh"):
            shutil.copy(ROOT / "scripts" / name, self.path / "scripts")
        self.python = directory / "python"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, with the stand-in as Python."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        given = outer | {"PYTHON": str(self.python)} | environment
        return subprocess.run(words, cwd=self.path, env=given, capture_output=True, text=True, check=False)

    def set_up(self, kind: str = "run", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run set-up."""
        return self.run("scripts/setup.sh", kind, **environment)

    @property
    def installs(self) -> list[str]:
        """What pip was asked for."""
        calls = self.path / "pip.calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_installs_once_and_is_silent_from_then_on(checkout: Checkout) -> None:
    first = checkout.set_up()
    assert first.returncode == 0, first.stderr
    assert len(first.stdout.splitlines()) <= 5
    installs = checkout.installs
    assert "--require-hashes --requirement locks/run.txt" in installs[0]
    assert "--no-deps --no-build-isolation --editable ." in installs[-1]

    second = checkout.set_up()

    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout.installs == installs


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere the usual index has no other build")
def test_torch_comes_from_pytorchs_processor_builds_where_they_can_be_reached(checkout: Checkout) -> None:
    checkout.set_up()
    assert "--index-url https://download.pytorch.org/whl/cpu torch==" in checkout.installs[1]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere it isn't asked for")
def test_without_that_index_one_line_says_so_and_the_usual_one_is_taken(checkout: Checkout) -> None:
    done = checkout.set_up(MAKE_OFFLINE="1")
    assert done.returncode == 0
    assert "can't be reached" in done.stdout
    assert " torch==" in checkout.installs[1]
    assert not [words for words in checkout.installs if "index-url" in words]


@pytest.mark.parametrize(
    ("compilers", "asked", "said"), [("", False, "compiled"), ("none", True, "compiled"), ("offline", True, "slow")]
)
def test_a_compiler_comes_only_where_none_works_and_is_no_condition(
    checkout: Checkout, compilers: str, asked: bool, said: str
) -> None:
    done = checkout.set_up(MAKE_NO_COMPILER=compilers)
    assert done.returncode == 0
    assert said in done.stdout.splitlines()
    assert any("--require-hashes --requirement locks/compiler.txt" in words for words in checkout.installs) is asked


def test_a_changed_requirement_is_installed(checkout: Checkout) -> None:
    checkout.set_up()
    before = len(checkout.installs)
    with (checkout.path / "locks" / "run.txt").open("a") as file:
        file.write("colorama==0.4.6\n")
    checkout.set_up()
    assert len(checkout.installs) > before


def test_an_interrupted_installation_is_taken_up_again(checkout: Checkout) -> None:
    broken = checkout.set_up(MAKE_BROKEN="1")
    assert broken.returncode == 1
    assert "Run the same command again to continue" in broken.stderr
    assert checkout.set_up().returncode == 0
    assert (checkout.path / ".venv" / "bin" / "charloom").exists()


def test_the_tests_tools_come_only_when_they_are_asked_for_and_hold_the_rest(checkout: Checkout) -> None:
    checkout.set_up("dev")
    assert "--requirement locks/dev.txt" in checkout.installs[0]
    installs = checkout.installs
    checkout.set_up("run")
    assert checkout.installs == installs


@pytest.mark.parametrize(("lack", "words"), [("MAKE_OLD", "needs Python 3.11"), ("MAKE_BARE", "python3-venv")])
def test_what_is_missing_is_said_in_one_line(checkout: Checkout, lack: str, words: str) -> None:
    done = checkout.set_up(**{lack: "1"})
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not checkout.installs


def test_make_alone_lists_the_verbs(checkout: Checkout) -> None:
    listed = checkout.run("make").stdout
    for verb in ("demo", "up", "test", "audit", "bench", "bench-full", "setup", "clean"):
        assert f"make {verb}" in listed


def test_make_hands_paths_with_spaces_on_in_one_piece(checkout: Checkout) -> None:
    done = checkout.run("make", "demo", "TEXT=my own book.txt", "DATA=my data")
    assert done.stdout.splitlines()[-5:] == ["[demo]", "[--text]", "[my own book.txt]", "[--data]", "[my data]"]
    done = checkout.run("make", "up", "PORT=8001")
    assert done.stdout.splitlines() == ["[up]", "[--port]", "[8001]"]


def test_make_hands_the_benches_their_texts_and_a_name(checkout: Checkout) -> None:
    done = checkout.run("make", "bench", "TEXT=my book.txt", "NAME=writing")
    assert done.stdout.splitlines()[-3:] == ["[--text]", "[my book.txt]", "[writing]"]
    done = checkout.run("make", "bench-full", "SHAKESPEARE=all of it.txt")
    assert done.stdout.splitlines() == ["[--shakespeare]", "[all of it.txt]", "[--long]"]


#: Does as much of pip-audit as scripts/audit.sh asks for: notes what it is to look up, and finds something on request.
PIP_AUDIT = """\
#!/bin/sh
version=$(sed -n "s/^tool='pip-audit==\\(.*\\)'/\\1/p" scripts/audit.sh)
if [ "$*" = --version ]; then echo "pip-audit $version"; exit; fi
echo "$*" >audit.words
while [ $# -gt 0 ]; do if [ "$1" = --requirement ]; then cat "$2" >>audit.pins; fi; shift; done
exit ${MAKE_FOUND:-0}
"""


def audited(checkout: Checkout, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Set up, put the stand-in where the tool would be, and run the audit."""
    checkout.set_up("dev")
    tool = checkout.path / ".venv" / "audit" / "bin" / "pip-audit"
    tool.parent.mkdir(parents=True)
    tool.write_text(PIP_AUDIT)
    tool.chmod(0o755)
    return checkout.run("make", "audit", **environment)


@pytest.mark.parametrize("found", ["0", "1"])
def test_the_audit_looks_up_every_pin_and_fails_by_what_it_finds(checkout: Checkout, found: str) -> None:
    done = audited(checkout, MAKE_FOUND=found)
    assert (done.returncode != 0) == (found == "1"), done.stderr
    assert "--strict" in (checkout.path / "audit.words").read_text()
    looked_up = (checkout.path / "audit.pins").read_text()
    pins = re.findall(r"^[A-Za-z][\w.-]*==\S+", (ROOT / "locks" / "dev.txt").read_text(), re.MULTILINE)
    assert [*pins, "torch==2.13.0"] == looked_up.splitlines()


def test_an_audit_that_can_t_reach_the_advisories_says_so_and_claims_nothing(checkout: Checkout) -> None:
    done = audited(checkout, MAKE_OFFLINE="1")
    assert done.returncode != 0
    assert "No package was checked" in done.stderr
    assert not (checkout.path / "audit.pins").exists()
