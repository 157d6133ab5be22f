"""Renew the lock files: every package that an installation brings along, with the hashes of its files.

    python -m scripts.lock                 after a change of pyproject.toml or requirements.txt; other versions stay
    python -m scripts.lock --upgrade       take the newest versions that pyproject.toml and requirements.txt allow

`locks/run.txt` is for the whole service, `locks/web.txt` for a web server alone, `locks/dev.txt` for the tests,
`locks/compiler.txt` for machines without a C compiler, `locks/otel.txt` for traces. None has torch: its builds with and
without CUDA share a version but no hash. What it needs is in them, so that it can be installed by itself afterwards. uv
goes into its own environment, `.venv/lock`.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = "uv==0.13.9"
#: What torch's builds for Linux bring along for GPUs.
GPU_ONLY = re.compile(r"(torch|triton|cuda-[\w-]+|nvidia-[\w-]+)==")
HEADER = "# Written by `python -m scripts.lock`. Install with --require-hashes, then torch as in requirements.txt.\n"


def inputs() -> dict[str, list[str]]:
    """Return the requirements of each lock file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    whole = [*project["dependencies"], "setuptools"]
    alone = {name: extras[name] for name in ("web", "compiler", "otel")}
    return {"run": whole, "dev": whole + extras["dev"], **alone}


def without_gpu(lock: str) -> str:
    """Return a lock's text without torch and what only its GPU builds need."""
    blocks = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)
    return "".join(block for block in blocks if not GPU_ONLY.match(block))


def uv() -> Path:
    """Return the path of uv, installed if it isn't yet."""
    home = ROOT / ".venv" / "lock"
    if not (home / "bin" / "uv").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", UV], check=True)
    return home / "bin" / "uv"


def main() -> None:
    """Write all lock files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="don't keep the versions that are locked now")
    given = parser.parse_args()
    for name, requirements in inputs().items():
        path = ROOT / "locks" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        command = [str(uv()), "pip", "compile", "-", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-annotate", "--no-header", "--constraint", "requirements.txt"]
        command += ["--output-file", str(path)] + ["--upgrade"] * given.upgrade
        subprocess.run(command, cwd=ROOT, input="\n".join(requirements), text=True, check=True)
        lock = without_gpu(path.read_text())
        path.write_text(HEADER + lock)
        print(f"locks/{name}.txt: {lock.count('==')} packages")


if __name__ == "__main__":
    main()
