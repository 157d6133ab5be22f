"""Takes no train message while all train slots are in use, so that there is room for generate jobs; none in a drain.

None at all is taken while this host lacks the volume: it would always be idle, so most messages would go to it first.

When a train message fills the last slot, the train queue's consumer is cancelled in the callback that receives it, and
so before the next BRPOP is sent. It is started again when a training ends (docs/adr/0004-two-queues-one-worker.md).
While the worker is requested to drain, both queues' consumers are cancelled.
"""

from typing import Any

from celery import bootsteps, signals
from celery.worker import state
from celery.worker.request import Request

from shared.broker import task_name
from shared.jobs.record import Queue
from worker.consumer.drain import Drain

#: Seconds between two checks for a free slot.
_CHECK_S = 0.2


class TrainSlots(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is untyped
    """Consumer step: train messages are taken while a slot is free; none in a drain or without the volume."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._settings = consumer.app.conf.charloom_settings
        self._volume_guard = consumer.app.conf.charloom_volume_guard
        self._drain: Drain = consumer.app.conf.charloom_drain
        self._consumer = consumer

    def start(self, consumer: Any) -> None:
        """Start to check; called again after each lost connection, which clears the timer."""
        signals.task_received.connect(self._received, weak=False, dispatch_uid="charloom-slots")
        consumer.timer.call_repeatedly(_CHECK_S, self._update)
        self._update()

    def _received(self, request: Request, **_: Any) -> None:
        # The signal is sent before Celery counts the request.
        self._update(request)

    def _update(self, *received: Request) -> None:
        takes = self._volume_guard.trouble is None and not self._drain.is_requested()
        name = task_name(Queue.TRAIN)
        known = {*state.reserved_requests, *state.active_requests, *received}
        free = sum(request.name == name for request in known) < self._settings.train_slots
        self._consume(Queue.TRAIN, takes and free)
        self._consume(Queue.GENERATE, takes and self._settings.generate_slots > 0)

    def _consume(self, queue: Queue, wanted: bool) -> None:
        consuming = self._consumer.task_consumer.consuming_from(queue.value)
        if wanted and not consuming and state.should_stop is None:
            self._consumer.add_task_queue(queue.value)
        elif consuming and not wanted:
            self._consumer.cancel_task_queue(queue.value)
