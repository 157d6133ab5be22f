"""The worker: computing (model, data, training, writing, files) and running jobs (lease, runner, reaper).

`celery -A worker worker` finds the application in `worker/celery.py`.
"""
