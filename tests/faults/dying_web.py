"""A web server that dies by SIGKILL where it would send a job's message: the record exists, no message was sent."""

import os
import signal
from dataclasses import replace

from flask import Flask

from shared.broker import Broker
from shared.jobs.record import Queue
from web import create_app
from web.services import Services


class DyingBroker(Broker):
    """Dies instead of sending."""

    def send(self, job_id: str, queue: Queue) -> None:  # noqa: ARG002
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)


def make_app() -> Flask:
    """Make the app that gunicorn serves."""
    app = create_app()
    services: Services = app.extensions[Services.name]
    app.extensions[Services.name] = replace(services, broker=DyingBroker.of(services.settings))
    return app
