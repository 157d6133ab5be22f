"""The peers of `roundtrip`: an empty Celery task, and an empty Flask route. Not part of the service."""

import os

from celery import Celery
from flask import Flask

from shared.broker import make_app
from shared.settings import Settings, load


def make_celery(settings: Settings) -> Celery:
    """Make an application with our broker's settings, an empty task, and a result that is waited for."""
    app = make_app(settings)
    app.conf.update(
        result_backend=app.conf.broker_url,
        task_ignore_result=False,
        task_default_queue="empty",
        task_queues=None,
        worker_concurrency=1,
    )
    app.task(nothing, name="nothing")
    return app


def nothing() -> None:
    """Do nothing."""


def make_flask() -> Flask:
    """Make an app with one route that does nothing."""
    app = Flask("empty")
    app.add_url_rule("/", "nothing", lambda: "ok")
    return app


if os.environ.get("CHARLOOM_REDIS_URL"):
    app = make_celery(load())
