"""One address for redis-py and kombu."""

import pytest
from kombu.connection import Connection
from kombu.utils.url import parse_url

from shared.redis_address import SentinelAddress, kombu_url, sentinels_of

FULL = "sentinels://u:p%40%2F%23@[::1]:26380,b.example/main/3?sentinel_username=s&sentinel_password=p%26"


def test_the_parts_of_sentinels_are_read() -> None:
    assert sentinels_of("sentinel://a.example/main") == SentinelAddress(hosts=(("a.example", 26379),), name="main")
    found = sentinels_of(FULL)
    assert found is not None
    assert (found.hosts, found.name, found.database, found.tls) == (
        (("::1", 26380), ("b.example", 26379)),
        "main",
        3,
        True,
    )
    given = (found.username, found.password, found.sentinel_username, found.sentinel_password)
    assert given == ("u", "p@/#", "s", "p&")
    assert "p@" not in repr(found)
    assert "p&" not in repr(found)


@pytest.mark.parametrize("url", ["redis://u:p@host:1/2", "rediss://host", "unix:///run/a.sock?db=1"])
def test_a_server_is_no_sentinel(url: str) -> None:
    assert sentinels_of(url) is None


def test_kombu_understands_each() -> None:
    assert kombu_url("redis://u:p@host:1/2") == "redis://u:p@host:1/2"
    assert kombu_url("unix:///run/a.sock?db=2") == "redis+socket:///run/a.sock?virtual_host=2"
    urls = [parse_url(url) for url in Connection(kombu_url(FULL)).alt]  # type: ignore[no-untyped-call]
    assert [(url["hostname"], url["port"]) for url in urls] == [("::1", 26380), ("b.example", 26379)]
    for url in urls:
        assert (url["transport"], url["userid"], url["password"], url["virtual_host"]) == ("sentinel", "u", "p@/#", "3")
