"""Celery's consumer, without what lets workers talk to each other, and blind to messages that aren't ours.

By default a worker waits a second at its start for answers of its neighbours, then tells them of itself every two
seconds by publishing. Nobody here listens: who lives is told by `worker/maintenance/heartbeat.py`. Without it a worker
takes jobs a second sooner, and its user of Redis needs no right to publish or subscribe.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from worker.consumer.messages import is_ours

log = logging.getLogger(__name__)

_WITHOUT = {"without_mingle": True, "without_gossip": True, "without_heartbeat": True}


class Alone(Consumer):  # type: ignore[misc]  # celery is untyped
    """Consumes our messages and talks to nobody."""

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, worker_options=(worker_options or {}) | _WITHOUT, **kwargs)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Make what is called with each message: drop those that aren't ours."""
        handle: Callable[[Any], Any] = super().create_task_handler(*args, **kwargs)

        def look(message: Any) -> Any:
            if is_ours(message):
                return handle(message)
            log.warning("A message that isn't Charloom's was dropped")
            return message.reject_log_error(log, self.connection_errors)

        return look
