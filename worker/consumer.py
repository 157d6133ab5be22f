"""Celery's consumer, without what lets workers talk to each other.

By default a worker waits a second at its start for answers of its neighbours, then tells them of itself every two
seconds by publishing. Nobody here listens: who lives is told by `worker/presence.py`. Without it a worker takes jobs a
second sooner, and its user of Redis needs no right to publish or subscribe.
"""

from typing import Any

from celery.worker.consumer import Consumer

_WITHOUT = {"without_mingle": True, "without_gossip": True, "without_heartbeat": True}


class Alone(Consumer):  # type: ignore[misc]  # celery is untyped
    """Consumes messages and talks to nobody."""

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, worker_options=(worker_options or {}) | _WITHOUT, **kwargs)
