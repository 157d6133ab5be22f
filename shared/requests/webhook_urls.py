"""Who may be called by a webhook: the form of an address, and which hosts are out of bounds. Resolves no names.

A webhook makes this service call an address that somebody else chose, so it must not become a way to what only this
service can reach: the machine itself, its network, a cloud's metadata (server-side request forgery). Whoever connects
must ask `refusal_of_address` about the very address that it connects to.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_CHARS = 2000
#: An IPv6 address in here holds an IPv4 one in its last 32 bits, which is where a packet would go.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Not public either, though Python says so: NAT64 for local use, IPv4 in IPv6 of old.
_INSIDE = (ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("fec0::/10"))


@dataclass(frozen=True, kw_only=True)
class WebhookUrl:
    """Where messages go."""

    scheme: str
    #: A name, or an address without brackets.
    host: str
    port: int
    #: Path and query.
    target: str

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> WebhookUrl:
    """Read an address. Raises ValueError with words for who wrote it."""
    if not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise ValueError("may hold visible ASCII characters only; escape others with % or punycode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"is no address: {exc}") from exc
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise ValueError("must be an address such as https://example.org/hooks")
    if "@" in parts.netloc:
        raise ValueError("must not hold a name or password; a message is proven by its signature")
    if "#" in url:
        raise ValueError("must not hold a fragment (#)")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookUrl(
        scheme=parts.scheme, host=parts.hostname, port=port or {"https": 443, "http": 80}[parts.scheme], target=target
    )


def refusal_of(receiver: WebhookUrl, allowed: Iterable[Network]) -> str | None:
    """Return why this receiver can't be called, as far as its address tells without a look-up, or None."""
    allowed = list(allowed)
    name = receiver.host.rstrip(".").lower()
    address = _as_address("127.0.0.1" if name == "localhost" or name.endswith(".localhost") else name)
    if address is not None:
        return refusal_of_address(address, receiver.scheme, allowed)
    if receiver.scheme != "https" and not allowed:
        return "it must be https, as messages would be readable on their way"
    return None


def refusal_of_address(address: Address, scheme: str, allowed: Iterable[Network]) -> str | None:
    """Return why a receiver at this address can't be called by this scheme, or None."""
    seen = _behind(address)
    if any(one in network for network in allowed for one in (address, seen)):
        return None
    if not seen.is_global or seen.is_multicast or any(seen in network for network in _INSIDE):
        return f"{address} is not a public address"
    if scheme != "https":
        return "it must be https, as messages would be readable on their way"
    return None


def _as_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _behind(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
