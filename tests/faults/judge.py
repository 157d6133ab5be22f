"""Judges a site from outside: what the API says, what lies on the volume, and the log of every training step."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from shared.ids import model_id_of
from tests.faults.site import Site


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of a training: a batch, or a few characters of a sample. Times are CLOCK_BOOTTIME, seconds."""

    job: str
    token: int
    worker: str
    #: Training batches done after it.
    step: int
    began: float
    ended: float
    #: Seconds of the processor, over all threads: a stopped process spends none.
    spent: float


@dataclass(frozen=True, kw_only=True)
class Steps:
    """All step logs of a site."""

    #: Job -> its moves by their beginning.
    moves: Mapping[str, Sequence[Move]]
    #: Times that an attempt learned that its job belongs to another one.
    refused: int

    @classmethod
    def read(cls, folder: Path) -> "Steps":
        """Read them; a line that its writer's death has cut is left out."""
        moves: dict[str, list[Move]] = defaultdict(list)
        refused = 0
        for path in sorted(folder.glob("*.jsonl")):
            for line in path.read_text().splitlines(keepends=True):
                if not line.endswith("\n"):
                    continue
                values = json.loads(line)
                values.pop("version", None)
                if "refused" in values:
                    refused += 1
                else:
                    moves[values["job"]].append(Move(**values))
        for found in moves.values():
            found.sort(key=lambda move: move.began)
        return cls(moves=moves, refused=refused)

    def tokens(self, job: str) -> dict[int, list[Move]]:
        """Return the moves of each attempt."""
        found: dict[int, list[Move]] = defaultdict(list)
        for move in self.moves.get(job, ()):
            found[move.token].append(move)
        return dict(sorted(found.items()))

    def overlaps(self, job: str) -> tuple[int, int]:
        """Count the moves that attempts ended while a later one computed.

        Returns:
            The first of each attempt: a stopped process ends, when it wakes, the move that it was in, or that it had
            just been allowed. And all more than that: two attempts at once, which must never be.
        """
        in_hand = more = 0
        attempts = list(self.tokens(job).values())
        for number, moves in enumerate(attempts):
            later = [move.began for attempt in attempts[number + 1 :] for move in attempt]
            if not later:
                continue
            late = sum(move.ended > min(later) for move in moves)
            in_hand += late > 0
            more += max(0, late - 1)
        return in_hand, more

    def lost(self, job: str) -> list[float]:
        """Return the seconds of computing that each attempt but the first had to do again."""
        found = []
        before: list[Move] = []
        for moves in self.tokens(job).values():
            again = [move for move in before if move.step >= moves[0].step]
            if before:
                found.append(sum(move.spent for move in again))
            before = [move for move in before if move.step < moves[0].step] + moves
        return found


def job_of(api: httpx.Client, job_id: str) -> dict[str, Any]:
    """Return a job as the API returns it."""
    answer = api.get(f"/jobs/{job_id}")
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events_of(api: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    """Return all events of a job."""
    found: list[dict[str, Any]] = []
    while True:
        after = {"after": found[-1]["id"]} if found else {}
        answer = api.get(f"/jobs/{job_id}/events", params={"limit": 100, **after})
        assert answer.is_success, answer.text
        page = answer.json()
        found += page["data"]
        if not page["has_more"]:
            return found


def losses_of(api: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    """Return the losses of a training, without the seconds, which no two share."""
    answer = api.get(f"/jobs/{job_id}/metrics")
    assert answer.is_success, answer.text
    return [{**row, "seconds": None} for row in answer.json()["data"]]


def weights_of(site: Site, job_id: str) -> str:
    """Return the sha256 of the weights that a training has made."""
    path = site.volume.models.folder(model_id_of(job_id)) / "weights.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def litter(site: Site) -> list[str]:
    """List what nobody needs on the volume once all jobs have ended: half-written files, attempts that succeeded."""
    volume = site.volume.folder
    # The corpora's index, and the files that are locked for changes, stay.
    hidden = [path for path in volume.rglob(".*") if path.name not in (".by-sha256", ".lock")]
    kept = [
        path
        for path in (volume / "jobs").glob("*/t*")
        if (end := path.parent / "end.json").exists() and json.loads(end.read_text())["status"] == "succeeded"
    ]
    return [str(path.relative_to(volume)) for path in (*hidden, *kept)]
