"""Who calls: the name of the key that authenticated the request, or the address it comes from."""

import ipaddress

from flask import g, request

from shared.api_keys import ApiKey

#: Bits of the network that one IPv6 caller has; it may use any address of it.
_IPV6_PREFIX = 64


def caller() -> str:
    """Return the current caller: the name of their key, or their address if no keys are set.

    A name never looks like an address. Limits and counts of callers use this.
    """
    key = let_in_by()
    return key.name if key is not None else address()


def let_in_by() -> ApiKey | None:
    """Return the key that authenticated the current caller, with this request or when the session began."""
    found: ApiKey | None = g.get("api_key")
    return found


def let_in(key: ApiKey) -> None:
    """Record the key that authenticated the current caller."""
    g.api_key = key


def address() -> str:
    """Return the address that the request comes from, as far as proxies are trusted, as `network_of` counts it."""
    return network_of(request.remote_addr or "")


def network_of(given: str) -> str:
    """Return an address as it is counted: IPv4 as it is, IPv6 as its network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(given.partition("%")[0])
    except ValueError:
        return "unknown"
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    if mapped.version == 4:
        return str(mapped)
    return str(ipaddress.ip_network((mapped, _IPV6_PREFIX), strict=False))
