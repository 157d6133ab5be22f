"""Two parties that try a volume together: what one of them does, the other one must see.

They meet in a folder of the volume: on two hosts, the two commands that run at the same time; on one host, two threads.
Each of them writes files of its own and reads the other's; the party with the lower name leads.
"""

import os
import secrets
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: The folder on the volume; removed at the end.
FOLDER = ".doctor"
#: Files that both parties try to create, round trips, and replacements of a file that the other one reads.
CONTESTED, ROUND_TRIPS, REPLACEMENTS = 100, 20, 50
#: Bytes of the replaced file: several pages, so that a mixture of two versions would show.
FILE_BYTES = 64 << 10
#: Seconds to wait for a step of the other party, and between two checks.
STEP_S, LOOK_S = 60.0, 0.002
#: Seconds that the leader waits for the other party to leave.
LEAVE_S = 10.0
#: What a message ends with: where replacing isn't atomic, it may be seen half written.
_END = "\n"


class ProbeFailed(Exception):
    """The other party didn't come, or was lost."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one party has found. Durations are medians, milliseconds."""

    partner: str
    create_ms: float = 0.0
    fsync_ms: float = 0.0
    rename_ms: float = 0.0
    #: From a write here to its sight there and back.
    round_trip_ms: float = 0.0
    #: Seconds by which the volume's clock, in a new file's mtime, is ahead of this host's.
    skew_s: float = 0.0
    #: Names of the violated promises, each with what was seen.
    broken: Sequence[str] = field(default=())


