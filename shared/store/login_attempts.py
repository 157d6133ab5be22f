"""Wrong API keys by the address that sent them, and sessions that were signed out, for all web processes."""

from shared.store import keys
from shared.store.connection import Client, translated

#: Seconds for which an address' wrong keys are counted, from the first one on.
TRIES_S = 600


class LoginAttempts:
    """Remembers them. Any method raises StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def note_wrong_key(self, address: str, mark: str) -> bool:
        """Note that a wrong key, known by its mark, came from an address; return True if it is a new one."""
        with translated():
            pipeline = self._client.pipeline()
            pipeline.sadd(keys.tries(address), mark)
            pipeline.expire(keys.tries(address), TRIES_S, nx=True)
            added, _ = pipeline.execute()
        return bool(added)

    def wrong_keys(self, address: str) -> tuple[int, int]:
        """Return how many different wrong keys came from an address, and for how many seconds they still count."""
        with translated():
            pipeline = self._client.pipeline()
            pipeline.scard(keys.tries(address))
            pipeline.ttl(keys.tries(address))
            count, left = pipeline.execute()
        return int(count), max(1, int(left))

    def end_session(self, session_id: str, *, left_s: int) -> None:
        """Note that a session was signed out, `left_s` seconds before it would have expired."""
        with translated():
            self._client.set(keys.signedout(session_id), "1", ex=max(1, left_s))

    def has_ended(self, session_id: str) -> bool:
        """Return True if a session was signed out."""
        with translated():
            return bool(self._client.exists(keys.signedout(session_id)))
