"""The worker: computing (model, data, training, writing, files) and running jobs (lease, runner, reaper).

`celery -A worker worker` finds the application in `worker/celery.py`.
"""

import os

# Threads that wait for one another sleep instead of spinning: OpenMP's, which multiply for torch, would take the cores
# from the compiled layer's own, a fifth of a step, and with another process on the host ten times as long
# (bench/LOG.md). OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
