"""What the benches share: their text, taking turns, rows that compare ours with a peer, and the one JSON line."""

import argparse
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.suite import existing_file
from shared.host import cores
from shared.text.vocabulary import normalise
from worker.nn.precision import has_bfloat16

#: Seconds after which no further round is begun.
MAX_S = 100.0
SAMPLE = Path(__file__).parents[1] / "shared" / "sample.txt"


def text_argument(description: str, **extra: Callable[[str], Any]) -> tuple[str, argparse.Namespace]:
    """Read the command line; return the text it names, as a corpus is stored, and the other arguments."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "text", type=existing_file, nargs="?", default=SAMPLE, help="a UTF-8 text; the sample when left out"
    )
    for name, kind in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    given = parser.parse_args()
    try:
        return normalise(given.text.read_text(encoding="utf-8"), lowercase=False), given
    except UnicodeDecodeError:
        parser.error(f"{str(given.text)!r} isn't UTF-8")


class Turns:
    """What some acts took, round by round."""

    def __init__(self, seconds: Mapping[str, list[float]]) -> None:
        #: Act -> seconds of each round, for each thing that the act says it did.
        self.seconds = seconds

    def median(self, name: str) -> float:
        """Return the median of an act's rounds, seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, peer: str, ours: str) -> float:
        """Return how many times faster ours is: the median over the rounds, each a pair that met the same load."""
        return statistics.median(p / o for p, o in zip(self.seconds[peer], self.seconds[ours], strict=True))

    def row(self, what: str, *, peer: str, ours: str, unit: str = "s", a_second: float = 1, **limits: Any) -> "Row":
        """Return the row that compares two acts; a_second: how many of the unit a second has."""
        medians = [self.median(act) * a_second for act in (ours, peer)]
        row = Row(what=what, unit=unit, ours=medians[0], peer=medians[1], ratio=self.ratio(peer, ours))
        return replace(row, **limits)


def in_turns(
    acts: Mapping[str, Callable[[], float | None]], *, rounds: int, warm_up: int = 1, most_s: float = MAX_S
) -> Turns:
    """Let each act run once a round, every other round in the opposite order, so that a slow minute affects all alike.

    An act returns how many things it did (characters, steps), or None for one. `warm_up` rounds don't count. None
    begins after `most_s` seconds but the first that counts: on a busy machine fewer rounds have to do.
    """
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    end = time.monotonic() + most_s
    for number in range(warm_up + rounds):
        if number > warm_up and time.monotonic() >= end:
            break
        for name, act in list(acts.items())[:: -1 if number % 2 else 1]:
            began = time.perf_counter()
            count = act()
            took = (time.perf_counter() - began) / (1 if count is None else count)
            if number >= warm_up:
                seconds[name].append(took)
    return Turns(seconds)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement: ours and its peer's."""

    what: str
    unit: str
    #: None: it was never reached.
    ours: float | None
    peer: float | None = None
    #: How many times better than the peer.
    ratio: float | None = None
    #: The lowest ratio, or the highest value of ours, that passes; None: no limit.
    least_ratio: float | None = None
    most: float | None = None
    #: Whether the bench fails by it: what doesn't depend on the machine's speed.
    must: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it is as good as wanted; None where nothing is wanted."""
        if self.least_ratio is not None:
            return self.ratio is not None and self.ratio >= self.least_ratio
        return None if self.most is None else self.ours is not None and self.ours <= self.most


def report(**figures: Any) -> None:
    """Print the result, `rows` among it where there are any, with what it was measured on.

    Raises SystemExit where a row that must be met isn't.
    """
    machine = {
        "cores": cores(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": has_bfloat16(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }
    rows: list[Row] = figures.get("rows", [])
    if rows:
        figures["rows"] = [
            {name: _short(value) for name, value in asdict(row).items()} | {"met": row.met} for row in rows
        ]
    print(json.dumps(figures | {"machine": machine}))
    if broken := [row.what for row in rows if row.must and not row.met]:
        raise SystemExit(f"not as it must be: {', '.join(broken)}")


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def memory_of(pid: int | str, field: str) -> int:
    """Return a field of a process' status, such as VmRSS or VmHWM, in bytes."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int | str) -> None:
    """Reset a process' highest memory, VmHWM."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def write_lengthened(path: Path, text: str, chars: int) -> None:
    """Write so many characters of a text, over and over, without ever holding them all."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for begin in range(0, chars, len(text)):
            file.write(text[: chars - begin])
