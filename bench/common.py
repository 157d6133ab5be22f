"""What the benches share: their one argument, what machine this is, and the one JSON line they print last."""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from shared.text import normalise
from worker.precision import has_bfloat16


def text_argument(description: str, **extra: type) -> tuple[str, argparse.Namespace]:
    """Read the command line; return the text it names, as a corpus is stored, and the other arguments."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("text", type=Path, help="a UTF-8 text to measure on")
    for name, kind in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    given = parser.parse_args()
    return normalise(given.text.read_text(encoding="utf-8"), lowercase=False), given


def report(**figures: Any) -> None:
    """Print the result, with what it was measured on."""
    machine = {"cores": len(os.sched_getaffinity(0)), "capability": torch.backends.cpu.get_cpu_capability(),
               "bfloat16": has_bfloat16(), "torch": str(torch.__version__), "python": platform.python_version(),
               "load": round(os.getloadavg()[0], 2)}  # fmt: skip
    print(json.dumps(figures | {"machine": machine}))


def write_lengthened(path: Path, text: str, chars: int) -> None:
    """Write so many characters of a text, over and over, without ever holding them all."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for begin in range(0, chars, len(text)):
            file.write(text[: chars - begin])
