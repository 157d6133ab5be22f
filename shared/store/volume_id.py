"""The id of the volume that the service's jobs are on."""

from shared.jobs.record import Queue
from shared.store import keys
from shared.store.connection import Client, translated


class VolumeId:
    """Keeps it. Any method raises StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self) -> str | None:
        """Return the id; None if the server is new or was emptied."""
        with translated():
            found = self._client.get(keys.VOLUME)
        return None if found is None else str(found)

    def claim(self, volume_id: str) -> str:
        """Make this the service's volume unless there is one, and return the id of the service's."""
        with translated():
            pipeline = self._client.pipeline()
            pipeline.set(keys.VOLUME, volume_id, nx=True)
            pipeline.get(keys.VOLUME)
            return str(pipeline.execute()[1])

    def adopt(self, volume_id: str) -> None:
        """Make this the service's volume from now on."""
        with translated():
            self._client.set(keys.VOLUME, volume_id)

    def has_jobs(self) -> bool:
        """Return True if the server has records of jobs."""
        with translated():
            return bool(self._client.exists(keys.RUNNING, keys.ENDED, *(keys.queue(queue) for queue in Queue)))
