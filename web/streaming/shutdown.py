"""Ends event streams and long polls when the process is to end: they look at `closing` between two waits.

gunicorn ends a worker by a signal and then waits for its open requests, so the signal must reach them first.
`web/gunicorn_conf.py` calls `install` in the hook `post_worker_init`, which runs in the worker's main thread after
gunicorn has set its own handlers.
"""

import signal
import threading
from types import FrameType

#: Set when this process is to end.
closing = threading.Event()


def close_streams() -> None:
    """End every open event stream and long poll of this process, within a fraction of a second."""
    closing.set()


def install() -> None:
    """Have SIGTERM, SIGINT and SIGQUIT end the streams, then do what they did before. Call it in the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        _put_before(number)


def _put_before(number: signal.Signals) -> None:
    former = signal.getsignal(number)

    def close_first(received: int, frame: FrameType | None) -> None:
        close_streams()
        if callable(former):
            former(received, frame)

    signal.signal(number, close_first)
