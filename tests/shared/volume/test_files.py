"""The one way in which files are written: whole or not at all, and lasting."""

import errno
import os
import stat
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from shared.errors import Damaged, VolumeGone, VolumeUnavailable
from shared.volume.files import committed, remove_tree, translated, write_json
from shared.volume.shared_folder import SharedFolder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file.json"
    path.write_text('"old"')
    return path


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, ["x" * 100_000, object()], "\ud800"], ids=range(4))
def test_what_is_not_json_leaves_the_old_file_and_nothing_else(old: Path, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        write_json(old, value)
    assert contents(old.parent) == {"file.json": '"old"'}


@pytest.mark.parametrize("call", ["fsync", "replace", "link"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ENOENT, errno.ESTALE])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(
    old: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with (
        pytest.raises(VolumeGone if number in (errno.ENOENT, errno.ESTALE) else VolumeUnavailable),
        committed(old, replace=call != "link") as temporary,
    ):
        temporary.write_text("new")
    assert contents(old.parent) == {"file.json": '"old"'}


def test_a_stale_file_of_nfs_is_one_that_is_gone(old: Path) -> None:
    """Another host has removed it while this one still knew its name; or the whole mount is stale."""

    def stale(path: Path) -> None:
        with translated():
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    with pytest.raises(FileNotFoundError):
        stale(old.with_name("removed.json"))
    for path in (old, old.parent / "stale" / "file.json"):
        with pytest.raises(VolumeGone, match="network file system"):
            stale(path)


def test_an_existing_file_is_kept_where_it_is_not_to_be_replaced(old: Path) -> None:
    with pytest.raises(FileExistsError), committed(old, replace=False) as temporary:
        temporary.write_text("new")
    assert contents(old.parent) == {"file.json": '"old"'}
    with committed(old.with_name("other"), replace=False) as temporary:
        temporary.write_text("new")
    assert contents(old.parent) == {"file.json": '"old"', "other": "new"}


def test_a_file_is_synced_before_it_takes_its_name_and_its_folder_after(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, str]] = []
    real = os.fsync

    def record(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append((kind, old.read_text()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write_json(old, "new")
    assert synced == [("file", '"old"'), ("folder", '"new"')]
    write_json(old, "newer", synced=False)
    assert len(synced) == 2


def test_a_folder_that_is_removed_is_never_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("x")
    seen: list[bool] = []
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: seen.append(folder.exists()))
    remove_tree(folder)
    remove_tree(folder)
    assert seen == [False]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": 1}', b'["1"]'], ids=range(6))
def test_a_damaged_record_is_an_error_that_names_its_file(tmp_path: Path, content: bytes) -> None:
    files, kind = SharedFolder(), TypeAdapter(list[int])
    path = tmp_path / "meta.json"
    assert files.read_record(path, kind) is None
    path.write_bytes(content if content != b'["1"]' else b'["one"]')
    with pytest.raises(Damaged, match=rf"meta\.json of {tmp_path.name} is damaged: "):
        files.read_record(path, kind)
    assert files.find_record(path, kind) is None
