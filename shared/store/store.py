"""The whole store: one client and its parts."""

from shared.settings import Settings
from shared.store import keys
from shared.store.connection import Client, connect, translated
from shared.store.events import EventLog
from shared.store.fleet import Fleet
from shared.store.idempotency import IdempotencyKeys
from shared.store.job_store import JobStore
from shared.store.login_attempts import LoginAttempts
from shared.store.rates import Rates
from shared.store.scripts import Scripts
from shared.store.server import ServerFacts, ask, check_version
from shared.store.volume_id import VolumeId
from shared.store.webhooks import Webhooks
from shared.store.workers import WorkerBoard


class Store:
    """Everything of Charloom in Redis."""

    def __init__(self, client: Client, *, events_cap: int = 10_000) -> None:
        self._client = client
        scripts = Scripts(client, events_cap=events_cap)
        self.jobs = JobStore(client, scripts)
        self.idempotency_keys = IdempotencyKeys(scripts)
        self.rates = Rates(scripts)
        self.webhooks = Webhooks(scripts)
        self.events = EventLog(client)
        self.workers = WorkerBoard(client, scripts)
        self.fleet = Fleet(client, self.workers)
        self.login_attempts = LoginAttempts(client)
        self.volume_id = VolumeId(client)

    @classmethod
    def of(cls, settings: Settings) -> "Store":
        """Return the store that the settings name. Nothing is connected yet."""
        client = connect(settings.redis_url.get_secret_value(), tls=settings.redis_tls())
        return cls(client, events_cap=settings.events_cap)

    def ping(self) -> None:
        """Raise StoreUnavailable unless Redis replies, is new enough and takes writes."""
        self.check_version()
        with translated():
            self._client.set(keys.PROBE, "1", ex=10)

    def check_version(self) -> None:
        """Raise StoreTooOld where the server is, StoreUnavailable where it can't be reached."""
        check_version(self._client)

    def server(self) -> ServerFacts:
        """Return the configuration of the Redis server."""
        return ask(self._client)

    def close(self) -> None:
        """Close the connections. The store can still be used, and opens new ones."""
        self._client.close()
