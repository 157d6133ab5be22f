"""The hosts of a test: network namespaces on a bridge, or plain processes where that isn't permitted.

Redis is in a namespace of its own, and reached from the test's over its Unix socket, from a host over the host's one
cable. Cutting it is real: packets vanish, no process gets an error. The machine's own network stays untouched.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.ports import free_port

#: Addresses inside, seen by nobody outside: Redis, and the first host less one.
_REDIS, _HOSTS = "10.77.0.1", "10.77.0.1"
PORT = 6379


def permitted() -> bool:
    """Return True if this user may make namespaces here."""
    if shutil.which("ip") is None:
        return False
    name = f"charloom-try-{os.getpid()}"
    if _ip("netns", "add", name, check=False).returncode:
        return False
    _ip("netns", "delete", name, check=False)
    return True


class Loopback:
    """No namespaces: all on this machine's loopback, nothing can be cut."""

    can_cut = False

    def __init__(self) -> None:
        self.port = free_port()
        self.address = "127.0.0.1"

    def at_redis(self, command: Sequence[str]) -> list[str]:
        """Give the command as it is run where Redis is."""
        return list(command)

    def at_host(self, _number: int, command: Sequence[str]) -> list[str]:
        """Give the command as it is run on a host."""
        return list(command)

    def cut(self, number: int) -> None:
        """Pull a host's cable."""
        raise NotImplementedError("hosts have no cables here")

    def repair(self, number: int) -> None:
        """Put a host's cable in again, if it is out."""

    def close(self) -> None:
        """Nothing was made."""


@dataclass
class Namespaces:
    """A namespace for Redis with a bridge in it, and one for each host, made when it is first used."""

    can_cut: bool = True
    address: str = _REDIS
    port: int = PORT
    _prefix: str = field(default_factory=lambda: f"charloom{os.getpid()}")
    _hosts: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.close()
        _ip("netns", "add", self._hub)
        for words in (
            ("link", "set", "lo", "up"),
            ("link", "add", "bridge", "type", "bridge"),
            ("address", "add", f"{_REDIS}/24", "dev", "bridge"),
            ("link", "set", "bridge", "up"),
        ):
            _ip("-n", self._hub, *words)

    def at_redis(self, command: Sequence[str]) -> list[str]:
        """Give the command as it is run where Redis is."""
        return ["ip", "netns", "exec", self._hub, *command]

    def at_host(self, number: int, command: Sequence[str]) -> list[str]:
        """Give the command as it is run on a host, 1 to 99."""
        name, cable = self._host(number), f"cable{number}"
        if number not in self._hosts:
            self._hosts.add(number)
            _ip("netns", "add", name)
            _ip("-n", self._hub, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("-n", self._hub, "link", "set", cable, "master", "bridge", "up")
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "address", "add", f"{_HOSTS}{number:02}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        return ["ip", "netns", "exec", name, *command]

    def cut(self, number: int) -> None:
        """Pull a host's cable: the bridge drops what comes from it and for it."""
        _ip("-n", self._hub, "link", "set", f"cable{number}", "type", "bridge_slave", "state", "0")

    def repair(self, number: int) -> None:
        """Put a host's cable in again, if it is out."""
        if number in self._hosts:
            _ip("-n", self._hub, "link", "set", f"cable{number}", "type", "bridge_slave", "state", "3")

    def close(self) -> None:
        """Remove the namespaces; what still runs in them keeps nothing from that."""
        for name in (self._hub, *(self._host(number) for number in self._hosts)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)

    @property
    def _hub(self) -> str:
        return f"{self._prefix}-hub"

    def _host(self, number: int) -> str:
        return f"{self._prefix}-{number}"


Network = Loopback | Namespaces


def make_network() -> Network:
    """Make the best network that is permitted here."""
    return Namespaces() if permitted() else Loopback()


def _ip(*words: str, check: bool = True) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["ip", *words], check=check, capture_output=True)
