"""Saves a training's states in its attempt's folder. While the volume refuses them the training continues."""

import logging
from contextlib import suppress
from pathlib import Path

from shared.errors import VolumeUnavailable
from shared.volume import SavedState
from worker.jobs.attempt import Attempt
from worker.training.state import TrainState, save_state

log = logging.getLogger(__name__)


class Checkpointer:
    """Keeps the newest state of one attempt on the volume."""

    def __init__(self, attempt: Attempt, folder: Path) -> None:
        self._attempt = attempt
        self._folder = folder
        self._refused = False

    def save(self, state: TrainState) -> None:
        """Save the state. If the volume takes no files (a full disk), keep the older one and report it."""
        attempt, step = self._attempt, int(state.facts["step"])
        path = self._folder / f"state-{step}.safetensors"
        try:
            try:
                with attempt.host.tracer.span("checkpoint", attributes={"charloom.step": step}):
                    sha256 = save_state(path, state)
                    saved = SavedState(path=path, sha256=sha256, step=step)
                    attempt.host.volume.jobs.commit_state(self._folder, saved)
            except VolumeUnavailable:
                with suppress(OSError):
                    path.unlink()
                raise
        except VolumeUnavailable as exc:
            log.error("%s: the state of step %d can't be saved: %s", attempt.job.id, step, exc)
            if not self._refused:
                attempt.reporter.log(f"The training continues, but its state can't be saved: {exc.detail}")
            self._refused = True
        else:
            if self._refused:
                attempt.reporter.log(f"The training's state is saved again, at step {step}.")
            self._refused = False
            attempt.reporter.saved(state.facts.get("work", 0.0))
        attempt.lease.tick()
