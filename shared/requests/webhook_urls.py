"""Which URLs a webhook may call: their form, and the addresses that are off limits. Resolves no names.

A webhook makes this service call a URL that somebody else chose, so it must not become a way to what only this service
can reach: the machine itself, its network, a cloud's metadata (server-side request forgery). The sender must ask
`refusal_of_address` about the very address that it connects to.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_CHARS = 2000
_NOT_HTTPS = "it must be https, as messages would be readable on their way"
#: IPv4-mapped and NAT64: such an IPv6 address holds in its last 32 bits the IPv4 one that a packet goes to.
_IPV4_INSIDE = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))
#: What IANA has allocated of IPv6 as global unicast. All else is special, reserved or multicast.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: IANA's special-purpose address registries as of 2025, whole, and multicast, rather than Python's `is_global`, which
#: depends on the interpreter's version. Also blocks that IANA calls globally reachable (relays, AS112, anycast of a
#: protocol): no receiver of webhooks lives there. Of IPv6 only what lies within 2000::/3.
#: https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry
_SPECIAL: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # IETF protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT relays
            "192.88.99.0/24",  # 6to4 relays, deprecated
            "192.168.0.0/16",  # private use
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, limited broadcast
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID, AMT, DRIP and others
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, deprecated
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)


@dataclass(frozen=True, kw_only=True)
class WebhookUrl:
    """A webhook's URL, parsed."""

    scheme: str
    #: A name, or an address without brackets.
    host: str
    port: int
    #: Path and query.
    target: str

    @property
    def authority(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> WebhookUrl:
    """Parse a URL. Raises ValueError with a message for its author."""
    if not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise ValueError("may contain visible ASCII characters only; escape others with % or punycode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"is not a URL: {exc}") from exc
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise ValueError("must be a URL such as https://example.org/hooks")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password; messages are authenticated by their signature")
    if "#" in url:
        raise ValueError("must not contain a fragment (#)")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookUrl(
        scheme=parts.scheme, host=parts.hostname, port=port or {"https": 443, "http": 80}[parts.scheme], target=target
    )


def refusal_of(receiver: WebhookUrl, allowed: Iterable[Network]) -> str | None:
    """Return why this receiver can't be called, as far as that is known without a DNS lookup, or None."""
    allowed = list(allowed)
    name = receiver.host.rstrip(".").lower()
    address = _as_address("127.0.0.1" if name == "localhost" or name.endswith(".localhost") else name)
    if address is not None:
        return refusal_of_address(address, receiver.scheme, allowed)
    if receiver.scheme != "https" and not allowed:
        return _NOT_HTTPS
    return None


def refusal_of_address(address: Address, scheme: str, allowed: Iterable[Network]) -> str | None:
    """Return why a receiver at this address can't be called by this scheme, or None."""
    target = _target(address)
    if any(one in network for network in allowed for one in (address, target)):
        return None
    reserved = target.version == 6 and target not in _GLOBAL_UNICAST
    if reserved or any(target in network for network in _SPECIAL):
        return f"{address} is not a public address"
    return _NOT_HTTPS if scheme != "https" else None


def _as_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _target(address: Address) -> Address:
    """Return where a packet to this address goes: for some IPv6 addresses, the IPv4 one that they contain."""
    if any(address in network for network in _IPV4_INSIDE):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
