"""Web server and worker of another version in one process, which takes commands as lines of JSON.

It runs with that version's modules, so it uses only what no version changes: the app factory, the API, the names of
Celery's tasks, and Celery's signal that the worker is to stop.
"""

import json
import sys
import threading
import time
from typing import Any

from celery import signals

from web import create_app
from worker.celery import app

web = create_app()


def call(method: str, path: str, body: Any) -> Any:
    """Send a request to the web server."""
    response = web.test_client().open(f"/api/v1/{path}", method=method, json=body)
    assert response.status_code < 400, response.text
    return response.get_json()


def run(queue: str, job_id: str) -> None:
    """Take a message as a worker's child does."""
    app.tasks[f"run.{queue}"].apply(args=(job_id,), throw=True)


def drain(job_id: str) -> None:
    """Drain the worker once the job has made a step."""
    while not call("GET", f"jobs/{job_id}", None)["progress"]["step"]:
        time.sleep(0.05)
    signals.worker_shutting_down.send(sender="worker", sig="TERM", how="warm", exitcode=0)


for line in sys.stdin:
    word, *arguments = json.loads(line)
    answer = None
    if word == "run":
        run(*arguments)
    elif word == "drain":
        threading.Thread(target=drain, args=arguments[1:], daemon=True).start()
        run(*arguments)
    else:
        answer = call(word, *arguments)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
