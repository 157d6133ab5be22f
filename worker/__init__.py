"""The worker: computing (model, data, training, writing, files) and running jobs (lease, runner, reaper).

`celery -A worker worker` finds the application in `worker/celery.py`.
"""

import os

# libgomp reads this once, when torch is loaded, and every module here may load torch: so it is set before any of them.
# Its threads spin for milliseconds at each barrier by default; beside another busy process on the same cores that made a
# training step 3.5 times slower (bench/LOG.md, "Sharing the cores"). Whoever sets it outside has the last word.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
