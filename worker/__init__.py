"""The worker: computing (model, data, training, writing, files) and running jobs (lease, runner, reaper).

`celery -A worker worker` finds the application in `worker/celery.py`.
"""

import os

# Threads that wait for one another sleep instead of spinning. Spinning ones win a fifth on an idle host, and take ten
# times as long as soon as another process wants a core (bench/LOG.md). OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
