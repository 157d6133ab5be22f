"""One key for all hosts, for its owner alone."""

import os
import stat
from pathlib import Path

import pytest

from shared.errors import VolumeUnavailable
from shared.settings import load
from shared.volume import secret_key
from shared.volume.secret_key import SecretKey


@pytest.mark.parametrize("umask", [0o022, 0o007])
def test_a_key_is_made_once_for_its_owner_alone(data_dir: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        key = SecretKey(load({}), data_dir / "new").get()
    finally:
        os.umask(before)
    assert len(key) == 64
    assert SecretKey(load({}), data_dir / "new").get() == key
    [file] = (data_dir / "new").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_two_hosts_that_make_one_at_once_both_get_the_same(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other: list[bytes] = []

    def not_there(*_: object) -> bytes:
        monkeypatch.undo()
        other.append(SecretKey(load({}), data_dir).get())
        raise FileNotFoundError

    monkeypatch.setattr(secret_key, "_read", not_there)
    assert [SecretKey(load({}), data_dir).get()] == other


def test_a_damaged_key_is_not_signed_with(data_dir: Path) -> None:
    (data_dir / "secret.key").write_text("short")
    with pytest.raises(VolumeUnavailable, match=r"secret\.key on the data volume is damaged"):
        SecretKey(load({}), data_dir).get()
