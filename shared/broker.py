"""The Celery application, and sending a job's id to its queue. Delivery is only a wake-up: the store holds the truth.

Every setting below that isn't Celery's own default has its reason in docs/architecture.md and was read in the sources
of Celery and kombu 5.7.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import OperationalError

from shared.errors import StoreUnavailable
from shared.jobs.record import Queue
from shared.redis_address import kombu_url, sentinels_of
from shared.settings import Settings, load
from shared.store.connection import explain, sentinel_options, translated

#: Header of a message with its version, which grows if a message ever says more than a job's id.
VERSION_HEADER, VERSION = "charloom_version", 1


def task_name(queue: Queue) -> str:
    """Return the name of a queue's task, which takes a job's id; they differ so that a worker can count each kind."""
    return f"run.{queue}"


_TRANSPORT_OPTIONS = {
    # Messages are acknowledged before the job is run, so a short time suffices; nothing is delivered twice in it.
    "visibility_timeout": 60,
    # A half-open connection must be noticed; kombu has no timeout of its own.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 5,
    # A sender tries twice, not for six seconds, while a client waits: a reaper sends what was not sent.
    "max_retries": 1,
    "interval_start": 0.1,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 10,
    "global_keyprefix": "charloom-broker:",
}


def _transport_options(settings: Settings) -> dict[str, object]:
    sentinels = sentinels_of(settings.redis_url.get_secret_value())
    if sentinels is None:
        return _TRANSPORT_OPTIONS
    return {
        **_TRANSPORT_OPTIONS,
        "master_name": sentinels.name,
        "sentinel_kwargs": sentinel_options(sentinels, settings.redis_tls()),
    }


def make_app(settings: Settings) -> Celery:
    """Make the Celery application for these settings. Nothing is connected yet."""
    app = Celery("charloom", broker=kombu_url(settings.redis_url.get_secret_value()), set_as_current=False)
    app.conf.update(
        task_queues=[KombuQueue(queue.value, routing_key=queue.value) for queue in Queue],  # type: ignore[no-untyped-call]
        task_default_queue=Queue.GENERATE.value,
        task_acks_late=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=settings.celery_events,
        task_send_sent_event=settings.celery_events,
        worker_enable_remote_control=settings.celery_events,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A Redis that refuses (a replica, no memory, another password) is waited for like one that is away.
        broker_channel_error_retry=True,
        broker_transport_options=_transport_options(settings),
        broker_use_ssl=settings.redis_tls() or None,
        broker_pool_limit=4,
    )
    return app


def __getattr__(name: str) -> Celery:
    """Make `app` when it is asked for, from the environment: `celery -A shared.broker flower` does, without torch."""
    if name != "app":
        raise AttributeError(f"{__name__} has no attribute {name}")
    app = make_app(load())
    # Flower asks a worker eight things at once, and Celery takes two connections for each: with four it waits for ever.
    app.conf.broker_pool_limit = 64
    return app


class Broker:
    """Sends wake-ups. Thread-safe."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    @classmethod
    def of(cls, settings: Settings) -> "Broker":
        """Make the broker that the settings name. Nothing is connected yet."""
        return cls(make_app(settings))

    def send(self, job_id: str, queue: Queue) -> None:
        """Send a job's id to its queue. Raises StoreUnavailable; a reaper will send it then."""
        with _translated():
            self._app.send_task(
                task_name(queue),
                args=(job_id,),
                headers={VERSION_HEADER: VERSION},
                queue=queue.value,
                retry=False,
                ignore_result=True,
            )

    def waiting(self, queue: Queue) -> int:
        """Return how many messages wait in a queue. Raises StoreUnavailable."""
        # From the pool: a reaper asks every second, and a new connection costs ten times as much as the answer.
        with _translated(), self._app.pool.acquire(block=True) as connection:
            return int(connection.default_channel._size(queue.value))  # noqa: SLF001  (kombu has no public call)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors of kombu, and those of redis-py that it lets through, into StoreUnavailable."""
    try:
        with translated():
            yield
    except (OperationalError, OSError) as exc:
        raise StoreUnavailable(f"The broker can't be reached now: {explain(exc)}") from exc