class Party:
    """One of the two."""

    def __init__(self, volume: Path, host: str) -> None:
        self._folder = volume / FOLDER
        self._id = secrets.token_hex(8)
        self._host = host
        self._other = ""
        self._broken: list[str] = []

    def run(self, *, wait_s: float) -> Measured:
        """Wait for the other party and try the volume with it. Raises ProbeFailed, OSError."""
        self._folder.mkdir(exist_ok=True)
        try:
            partner = self._meet(wait_s)
            own = self._measure_alone()
            self._contest("file", lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)))
            self._contest("folder", os.mkdir)
            source = self._write("source", "x")
            self._contest("link", lambda path: os.link(source, path))
            round_trip_ms = self._exchange()
            for turn in (True, False):
                self._replace(turn)
                self._delete_while_open(turn)
            self._together("end")
        finally:
            self._leave()
        return Measured(partner=partner, round_trip_ms=round_trip_ms, broken=tuple(self._broken), **own)

    @property
    def _leads(self) -> bool:
        return self._id < self._other

    def _meet(self, wait_s: float) -> str:
        """Find a party that is alive: one whose file changes. Files of a command that was killed don't."""
        known: dict[str, str] = {}
        count, deadline = 0, time.monotonic() + wait_s
        while time.monotonic() < deadline:
            count += 1
            self._write("hello", f"{count} {self._other or '-'} {self._host}")
            for path in self._folder.glob("*.hello"):
                party = path.name.partition(".")[0]
                text = self._read_if_there(path)
                if party == self._id or not text.endswith(_END):
                    continue
                _, chosen, host = text.removesuffix(_END).split(" ", 2)
                if known.setdefault(party, text) != text and chosen in ("-", self._id) and self._other in ("", party):
                    self._other = party
                    if chosen == self._id:
                        self._write("hello", f"{count + 1} {party} {self._host}")
                        return host
            time.sleep(0.05)
        raise ProbeFailed(f"no other command came within {wait_s:g} s")

    def _measure_alone(self) -> dict[str, float]:
        create, sync, rename, skews = [], [], [], []
        for number in range(ROUND_TRIPS):
            path = self._path(f"alone-{number}")
            began = time.perf_counter()
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            created = time.perf_counter()
            os.write(descriptor, b"x" * 4096)
            os.fsync(descriptor)
            synced = time.perf_counter()
            now = time.time()
            skews.append(os.fstat(descriptor).st_mtime - now)
            os.close(descriptor)
            middle = time.perf_counter()
            path.replace(path.with_suffix(".renamed"))
            rename.append(time.perf_counter() - middle)
            create.append(created - began)
            sync.append(synced - created)
        in_ms = {"create_ms": create, "fsync_ms": sync, "rename_ms": rename}
        return {name: statistics.median(values) * 1000 for name, values in in_ms.items()} | {
            "skew_s": statistics.median(skews)
        }

    def _contest(self, kind: str, create: Callable[[Path], None]) -> None:
        """Create the same names as the other party at the same time: each must succeed for exactly one of the two."""
        self._together(f"begin-{kind}")
        won = []
        for number in range(CONTESTED):
            try:
                create(self._common(f"contested-{kind}-{number}"))
            except FileExistsError:
                continue
            won.append(number)
        self._write(f"won-{kind}", ",".join(map(str, won)) or "none")
        theirs = self._await(f"won-{kind}")
        lost = {int(number) for number in theirs.split(",")} if theirs != "none" else set()
        twice, nobody = lost & set(won), CONTESTED - len(lost | set(won))
        if twice or nobody:
            self._broken.append(
                f"exclusive {kind}: of {CONTESTED}, {len(twice)} were created twice, {nobody} by nobody"
            )

    def _exchange(self) -> float:
        """Return the median time, in ms, from a new file here to the other party's reply."""
        self._together("begin-exchange")
        trips = []
        for number in range(ROUND_TRIPS):
            began = time.perf_counter()
            if self._leads:
                self._write(f"ping-{number}", "x")
                self._await(f"pong-{number}")
            else:
                self._await(f"ping-{number}")
                self._write(f"pong-{number}", "x")
            trips.append(time.perf_counter() - began)
        return statistics.median(trips) * 1000

    def _replace(self, turn: bool) -> None:
        """Replace a file again and again, or read it meanwhile: it must always be there, and one version of it."""
        path = self._common(f"replaced-{turn}")
        if self._leads is turn:
            for number in range(REPLACEMENTS):
                new = self._path("new")
                new.write_bytes(bytes([number]) * FILE_BYTES)
                new.replace(path)
                if number == 0:
                    self._together(f"replace-{turn}")
            self._write(f"replaced-{turn}-done", "x")
            return
        self._together(f"replace-{turn}")
        missing = torn = 0
        while not self._read_if_there(self._path(f"replaced-{turn}-done", of=self._other)):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                missing += 1
                continue
            torn += len(data) != FILE_BYTES or data.count(data[0]) != FILE_BYTES
        if missing or torn:
            self._broken.append(f"atomic rename: the file was missing {missing} times, and mixed {torn} times")

    def _delete_while_open(self, turn: bool) -> None:
        """Read a file that the other party deletes meanwhile."""
        path = self._common(f"deleted-{turn}")
        if self._leads is turn:
            path.write_bytes(b"x" * FILE_BYTES)
            with path.open("rb") as file:
                self._together(f"opened-{turn}")
                self._together(f"deleted-{turn}")
                try:
                    whole = len(file.read()) == FILE_BYTES
                except OSError:
                    whole = False
            if not whole:
                self._broken.append("delete while open: the open file could no longer be read")
            return
        self._together(f"opened-{turn}")
        path.unlink()
        self._together(f"deleted-{turn}")

    def _together(self, step: str) -> None:
        """Wait until both parties have come to this step."""
        self._write(step, "x")
        self._await(step)

    def _await(self, name: str) -> str:
        path, deadline = self._path(name, of=self._other), time.monotonic() + STEP_S
        while not (text := self._read_if_there(path)).endswith(_END):
            if time.monotonic() >= deadline:
                raise ProbeFailed(f"the other command didn't get to {name} within {STEP_S:g} s")
            list(self._folder.iterdir())  # a network file system may remember that the file wasn't there
            time.sleep(LOOK_S)
        return text.removesuffix(_END)

    def _common(self, name: str) -> Path:
        """Return the path of a file of both; names of an earlier pair don't count."""
        return self._folder / f"{'-'.join(sorted((self._id, self._other)))}.{name}"

    def _path(self, name: str, *, of: str = "") -> Path:
        return self._folder / f"{of or self._id}.{name}"

    def _write(self, name: str, text: str) -> Path:
        path = self._path(name)
        temporary = self._path("temporary")
        temporary.write_text(text + _END, "utf-8")
        temporary.replace(path)
        return path

    def _read_if_there(self, path: Path) -> str:
        try:
            return path.read_text("utf-8")
        except OSError:
            return ""

    def _leave(self) -> None:
        """Remove the own files, and as the leader the folder with the common ones, once the other party has left."""
        kept = self._path("end")
        for path in self._folder.glob(f"{self._id}.*"):
            if path != kept or not self._other:
                path.unlink(missing_ok=True)
        if not self._leads:
            return
        deadline = time.monotonic() + LEAVE_S
        while list(self._folder.glob(f"{self._other}.[!e]*")) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        shutil.rmtree(self._folder, ignore_errors=True)
