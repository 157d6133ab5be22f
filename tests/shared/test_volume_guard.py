"""A folder that isn't the service's volume is noticed, whatever else is the matter."""

import threading
from pathlib import Path

import pytest
import redis

from cli.doctor.findings import Level
from cli.doctor.volume_checks import check_mark
from shared.errors import VolumeGone
from shared.settings import load
from shared.store import Store
from shared.volume import Volume
from shared.volume.mark import FILE
from shared.volume_guard import VolumeGuard
from tests.jobs import make_job
from tests.worker.clock import Clock


def trouble_of(store: Store, folder: Path) -> str | None:
    """Return what a new process finds wrong with a folder; None: nothing."""
    try:
        VolumeGuard(store, Volume(folder)).check()
    except VolumeGone as exc:
        return exc.detail
    return None


def test_the_first_start_marks_the_volume_and_redis_and_every_other_folder_is_refused(
    store: Store, tmp_path: Path
) -> None:
    volume, empty, other = (tmp_path / name for name in ("volume", "empty", "other"))
    assert trouble_of(store, volume) is None
    assert trouble_of(store, volume) is None, "another process on it"
    assert Volume(volume).mark.read() == store.volume_id.get()
    # A folder below a mount that is missing, and the mount of another service.
    assert "has no volume.json" in (trouble_of(store, empty) or "")
    assert not empty.exists(), "nothing is written there"
    Volume(other).mark.write()
    assert "is another one (vol_" in (trouble_of(store, other) or "")


def test_where_no_start_may_make_the_volume_an_empty_folder_is_refused_with_an_empty_redis(
    store: Store, redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "volume"
    away = Store.of(load({"CHARLOOM_REDIS_URL": f"unix://{tmp_path}/nobody.sock"}))
    for redis_server in (store, away):
        with pytest.raises(VolumeGone, match="and CHARLOOM_VOLUME_INIT is 0"):
            VolumeGuard(redis_server, Volume(folder), may_init=False).check()
    assert not folder.exists()
    assert store.volume_id.get() is None
    settings = load({"CHARLOOM_REDIS_URL": redis_url, "CHARLOOM_VOLUME_INIT": "0"})
    (refused,) = check_mark(settings, folder, adopt=False)
    (adopted,) = check_mark(settings, folder, adopt=True)
    assert (refused.level, adopted.level) == (Level.BAD, Level.OK)
    VolumeGuard(store, Volume(folder), may_init=False).check()
    # Redis loses all that it knows: the volume is known by its file.
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    VolumeGuard(store, Volume(folder), may_init=False).check()


def test_a_volume_of_an_older_version_is_marked_but_not_the_empty_folder_of_a_missing_mount(
    store: Store, tmp_path: Path
) -> None:
    old, empty = tmp_path / "old", tmp_path / "empty"
    job = make_job()
    store.jobs.create(job)
    Volume(old).jobs.create(job)
    assert "is empty, but the service has jobs" in (trouble_of(store, empty) or "")
    assert trouble_of(store, old) is None
    assert (old / FILE).exists()


def test_an_emptied_redis_gets_the_volume_s_id_again_and_is_claimed_by_no_wrong_folder(
    store: Store, redis_url: str, tmp_path: Path
) -> None:
    folder, clock = tmp_path / "volume", Clock()
    guard = VolumeGuard(store, Volume(folder), clock=clock)
    guard.check()
    volume_id = store.volume_id.get()
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    folder.rename(tmp_path / "unmounted")  # at the worst moment
    with pytest.raises(VolumeGone):
        guard.check(fresh=True)
    assert store.volume_id.get() is None
    (tmp_path / "unmounted").rename(folder)
    guard.check(fresh=True)
    assert store.volume_id.get() == volume_id


def test_two_first_starts_on_different_folders_leave_one_volume(store: Store, tmp_path: Path) -> None:
    class Late(Volume):
        """A volume that is marked while another process claims its own."""

        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            write = self.mark.write

            def overtaken() -> tuple[str, bool]:
                assert trouble_of(store, tmp_path / "first") is None
                return write()

            self.mark.write = overtaken  # type: ignore[method-assign]

    with pytest.raises(VolumeGone):
        VolumeGuard(store, Late(tmp_path / "second")).check()
    assert not (tmp_path / "second" / FILE).exists()
    assert trouble_of(store, tmp_path / "first") is None


def test_while_redis_is_away_the_last_agreement_counts(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    away = Store.of(load({"CHARLOOM_REDIS_URL": f"unix://{tmp_path}/nobody.sock"}))
    assert trouble_of(away, folder) is None, "nothing is known"
    assert not folder.exists(), "and nothing is marked"
    guard = VolumeGuard(store, Volume(folder))
    guard.check()
    guard._store = away
    guard.check(fresh=True)
    (folder / FILE).unlink()
    with pytest.raises(VolumeGone):
        guard.check(fresh=True)


def test_a_volume_that_hangs_is_waited_for_once_and_used_again_when_it_responds(store: Store, tmp_path: Path) -> None:
    clock, responds = Clock(), threading.Event()
    responds.set()
    volume = Volume(tmp_path / "volume")
    read = volume.mark.read

    def hang() -> str | None:
        responds.wait()
        return read()

    volume.mark.read = hang  # type: ignore[method-assign]
    guard = VolumeGuard(store, volume, clock=clock, patience_s=0.01)
    guard._patience_s = 5
    guard.check()
    responds.clear()
    clock.now += 3
    guard._patience_s = 0.01
    guard.check()  # the last result counts until the patience is over
    clock.now += 7
    for _ in range(3):
        with pytest.raises(VolumeGone, match="hasn't responded for 7 s"):
            guard.check()
    assert [thread.name for thread in threading.enumerate()].count("volume-guard") == 1
    responds.set()
    for thread in threading.enumerate():
        if thread.name == "volume-guard":
            thread.join()
    guard.check()


def test_a_damaged_mark_is_refused_in_words(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    assert trouble_of(store, folder) is None
    (folder / FILE).write_text("{")
    assert "volume.json of volume is damaged" in (trouble_of(store, folder) or "")
