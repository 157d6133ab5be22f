"""`charloom doctor --volume`: a good volume passes, and each broken promise is found."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli.doctor import volume_checks, volume_probe
from cli.doctor.findings import Level
from cli.doctor.volume_checks import check_mark, check_volume
from cli.doctor.volume_probe import FOLDER, Measured, Party, ProbeFailed
from shared.settings import Settings, load
from shared.store import Store
from shared.volume import Volume


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try each promise a few times only."""
    for name, count in (("CONTESTED", 8), ("ROUND_TRIPS", 2), ("REPLACEMENTS", 5)):
        monkeypatch.setattr(volume_probe, name, count)


def tried(folder: Path) -> tuple[Measured, Measured]:
    """Try a folder from two hosts."""
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(Party(folder, host).run, wait_s=60) for host in ("one", "two")]
        first, second = (each.result() for each in running)
    return first, second


def test_two_hosts_find_each_other_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{'0' * 16}.hello").write_text("9 - a command that was killed\n")
    (tmp_path / FOLDER / f"{'1' * 16}.hello").write_text("9 -")  # by halves
    first, second = tried(tmp_path)
    assert (first.partner, second.partner) == ("two", "one")
    assert first.broken == second.broken == ()
    assert min(first.create_ms, first.fsync_ms, first.rename_ms, first.round_trip_ms) > 0
    assert list(tmp_path.iterdir()) == []


def _open_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, *more: real(path, flags & ~os.O_EXCL, *more))


def _copy_instead_of_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(self: Path, target: Path) -> None:
        data = self.read_bytes()
        with target.open("wb", buffering=0) as file:
            for half in (data[: len(data) // 2], data[len(data) // 2 :]):
                file.write(half)
                if "replaced" in target.name:
                    time.sleep(0.02)
        self.unlink()

    monkeypatch.setattr(Path, "replace", copy)


@pytest.mark.parametrize(
    ("break_it", "promise"), [(_open_twice, "exclusive file"), (_copy_instead_of_rename, "atomic rename")]
)
def test_a_file_system_that_breaks_a_promise_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None], promise: str
) -> None:
    break_it(monkeypatch)
    broken = [text for measured in tried(tmp_path) for text in measured.broken]
    assert broken
    assert {text.partition(":")[0] for text in broken} == {promise}


def test_a_party_that_stays_alone_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProbeFailed, match="no other command came"):
        Party(tmp_path, "one").run(wait_s=0.1)
    assert list(tmp_path.glob(f"{FOLDER}/*")) == []


def test_the_findings_have_figures(tmp_path: Path) -> None:
    found = {one.subject: one for one in check_volume(tmp_path, from_two_hosts=False)}
    assert Level.BAD not in {one.level for one in found.values()}
    assert "fsync of 4 KiB" in found["speed"].message
    assert set(volume_checks._PROMISES) <= set(found)
    [missing] = check_volume(tmp_path / "nowhere", from_two_hosts=False)
    assert missing.level is Level.BAD


def test_the_mark_is_compared_and_another_volume_can_be_adopted(redis_url: str, store: Store, tmp_path: Path) -> None:
    settings: Settings = load({"CHARLOOM_REDIS_URL": redis_url})

    def level(folder: Path, *, adopt: bool = False) -> Level:
        [finding] = check_mark(settings, folder, adopt=adopt)
        return finding.level

    first, second = tmp_path / "first", tmp_path / "second"
    assert level(first) is Level.NOTE
    store.volume_id.claim(Volume(first).mark.write()[0])
    assert (level(first), level(second)) == (Level.OK, Level.BAD)
    assert level(second, adopt=True) is Level.OK
    assert (level(first), level(second)) == (Level.BAD, Level.OK)
