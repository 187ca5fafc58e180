"""The address that a user asks from."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.edge.client_address import client_address, networks

TRUSTED = networks("10.0.0.0/8, 192.0.2.7, fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        # Nobody who is not a proxy of ours is believed.
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", ["10.0.0.1"], "203.0.113.9"),
        # One proxy, several proxies, several headers.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 192.0.2.7, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", [" 198.51.100.1 ,10.9.9.9 "], "198.51.100.1"),
        # What the user wrote themselves stands left of where they came from.
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.1.1.1, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        # A user inside our own network.
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.2.2.2"], "10.2.2.2"),
        # IPv6, ports, zones, IPv4 on a socket for both.
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("fd00::1", ["2001:DB8:0:0::5"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]:443"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]"], "2001:db8::5"),
        ("10.0.0.1", ["198.51.100.1:51234"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        # Junk ends the search at the last proxy that is known.
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4, <script>, 10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["999.1.1.1"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:x"], "10.0.0.1"),
        ("10.0.0.1", ["１.2.3.4"], "10.0.0.1"),
        # A connection without an address.
        (None, [], "127.0.0.1"),
        (None, ["198.51.100.1"], "127.0.0.1"),
        ("testclient", ["198.51.100.1"], "127.0.0.1"),
    ],
)
def test_the_address_is_the_rightmost_that_is_no_proxy_of_ours(
    peer: str | None, forwarded_for: list[str], expected: str
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == expected


@given(peer=st.ip_addresses(), header=st.text())
def test_without_trusted_proxies_no_header_matters(peer: object, header: str) -> None:
    assert client_address(str(peer), [header], ()) == client_address(str(peer), [], ())


@given(headers=st.lists(st.text(st.characters(max_codepoint=255)) | st.ip_addresses().map(str), max_size=4))
def test_any_header_gives_an_address(headers: list[str]) -> None:
    ipaddress.ip_address(client_address("10.0.0.1", headers, TRUSTED))


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "10.0.0.1/8", "10.0.0.0/8;fd00::/8"])
def test_a_network_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no network such as"):
        networks(text)


def test_no_networks_are_none() -> None:
    assert networks("") == networks(" , ") == ()
