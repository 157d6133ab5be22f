"""gunicorn's log without what a client sent: a broken request line or header may hold a key."""

import logging
from typing import Any

from gunicorn.glogging import Logger

_INVALID = "Invalid request from ip="
#: Method and path of every request.
_ASKED_FOR = "%s %s"


class Quiet(Logger):  # type: ignore[misc]  # gunicorn is untyped
    """Says that a request was broken, and how, but shows none of it."""

    #: Formats the lines; None: gunicorn's own does.
    formatter: logging.Formatter | None = None

    def setup(self, cfg: Any) -> None:
        """Set up gunicorn's handlers."""
        super().setup(cfg)
        for handler in self.error_log.handlers if self.formatter else ():
            handler.setFormatter(self.formatter)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a warning; of a broken request only the address and the kind of fault."""
        if msg.startswith(_INVALID):
            address, _, fault = msg.removeprefix(_INVALID).partition(": ")
            # The words before the colon, the quote or the parenthesis are gunicorn's own.
            kind = fault.partition(":")[0].partition("(")[0].partition("'")[0].strip()
            super().warning("A broken request from %s: %s", address, kind[:80])
        else:
            super().warning(msg, *args, **kwargs)

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a detail, but not which addresses are requested."""
        if msg != _ASKED_FOR:
            super().debug(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log what went wrong, but nothing of the request."""
        super().exception(msg.partition(" %s")[0] if args else msg, **kwargs)
