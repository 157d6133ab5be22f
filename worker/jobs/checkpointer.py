"""Saves a training's state in its attempt's folder, and lets the training go on where the volume refuses that."""

import logging
from pathlib import Path

from shared.errors import VolumeUnavailable
from shared.volume import SavedState
from shared.volume.files import translated
from worker.jobs.attempt import Attempt
from worker.training.state import TrainState, save_state

log = logging.getLogger(__name__)


class Checkpointer:
    """The saved states of one attempt; the newest is the one to go on from."""

    def __init__(self, attempt: Attempt, folder: Path) -> None:
        self._attempt = attempt
        self._folder = folder
        self._refused = False

    def save(self, state: TrainState) -> None:
        """Save the state. Where the volume takes nothing (a full disk) the older one stands, and people are told."""
        attempt, step = self._attempt, int(state.facts["step"])
        path = self._folder / f"state-{step}.safetensors"
        try:
            try:
                with translated():
                    sha256 = save_state(path, state)
                attempt.host.volume.jobs.commit_state(self._folder, SavedState(path=path, sha256=sha256, step=step))
            except VolumeUnavailable:
                path.unlink(missing_ok=True)
                raise
        except VolumeUnavailable as exc:
            log.error("%s: the state of step %d can't be saved: %s", attempt.job.id, step, exc)
            if not self._refused:
                attempt.reporter.log(f"The training goes on, but its state can't be saved: {exc.detail}")
            self._refused = True
        else:
            if self._refused:
                attempt.reporter.log(f"The training's state is saved again, at step {step}.")
            self._refused = False
            attempt.reporter.saved(state.facts.get("work", 0.0))
        attempt.lease.tick()
