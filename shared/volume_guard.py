"""Makes sure that this process works on the service's volume, and that the volume responds.

The volume has an id in a file (`shared/volume/mark.py`), and Redis keeps it. A process whose folder has another id, or
none, sees a folder below a mount that is missing, or the wrong mount: nothing may be read or written there. While a
mount hangs, every file operation does; so the volume is checked in a thread, and only its result is waited for.

| folder | Redis | meaning |
| --- | --- | --- |
| the id | the same id | the service's volume |
| an id | another id | another volume |
| none | an id | not mounted, or emptied |
| an id | none | Redis is new or was emptied: it gets the id |
| none | none | a new service, or one of an older version: the folder gets an id, and Redis too |
| none, and no jobs | none, but jobs | not mounted, in a service of an older version |

Of the last two, a folder below a missing mount looks like a new service if Redis was emptied, too. With
CHARLOOM_VOLUME_INIT=0 a folder without an id is refused, whatever Redis says.
"""

import logging
import threading
import time
from collections.abc import Callable

from shared.errors import StoreUnavailable, VolumeGone, VolumeUnavailable
from shared.store import Store
from shared.volume import Volume

log = logging.getLogger(__name__)

#: Seconds for which a result is used.
FRESH_S = 2.0
#: Seconds to wait for a volume that doesn't respond.
PATIENCE_S = 5.0
#: What to do about a wrong folder.
_REMEDY = "Mount the service's volume there. If this is to be its volume from now on: charloom doctor --volume --adopt"


class VolumeGuard:
    """Checks the volume on request, at most every `FRESH_S` seconds. Thread-safe."""

    def __init__(
        self,
        store: Store,
        volume: Volume,
        *,
        may_init: bool = True,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Make the guard of a volume; `may_init`: whether a folder may become a new service's volume."""
        self._store, self._volume, self._may_init = store, volume, may_init
        self._clock, self._patience_s = clock, patience_s
        self._lock = threading.Lock()
        self._check: _Check | None = None
        self._checked_at = float("-inf")
        #: The id on which folder and Redis agreed.
        self._agreed: str | None = None
        self._trouble: str | None = None
        self._logged: str | None = None

    def check(self, *, fresh: bool = False) -> None:
        """Raise VolumeGone unless the folder is the service's volume and responds.

        While Redis is away, the folder is compared with the id on which both agreed last, if they did.

        Args:
            fresh: check now, however new the last result is.
        """
        with self._lock:
            check = self._check
            if check is None and (fresh or self._clock() - self._checked_at >= FRESH_S):
                check = self._check = _Check(self._compare, began=self._clock())
        if check is not None:
            check.wait(self._patience_s - (self._clock() - check.began))
        trouble = self.trouble
        self._log(trouble)
        if trouble is not None:
            raise VolumeGone(trouble)

    @property
    def trouble(self) -> str | None:
        """What is wrong with the volume, as far as is known without checking it; None: nothing."""
        check = self._check
        if check is not None and not check.responded.is_set():
            silent_s = self._clock() - check.began
            if silent_s >= self._patience_s:
                return f"The data volume hasn't responded for {silent_s:.0f} s."
        return self._trouble

    def _compare(self, check: "_Check") -> None:
        """Find out whether the folder is the service's volume."""
        try:
            mark = self._volume.mark.read()
            check.responded.set()
            self._trouble = self._verdict(mark)
        except VolumeGone as exc:
            self._trouble = exc.detail
        except VolumeUnavailable as exc:  # no permission, or a full disk: whoever needs the file says so
            log.debug("The volume's mark can't be read or written: %s", exc)
            self._trouble = None
        except OSError as exc:
            self._trouble = f"The data volume can't be used: {exc.strerror}."
        finally:
            check.responded.set()
            with self._lock:
                self._check, self._checked_at = None, self._clock()

    def _verdict(self, mark: str | None) -> str | None:
        if mark is None and not self._may_init:
            return f"The data volume has no {self._volume.mark.name}, and CHARLOOM_VOLUME_INIT is 0. {_REMEDY}"
        try:
            known = self._store.volume_id.get()
            if mark is None and known is None:
                if self._agreed is not None or (self._store.volume_id.has_jobs() and not self._volume.mark.has_jobs()):
                    return f"The data volume is empty, but the service has jobs. {_REMEDY}"
                mark, own = self._volume.mark.write()
                known = self._store.volume_id.claim(mark)
                if own and known != mark:
                    self._volume.mark.remove()  # or it would be taken for the volume when Redis is emptied
            elif mark is not None and known is None and self._agreed in (None, mark):
                known = self._store.volume_id.claim(mark)
        except StoreUnavailable:
            known = self._agreed or mark
        known = known or self._agreed
        if mark == known:
            self._agreed = known
            return None
        if mark is None:
            return f"The data volume has no {self._volume.mark.name}, so it isn't the service's ({known}). {_REMEDY}"
        return f"The data volume is another one ({mark}) than the service's ({known}). {_REMEDY}"

    def _log(self, trouble: str | None) -> None:
        """Log a change once."""
        if bool(trouble) == bool(self._logged):
            return
        self._logged = trouble
        if trouble:
            log.error("No job is taken, and nothing is read or written: %s", trouble)
        else:
            log.info("The data volume is the service's again")


class _Check:
    """One check of the volume, in a thread: it may never return."""

    def __init__(self, compare: "Callable[[_Check], None]", *, began: float) -> None:
        self.began = began
        #: Set once the volume has responded; Redis may still be waited for.
        self.responded = threading.Event()
        self._thread = threading.Thread(target=compare, args=(self,), name="volume-guard", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for its end, for this long at most."""
        self._thread.join(timeout=max(0.0, seconds))
