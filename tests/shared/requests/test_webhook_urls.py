"""Which addresses a webhook may call: public ones by https, others only where the settings allow them."""

import ipaddress

import pytest

from shared.requests.webhook_urls import parse, refusal_of, refusal_of_address

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:1:1:1:1:80ff:fffe",
]
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808", "::ffff:8.8.8.8"]

#: Every block of IANA's special-purpose registries and of multicast, and what must be judged by the address inside it.
_REGISTRIES = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    ::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128 2001:2::/48
    2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48
    3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 4000::/3 ::ffff:10.0.0.0/104 64:ff9b::c0a8:0/112
"""
_NEIGHBOURS = """
    1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 128.0.0.0 172.15.255.255 172.32.0.0 192.0.1.0
    192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255 2001:200:: 2001:db7:ffff::1 2003:: 3ffe::1 2620:4f:8001::1
"""


@pytest.mark.parametrize("address", INSIDE)
def test_what_only_this_service_reaches_is_out_of_bounds(address: str) -> None:
    found = ipaddress.ip_address(address)
    assert "not a public address" in str(refusal_of_address(found, "https", []))
    allowed = [ipaddress.ip_network(f"{address}/{found.max_prefixlen}")]
    assert refusal_of_address(found, "https", allowed) is None
    assert refusal_of_address(found, "http", allowed) is None


@pytest.mark.parametrize("block", _REGISTRIES.split())
def test_no_block_of_a_special_registry_is_public(block: str) -> None:
    network = ipaddress.ip_network(block)
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert "not a public address" in str(refusal_of_address(address, "https", [])), address


@pytest.mark.parametrize("address", _NEIGHBOURS.split())
def test_the_neighbours_of_special_blocks_are_public(address: str) -> None:
    assert refusal_of_address(ipaddress.ip_address(address), "https", []) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_called_by_https_only(address: str) -> None:
    found = ipaddress.ip_address(address)
    assert refusal_of_address(found, "https", []) is None
    assert "https" in str(refusal_of_address(found, "http", []))
    inside = [ipaddress.ip_network("10.0.0.0/8")]
    assert "https" in str(refusal_of_address(found, "http", inside)), "allowing an inside network opens nothing else"


def test_an_allowed_network_includes_every_form_of_its_addresses() -> None:
    loopback = [ipaddress.ip_network("127.0.0.0/8")]
    assert refusal_of_address(ipaddress.ip_address("::ffff:127.0.0.1"), "http", loopback) is None
    assert refusal_of_address(ipaddress.ip_address("::1"), "http", loopback) is not None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.org/",
        "a.org/x",
        "https://",
        "https:///x",
        "https://user:pw@a.org/",
        "https://a.org@127.0.0.1/",
        "https://a.org/#part",
        "https://a.org:0/",
        "https://a.org:99999/",
        "https://a.org/ x",
        "https://a.org/\r\nX: y",
        "https://größe.org/",
        "https://a.org\\@b.org/",
        "https://[::1/",
        "//a.org/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_address_of_a_receiver_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(url)


def test_an_address_is_read() -> None:
    found = parse("https://Hooks.Example.org:8443/a/b?c=d")
    assert (found.host, found.port, found.target) == ("hooks.example.org", 8443, "/a/b?c=d")
    assert found.authority == "hooks.example.org:8443"
    assert parse("https://a.org").target == "/"
    assert parse("https://[2606:2800:220:1::1]/x").authority == "[2606:2800:220:1::1]"
    assert parse("http://a.org:80/").authority == "a.org"


@pytest.mark.parametrize(
    "url", ["https://localhost/", "https://api.localhost./", "https://[::1]/", "https://10.1.2.3/"]
)
def test_what_is_plainly_inside_is_refused_before_it_is_looked_up(url: str) -> None:
    assert "not a public address" in str(refusal_of(parse(url), []))


def test_a_name_waits_for_its_look_up() -> None:
    assert refusal_of(parse("https://example.org/"), []) is None
    assert "https" in str(refusal_of(parse("http://example.org/"), []))
    assert refusal_of(parse("http://example.org/"), [ipaddress.ip_network("10.0.0.0/8")]) is None
