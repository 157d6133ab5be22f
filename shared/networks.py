"""Addresses and networks: what a loopback address is, and which networks an address is in."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_loopback(host: str) -> bool:
    """Return True if a name or address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_in(networks: Sequence[Network], address: str) -> bool:
    """Return True if an address is in one of the networks; an IPv4 address may be written as IPv6 maps it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in networks)


def parse_networks(values: Sequence[str]) -> list[Network]:
    """Return these networks. Raises ValueError."""
    return [ipaddress.ip_network(value, strict=False) for value in values]
