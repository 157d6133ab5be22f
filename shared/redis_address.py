"""The address of Redis, as `CHARLOOM_REDIS_URL` names it: a server's, or that of Sentinels, which know the primary.

    redis://[USER:PASSWORD@]HOST[:6379][/DATABASE]                      rediss:// with TLS
    unix://[USER:PASSWORD@]/PATH[?db=DATABASE]
    sentinel://[USER:PASSWORD@]HOST[:26379][,HOST…]/NAME[/DATABASE]     sentinels:// with TLS
        [?sentinel_username=USER][&sentinel_password=PASSWORD]

User and password before the `@` are for Redis; Sentinels may have their own.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote, urlsplit

_SENTINEL_PORT = 26379
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]@,]+)(?::(?P<port>\d{1,5}))?")
_SENTINELS = frozenset({"sentinel", "sentinels"})
_WITH_TLS = frozenset({"rediss", "sentinels"})
_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})


@dataclass(frozen=True, kw_only=True)
class SentinelAddress:
    """Sentinels, and the primary to ask them for."""

    hosts: tuple[tuple[str, int], ...]
    #: The name under which the Sentinels monitor the primary.
    name: str
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: For the Sentinels themselves.
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: bool = False


def check(url: str) -> None:
    """Raise ValueError, with words that show nothing of a password, unless redis-py and kombu both understand the URL.

    Neither of them complains about what it doesn't know.
    """
    try:
        parts = urlsplit(url)
        _ = parts.scheme in _SENTINELS or parts.port
    except ValueError:  # its words show what was taken for the port: the end of a password
        raise ValueError("can't be read as an address; percent-encode / ? # @ : in a password") from None
    if parts.scheme in _SENTINELS:
        sentinels_of(url)
        return
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must begin with redis://, rediss://, unix://, sentinel:// or sentinels://")
    if parts.fragment or not re.fullmatch(r"(db=\d+)?" if parts.scheme == "unix" else "", parts.query):
        raise ValueError(
            "may hold nothing behind ? or #, but ?db=N of unix://. TLS is set by REDIS_CA_FILE, REDIS_CERT_FILE and "
            "REDIS_KEY_FILE, the database by the path, and / ? # @ : in a password must be percent-encoded"
        )
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("must end in the number of a database, such as /0")


def uses_tls(url: str) -> bool:
    """Return True if connections to this address are encrypted."""
    return urlsplit(url).scheme in _WITH_TLS


def sentinels_of(url: str) -> SentinelAddress | None:
    """Return the Sentinels that a URL names; None if it names a server itself.

    Raises:
        ValueError: it can't be read; the message shows nothing of a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SENTINELS:
        return None
    user, _, hosts = parts.netloc.rpartition("@")
    if "@" in user:
        raise ValueError("must have / ? # @ : in a password percent-encoded")
    name = re.fullmatch(r"/([^/]+)(?:/(\d*))?", parts.path)
    if name is None:
        raise ValueError("must name the primary behind the Sentinels, such as sentinel://HOST,HOST/NAME/0")
    options = parse_qs(parts.query, keep_blank_values=True)
    if parts.fragment or not options.keys() <= _OPTIONS or any(len(values) > 1 for values in options.values()):
        raise ValueError(
            "may hold nothing behind ? or # but sentinel_username and sentinel_password, in which / ? # @ : & must be "
            "percent-encoded"
        )
    username, _, password = user.partition(":")
    return SentinelAddress(
        hosts=tuple(_host(host) for host in hosts.split(",")),
        name=unquote(name[1]),
        database=int(name[2] or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_username=options.get("sentinel_username", [None])[0],
        sentinel_password=options.get("sentinel_password", [None])[0],
        tls=parts.scheme in _WITH_TLS,
    )


def kombu_url(url: str) -> str:
    """Return a URL in kombu's form: redis+socket:// for a Unix socket, and one URL for each Sentinel."""
    address = sentinels_of(url)
    if address is None:
        parts = urlsplit(url)
        if parts.scheme != "unix":
            return url
        query = "&".join(f"virtual_host={value[3:]}" for value in parts.query.split("&") if value.startswith("db="))
        return f"redis+socket://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")
    user = quote(address.username or "", safe="")
    if address.password:
        user += f":{quote(address.password, safe='')}"
    return ";".join(
        f"sentinel://{user + '@' if user else ''}{f'[{host}]' if ':' in host else host}:{port}/{address.database}"
        for host, port in address.hosts
    )


def _host(text: str) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    port = int(match["port"] or _SENTINEL_PORT) if match else 0
    if match is None or not 0 < port < 65_536:
        raise ValueError("must list Sentinels as HOST or HOST:PORT, separated by commas")
    return match["host"].strip("[]"), port
