"""The client address is the peer's, unless trusted proxies name another."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from synckairos.http.client_address import UNKNOWN, client_address, of_scope

PROXIES = tuple(ip_network(text) for text in ("10.0.0.0/8", "fd00::/8", "127.0.0.1/32"))


@pytest.mark.parametrize("forwarded", ["", "1.2.3.4", "1.2.3.4, 10.0.0.1"])
def test_without_trusted_proxies_forwarded_addresses_are_ignored(forwarded):
    assert client_address("127.0.0.1", forwarded) == "127.0.0.1"
    assert client_address("10.0.0.9", forwarded) == "10.0.0.9"
    assert client_address(None, forwarded) == UNKNOWN


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.9", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.9", "", "10.0.0.9"),
        ("10.0.0.9", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.9", "6.6.6.6,1.2.3.4 , 10.1.1.1,127.0.0.1", "1.2.3.4"),
        ("10.0.0.9", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("10.0.0.9", "1.2.3.4:5678", "1.2.3.4"),
        ("10.0.0.9", "[2001:db8:1:2::3]:443", "2001:db8:1:2::/64"),
        ("10.0.0.9", "1.2.3.4, what?", "10.0.0.9"),
        ("10.0.0.9", "1.2.3.4, , 10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.9", "::ffff:1.2.3.4", "1.2.3.4"),
        ("fd00::1", "1.2.3.4", "1.2.3.4"),
        ("5.5.5.5", "1.2.3.4", "5.5.5.5"),
        (None, "1.2.3.4", UNKNOWN),
        ("testclient", "1.2.3.4", UNKNOWN),
    ],
)
def test_the_nearest_hop_that_is_no_trusted_proxy_counts(configure, peer, forwarded, address):
    configure(trusted_proxies=PROXIES)
    assert client_address(peer, forwarded) == address


def test_a_proxy_on_a_unix_socket_is_trusted_when_configured(configure):
    configure(trusts_unix_sockets=True)
    assert client_address(None, "6.6.6.6, 1.2.3.4") == "1.2.3.4"
    assert client_address(None, "") == UNKNOWN
    assert client_address("127.0.0.1", "1.2.3.4") == "127.0.0.1"


@pytest.mark.parametrize("address", ["2001:db8:1:2::3", "2001:db8:1:2:ffff::", "2001:db8:1:2::3%eth0"])
def test_in_ipv6_a_whole_network_is_one_address(address):
    assert client_address(address, "") == "2001:db8:1:2::/64"


def test_the_fields_of_several_proxies_are_one_list(configure):
    configure(trusted_proxies=PROXIES)
    fields = [(b"X-Forwarded-For", b"6.6.6.6"), (b"host", b"x"), (b"x-forwarded-for", b"1.2.3.4, 10.0.0.1")]
    assert of_scope({"client": ("127.0.0.1", 1), "headers": fields}) == "1.2.3.4"
    assert of_scope({"client": None, "headers": []}) == UNKNOWN
