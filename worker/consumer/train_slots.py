"""Keeps room for writing while a host trains: takes no train message while its train slots are full.

The consumer of the train queue is cancelled when a train message fills the last slot, in the very callback that
receives it and so before the next BRPOP is sent, and begun again when one ends
(docs/adr/0004-two-queues-one-worker.md).
"""

from typing import Any

from celery import bootsteps, signals
from celery.worker import state
from celery.worker.request import Request

from shared.broker import task_name
from shared.jobs.record import Queue

#: Seconds between two looks whether a slot is free again.
_LOOK_S = 0.2


class TrainSlots(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is untyped
    """Consumer step: train messages are consumed only while a slot is free."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._slots = consumer.app.conf.charloom_settings.train_slots
        self._consumer = consumer

    def start(self, consumer: Any) -> None:
        """Begin to look; the timer is cleared with each lost connection, so this is called again."""
        signals.task_received.connect(self._received, weak=False, dispatch_uid="charloom-slots")
        consumer.timer.call_repeatedly(_LOOK_S, self._settle)
        self._settle()

    def _received(self, request: Request, **_: Any) -> None:
        # The signal comes before celery counts the request itself.
        self._settle(request)

    def _settle(self, *received: Request) -> None:
        consuming = self._consumer.task_consumer.consuming_from(Queue.TRAIN.value)
        name = task_name(Queue.TRAIN)
        known = {*state.reserved_requests, *state.active_requests, *received}
        free = sum(request.name == name for request in known) < self._slots
        if free and not consuming and state.should_stop is None:
            self._consumer.add_task_queue(Queue.TRAIN.value)
        elif consuming and not free:
            self._consumer.cancel_task_queue(Queue.TRAIN.value)
