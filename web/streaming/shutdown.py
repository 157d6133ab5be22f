"""Ending at once what would otherwise stay open: event streams and long polls look at `closing` between two waits.

gunicorn tells a worker to end by a signal and then waits for its open requests, so the signal must reach them first.
Its configuration calls `install` in the `post_worker_init` hook, which runs in the worker's main thread once
gunicorn's own handlers are set:

    from web import shutdown

    def post_worker_init(worker):
        shutdown.install()
"""

import signal
import threading
from types import FrameType

#: Set once this process is to end.
closing = threading.Event()


def close_streams() -> None:
    """End every open event stream and long poll of this process, within a fraction of a second."""
    closing.set()


def install() -> None:
    """Have SIGTERM, SIGINT and SIGQUIT end the streams before what they did so far. Call it from the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        _put_before(number)


def _put_before(number: signal.Signals) -> None:
    former = signal.getsignal(number)

    def close_first(received: int, frame: FrameType | None) -> None:
        close_streams()
        if callable(former):
            former(received, frame)

    signal.signal(number, close_first)
