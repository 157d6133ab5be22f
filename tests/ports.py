"""Ports for servers that tests start, and start again, on a port of their choice."""

import random
import socket
from contextlib import suppress

#: Below those that the system gives to connections (32768 to 60999), any of which may take a free port at any time.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a port of loopback that is free now and that no connection will be given."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("100 ports are in use")
