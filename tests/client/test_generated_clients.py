"""Clients that others generate from the OpenAPI document go from a text to a text, and send what their users gave.

The generators are installed once, next to the checkout's environment, whose packages the Python one uses; without npm
or pip's index the tests are skipped.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.requests.options import StreamRequest
from tests.client.stack import SAMPLE, Stack
from tests.worker.cluster import ROOT

HERE = Path(__file__).parent / "generated"
TOOLS = ROOT / ".venv" / "generators"
INSTALLED = sysconfig.get_path("purelib")
PYTHON_GENERATOR = "openapi-python-client==0.29.1"
#: Less than the 4,500 characters below which the defaults as such don't fit a text.
TEXT = SAMPLE.read_text()[:4000]


def run(*words: str | Path, cwd: Path) -> str:
    command = [str(word) for word in words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(folder: Path, mark: str, *commands: Sequence[str | Path]) -> None:
    """Install into a folder, unless that was done before; skip the test where it can't be done."""
    done = folder / "installed"
    if done.exists() and done.read_text() == mark:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in commands:
        words = [str(word) for word in command]
        tried = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            pytest.skip(f"{command[0]} can't install a generator: {(tried.stderr or tried.stdout)[-300:]}")
    done.write_text(mark)


def document(stack: Stack, folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_bytes(httpx.get(f"{stack.url}/api/openapi.json", trust_env=False).content)
    return path


def check(stack: Stack, found: Mapping[str, Any]) -> None:
    """Compare what a client found with the response to a bare request."""
    assert len(found["text"]) == 40
    assert found["pieces"] in (found["text"], ""), "a short text may be recorded at once"
    assert found["code"] == "not_found"
    corpus_id = found["params"]["corpus_id"]
    bare = httpx.post(
        f"{stack.url}/api/v1/train-jobs", json={"corpus_id": corpus_id, "max_seconds": 1}, trust_env=False
    ).json()
    stack.loom.jobs.cancel(bare["id"])
    assert found["params"].keys() == bare["params"].keys()
    # A client could send only what has a default in the schema. The rest is chosen by the workers' speed, too, which
    # isn't the same a second later.
    schema = StreamRequest.model_json_schema()["properties"]
    fixed = {name for name, about in schema.items() if "default" in about and name in bare["params"]} - {"seed"}
    assert {name: found["params"][name] for name in fixed} == {name: bare["params"][name] for name in fixed}


def test_typescript_from_a_text_to_a_text(stack: Stack, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not there")
    package = HERE / "package.json"
    shutil.copytree(HERE, tmp_path / "tour")
    quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline", "--fetch-retries=1"]
    installed(TOOLS / "npm", package.read_text(), ["cp", package, "."], [npm, "install", *quiet])
    folder = tmp_path / "tour"
    (folder / "node_modules").symlink_to(TOOLS / "npm" / "node_modules")
    tools = folder / "node_modules" / ".bin"
    run(tools / "openapi-typescript", document(stack, tmp_path), "-o", "schema.ts", cwd=folder)
    options = ["--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable"]
    options += ["--skipLibCheck"]  # of others' declarations; what was generated is no .d.ts and is checked
    run(tools / "tsc", "--strict", "--noUncheckedIndexedAccess", *options, "tour.ts", cwd=folder)
    check(stack, json.loads(run("node", "tour.js", stack.url, TEXT, cwd=folder)))


def test_python_from_a_text_to_a_text(stack: Stack, tmp_path: Path) -> None:
    python = TOOLS / "python" / "bin" / "python"
    # With the environment's own packages in sight, pip has four to install instead of 24, and to look up in its index.
    share = f"import sysconfig; open(sysconfig.get_path('purelib') + '/shared.pth', 'w').write({INSTALLED!r})"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-compile",
        "--retries",
        "1",
    ]
    installed(
        TOOLS / "python",
        PYTHON_GENERATOR,
        [sys.executable, "-m", "venv", "--without-pip", "."],
        [python, "-c", share],
        [*pip, PYTHON_GENERATOR],
    )
    generator, target = (
        python.with_name("openapi-python-client"),
        ["--meta", "none", "--output-path", "generated_client"],
    )
    run(generator, "generate", "--path", document(stack, tmp_path), *target, cwd=tmp_path)
    shutil.copy(HERE / "tour.py", tmp_path)
    check(stack, json.loads(run(python, "tour.py", stack.url, TEXT, cwd=tmp_path)))
