"""Ports of this machine: which are free, and whether a Charloom uses one."""

import errno
import ipaddress
import socket
import ssl

import httpx

#: For clients of a local server without TLS, which would otherwise read those of all authorities, in 20 ms of processor
#: time each. TLS would trust nobody.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def is_free(host: str, port: int) -> bool:
    """Return True if a server could bind this address, False if it is in use.

    Raises:
        OSError: the address can't be bound for another reason.
    """
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def find_free(host: str) -> int:
    """Return a port that is free now."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def address(host: str, port: int) -> str:
    """Return the URL at which a browser on this machine reaches a server that binds `host`."""
    try:
        bound = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if bound.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if bound.version == 6 else f"http://{host}:{port}"


def is_charloom(url: str) -> bool:
    """Return True if a Charloom responds at this URL."""
    try:
        response = httpx.get(f"{url}/api/openapi.json", timeout=2, trust_env=False, verify=NO_CERTIFICATES)
        return bool(response.json()["info"]["title"] == "Charloom")
    except (httpx.HTTPError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
