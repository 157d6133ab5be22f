"""Another process that resumes a training from its file: `python -m tests.worker.jobs.resuming FOLDER SHA256`."""

import sys
from pathlib import Path

from safetensors.torch import save_file

from tests.worker.jobs.test_resume import STREAM, TEXTS
from worker.training.state import load_state
from worker.training.train import train

if __name__ == "__main__":
    folder, sha256 = Path(sys.argv[1]), sys.argv[2]
    *_, done = train(STREAM, TEXTS["stream"], state=load_state(folder / "state", sha256))
    save_file(dict(done.weights), folder / "weights")  # type: ignore[attr-defined]
