"""Importing computes nothing: a child forked after the imports can train and write on two threads.

One OpenMP operation before the fork would hang the child's first; Celery's parent imports all of this and then forks.
No child imports torch's compiler (two seconds, 70 MB), as torch's classes of optimizers do.
"""

import os
import subprocess
import sys

IMPORT_FORK_AND_COMPUTE = """
import os, sys, warnings
import worker.formats.bundle, worker.generation.generate, worker.generation.overlap, worker.training.train
from tests.worker.models import small_model
from tests.worker.short_trainings import run, sample_text, stream
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    run(stream(epochs=1, hidden_size=96, batch_size=16), sample_text(3000), threads=2)
    from tests.worker.generation.test_generate import write
    sys.stdout.write(write(small_model(hidden_size=256), length=300)[0].text)
    sys.stdout.flush()
    os._exit("torch._dynamo" in sys.modules)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def text_of_child(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_FORK_AND_COMPUTE],
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | environment,
    )
    return done.stdout


def test_a_forked_child_computes_and_its_text_does_not_depend_on_the_threads_of_the_libraries() -> None:
    found = {text_of_child(OPENBLAS_NUM_THREADS=number, OMP_NUM_THREADS=number) for number in ("1", "4")}
    assert [len(text) for text in found] == [300]
