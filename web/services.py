"""What a request handler works with: settings, store, broker, volume, and the places for open connections."""

from dataclasses import dataclass, field

from flask import Flask, current_app

from shared.broker import Broker
from shared.settings import Settings
from shared.store import Store
from shared.tracing import Tracer
from shared.volume import Volume
from shared.volume.secret_key import SecretKey
from shared.volume.usage import VolumeUsage
from shared.volume_guard import VolumeGuard
from web.response_cache import ResponseCache
from web.streaming import shutdown
from web.streaming.connection_slots import ConnectionSlots
from web.streaming.event_hub import EventHub

_NAME = "charloom"


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything outside of Flask that the handlers use. Made once by the app factory."""

    settings: Settings
    store: Store
    broker: Broker
    #: The volume, to be reached by `volume`.
    unguarded_volume: Volume
    volume_guard: VolumeGuard
    #: What each caller stores.
    stored: VolumeUsage
    secret: SecretKey
    #: Threads that event streams and long polls may hold.
    slots: ConnectionSlots
    #: Events of watched jobs, as they come.
    event_hub: EventHub
    #: Responses for ended jobs.
    response_cache: ResponseCache
    tracer: Tracer
    #: Seconds between two pings of a silent event stream.
    ping_s: float = 15.0
    #: Name in `app.extensions`.
    name: str = field(default=_NAME, init=False)

    @classmethod
    def of(cls, settings: Settings, *, ping_s: float = 15.0) -> "Services":
        """Make the parts that the settings name. Nothing is connected yet."""
        volume, store = Volume.of(settings), Store.of(settings)
        guard = VolumeGuard(store, volume, may_init=settings.volume_init)
        return cls(
            settings=settings,
            store=store,
            broker=Broker.of(settings),
            unguarded_volume=volume,
            volume_guard=guard,
            stored=VolumeUsage(volume),
            secret=SecretKey(settings, volume.folder, volume.files, check=guard.check),
            slots=ConnectionSlots(settings.web_streams),
            event_hub=EventHub(store.events, closing=shutdown.closing),
            response_cache=ResponseCache(store.jobs),
            tracer=Tracer.of("charloom-web"),
            ping_s=ping_s,
        )

    @property
    def volume(self) -> Volume:
        """The volume. Raises VolumeGone if the folder isn't the service's, or doesn't respond."""
        self.volume_guard.check()
        return self.unguarded_volume


def services() -> Services:
    """Return the parts of the app that serves the current request."""
    return services_of(current_app)


def services_of(app: Flask) -> Services:
    """Return the parts of an app."""
    found: Services = app.extensions[_NAME]
    return found
