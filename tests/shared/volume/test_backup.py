"""A backup of a volume in use has every job whole, and a second one copies what is new."""

from pathlib import Path

import pytest

from shared.jobs.record import NewJob
from shared.volume import SavedState, Volume, backup
from shared.volume.backup import back_up
from tests.jobs import make_job


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    made = Volume(tmp_path / "volume")
    made.mark.write()
    return made


def save(volume: Volume, job: NewJob, step: int) -> None:
    """Save a state as a training does, and remove the older one."""
    folder = volume.folder / "jobs" / job.id / "t1"
    folder.mkdir(exist_ok=True)
    path = folder / f"state-{step}.safetensors"
    path.write_text(f"state {step}")
    volume.jobs.commit_state(folder, SavedState(path=path, sha256="0" * 64, step=step))


def test_a_second_backup_copies_what_has_changed(volume: Volume, tmp_path: Path) -> None:
    jobs = [make_job() for _ in range(2)]
    for job in jobs:
        volume.jobs.create(job)
    (volume.folder / "corpora" / ".by-sha256").mkdir(parents=True)
    (volume.folder / "corpora" / ".by-sha256" / "f00").write_text("cor_1")
    (volume.folder / "corpora" / ".new-1").mkdir()
    (volume.folder / "logs").mkdir()
    target = tmp_path / "copy"
    first = back_up(volume, target)
    assert (first.files, first.unchanged, first.removed) == (4, 0, 0)
    assert {path.name for path in target.iterdir()} == {"volume.json", "corpora", "jobs"}
    assert [path.name for path in (target / "corpora").iterdir()] == [".by-sha256"]
    assert Volume(target).mark.read() == volume.mark.read()
    save(volume, jobs[0], 1)
    volume.jobs.remove(jobs[1].id)
    second = back_up(volume, target)
    assert (second.files, second.unchanged, second.removed) == (2, 3, 1)
    assert Volume(target).jobs.list_ids() == [jobs[0].id]


def test_a_state_that_is_replaced_while_it_is_copied_is_copied_again(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    volume.jobs.create(job)
    save(volume, job, 1)
    copy, steps = backup._copy, iter(range(2, 5))

    def overtaken(source: Path, target: Path, done: backup.Copied) -> None:
        """Let the training save just before its manifest is copied, after the state."""
        if source.name == "state.json" and (step := next(steps, None)):
            save(volume, job, step)
        copy(source, target, done)

    monkeypatch.setattr(backup, "_copy", overtaken)
    back_up(volume, tmp_path / "copy")
    [state] = Volume(tmp_path / "copy").jobs.states(job.id)
    assert (state.step, state.path.read_text()) == (4, "state 4")
