"""The file of a training's state is whole or refused."""

import os
import stat
from pathlib import Path

import pytest
import torch

from worker.training.state import StateFileDamaged, TrainState, load_state, save_state

STATE = TrainState(
    tensors={"model.a": torch.arange(12.0).reshape(3, 4), "adam.step.a": torch.tensor(3.0)},
    facts={"step": 3, "vocabulary": "a\n\u20ac\U0001f43b", "loss": 0.1 + 0.2, "none": None},
)


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state"
    loaded = load_state(path, save_state(path, STATE))
    assert loaded.facts == STATE.facts
    assert loaded.tensors.keys() == STATE.tensors.keys()
    assert all(torch.equal(loaded.tensors[name], value) for name, value in STATE.tensors.items())
    assert torch.equal(loaded.part("model")["a"], STATE.tensors["model.a"])
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o007, 0o660)])
def test_a_state_has_the_permissions_of_all_files(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        save_state(tmp_path / "state", STATE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == mode


def test_a_loaded_state_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    loaded = load_state(path, save_state(path, STATE))
    path.write_bytes(b"\0" * path.stat().st_size)
    assert torch.equal(loaded.tensors["model.a"], STATE.tensors["model.a"])


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_file_cut_short_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "state"
    sha256 = save_state(path, STATE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StateFileDamaged, match="truncated or modified"):
        load_state(path, sha256)


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    sha256 = save_state(path, STATE)
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(StateFileDamaged):
        load_state(path, sha256)


def test_a_missing_file_and_another_kind_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StateFileDamaged, match="can't be read"):
        load_state(tmp_path / "none", "0" * 64)
    other = tmp_path / "other"
    other.write_bytes(b"")
    with pytest.raises(StateFileDamaged, match="not a training state"):
        load_state(other, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "state"
    sha256 = save_state(path, STATE)
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_state(path, TrainState(tensors={}, facts={"loss": float("nan")}))
    assert load_state(path, sha256).facts == STATE.facts
    assert list(tmp_path.iterdir()) == [path]
