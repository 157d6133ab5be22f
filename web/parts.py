"""What a request handler works with: settings, store, broker, volume, and the places for open connections."""

from dataclasses import dataclass, field

from flask import current_app

from shared.broker import Broker
from shared.settings import Settings
from shared.store import Store
from shared.volume import Volume
from web.secret import SecretKey
from web.slots import Slots

_NAME = "charloom"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything outside of Flask that the handlers use. Made once by the app factory."""

    settings: Settings
    store: Store
    broker: Broker
    volume: Volume
    secret: SecretKey
    #: Threads that event streams and long polls may hold.
    slots: Slots
    #: Seconds between two pings of a silent event stream.
    ping_s: float = 15.0
    #: Name in `app.extensions`.
    name: str = field(default=_NAME, init=False)

    @classmethod
    def of(cls, settings: Settings, *, ping_s: float = 15.0) -> "Parts":
        """Make the parts that the settings name. Nothing is connected yet."""
        volume = Volume.of(settings)
        return cls(
            settings=settings,
            store=Store.of(settings),
            broker=Broker.of(settings),
            volume=volume,
            secret=SecretKey(settings, volume.folder),
            slots=Slots(settings.web_streams),
            ping_s=ping_s,
        )


def parts() -> Parts:
    """Return the parts of the app that serves the present request."""
    found: Parts = current_app.extensions[_NAME]
    return found
