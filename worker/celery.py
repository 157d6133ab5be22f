"""The Celery entry point: `celery -A worker worker` imports this. Reads the settings and connects Celery to the runner.

The parent process consumes messages and watches over all jobs; it never computes with torch, since one OpenMP operation
before a fork hangs the child's first. Jobs are run by the pool's children.
"""

import logging
import os
import secrets
import sys
from collections.abc import Callable
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, Task, signals

from shared import logs
from shared.broker import make_app, task_name
from shared.errors import SettingsError, StoreUnavailable
from shared.jobs.record import Queue
from shared.settings import Settings, check_metrics_binding, load, set_umask
from shared.store import Store
from shared.tracing import NO_TRACER, Tracer
from shared.volume import Volume
from shared.volume_guard import VolumeGuard
from worker.consumer.drain import Drain
from worker.consumer.train_slots import TrainSlots
from worker.jobs.attempt import WorkerContext
from worker.jobs.child_process import enter_child
from worker.jobs.lease_renewer import LeaseRenewer
from worker.jobs.model_cache import ModelCache
from worker.jobs.runner import run_job
from worker.jobs.step_log import StepLog
from worker.maintenance.bootsteps import MaintenanceStep
from worker.maintenance.heartbeat import train_threads

log = logging.getLogger(__name__)


class Entry:
    """What Celery calls, in one worker's parent and children."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        #: Identifies this worker, parent and children: another one may have its name.
        self._owner_id = secrets.token_hex(8)
        self._name = ""
        self._drain = Drain()
        self._store = Store.of(settings)
        self._volume = Volume.of(settings)
        # The children's.
        self._volume_guard = self._make_guard(self._store)
        self._step_log = StepLog(settings.step_log)
        # Each child has its own.
        self._lease_renewer = LeaseRenewer()
        self._model_cache = ModelCache(self._volume)
        self._tracer = NO_TRACER

    def build(self) -> Celery:
        """Make the application and connect its signals."""
        app = make_app(self._settings)
        app.conf.charloom_settings = self._settings
        app.conf.charloom_owner_id = self._owner_id
        # The parent's: a child must not inherit a check of the volume whose thread will never end.
        app.conf.charloom_volume_guard = self._make_guard(Store.of(self._settings))
        app.conf.charloom_drain = self._drain
        app.conf.worker_concurrency = max(1, self._settings.train_slots + self._settings.generate_slots)
        app.conf.worker_consumer = "worker.consumer.consumer:CharloomConsumer"
        app.steps["worker"].add(MaintenanceStep)
        app.steps["consumer"].add(TrainSlots)
        for queue in Queue:
            app.task(self.task(), bind=True, name=task_name(queue))
        signals.worker_process_init.connect(self.enter_child, weak=False)
        signals.worker_process_shutdown.connect(self.leave_child, weak=False)
        signals.worker_shutting_down.connect(self.begin_drain, weak=False)
        signals.task_failure.connect(self.see_lost_child, weak=False)
        signals.worker_shutdown.connect(self.exit_at_once, weak=False)
        signals.celeryd_init.connect(self.take_name, weak=False)
        signals.setup_logging.connect(self.set_up_logging, weak=False)
        return app

    def task(self) -> Callable[[Task, str], None]:
        """Make the task that runs the job with this id."""

        def run(task: Task, job_id: str) -> None:
            run_job(job_id, self._host(task.request.hostname))

        return run

    def enter_child(self, **_: Any) -> None:
        """Prepare a new child of the pool, which ends with its parent."""
        enter_child()
        self._tracer = Tracer.of("charloom-worker", instance=self._name)

    def leave_child(self, **_: Any) -> None:
        """Export the last spans of a child that ends."""
        self._tracer.close()

    def begin_drain(self, **_: Any) -> None:
        """Have the children save and release their jobs: this worker is to stop."""
        self._drain.stop()

    def exit_at_once(self, sender: Any, **_: Any) -> None:
        """End the process once all its parts have stopped: Python would take more than a second to tear torch down."""
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(sender.exitcode or 0)

    def see_lost_child(self, exception: BaseException, args: tuple[Any, ...], **_: Any) -> None:
        """Queue a job again at once when the child that ran it was killed."""
        if isinstance(exception, WorkerLostError):
            try:
                self._store.jobs.lose(args[0], owner_id=self._owner_id)
            except StoreUnavailable:
                log.warning("Redis is away; the lease of %s expires", args[0])

    def take_name(self, sender: str, **_: Any) -> None:
        """Note the name that this worker was given."""
        self._name = sender

    def set_up_logging(self, **_: Any) -> None:
        """Log to standard error."""
        logs.set_up(self._settings, worker=self._name)

    def _make_guard(self, store: Store) -> VolumeGuard:
        return VolumeGuard(store, self._volume, may_init=self._settings.volume_init)

    def _host(self, name: str) -> WorkerContext:
        return WorkerContext(
            name=name,
            owner_id=self._owner_id,
            settings=self._settings,
            store=self._store,
            volume=self._volume,
            volume_guard=self._volume_guard,
            train_threads=train_threads(self._settings),
            step_log=self._step_log,
            lease_renewer=self._lease_renewer,
            model_cache=self._model_cache,
            tracer=self._tracer,
            draining=self._drain.is_on,
        )


def _make() -> Celery:
    try:
        settings = load()
        set_umask(settings)
        check_metrics_binding(settings)
        return Entry(settings).build()
    except SettingsError as exc:
        sys.exit(f"charloom worker: {exc}")


app = _make()
