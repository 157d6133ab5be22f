"""Celery's consumer, which drops messages that aren't Charloom's, and by default talks to no other worker.

By default a worker waits a second at its start for replies of other workers, then publishes a heartbeat every two
seconds. Nothing here listens to that: `worker/maintenance/heartbeat.py` does it. Without it a worker takes jobs a
second sooner, and its Redis user needs no permission to publish or subscribe. CHARLOOM_CELERY_EVENTS=1 has it publish
heartbeats, for Flower.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from worker.consumer.messages import is_ours

log = logging.getLogger(__name__)

_WITHOUT = {"without_mingle": True, "without_gossip": True}


class CharloomConsumer(Consumer):  # type: ignore[misc]  # celery is untyped
    """Consumes Charloom's messages only."""

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        silent = _WITHOUT | {"without_heartbeat": not kwargs["app"].conf.charloom_settings.celery_events}
        super().__init__(*args, worker_options=(worker_options or {}) | silent, **kwargs)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Return the handler of messages: it drops those that aren't Charloom's."""
        handle: Callable[[Any], Any] = super().create_task_handler(*args, **kwargs)

        def handle_ours(message: Any) -> Any:
            if is_ours(message):
                return handle(message)
            log.warning("A message that isn't Charloom's was dropped")
            return message.reject_log_error(log, self.connection_errors)

        return handle_ours
