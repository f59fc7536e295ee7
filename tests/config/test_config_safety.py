"""Production refuses unsafe settings and accepts safe ones."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from marshmallow.exceptions import ValidationError

from config import safety

HALVES = [f"{first}.0.0.0/8" for first in range(11, 100)]


@pytest.mark.parametrize("name", [".", ".example.com", "*", "*.example.com", "clock.example.com,."])
def test_production_takes_no_host_by_wildcard(name):
    with pytest.raises(ValidationError, match="Name the hosts"):
        safety.hosts(name, in_production=True)
    assert safety.hosts(name, in_production=False) == name.split(",")


@pytest.mark.parametrize(
    "name", ["https://clock.example.com", "clock.example.com:443", "a b", "a/b", "x_y", "-x", "x."]
)
def test_production_takes_no_host_that_no_request_could_name(name):
    with pytest.raises(ValidationError, match="Expected names"):
        safety.hosts(name, in_production=True)


@pytest.mark.parametrize("name", ["clock.example.com", "localhost", "10.0.0.1", "[::1]", "CLOCK.example.com", "x"])
def test_production_takes_a_host_by_name(name):
    assert safety.hosts(f" {name} ,", in_production=True) == [name]


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0/0", "::/0", "10.0.0.0/8,::/0"),
        *("0.0.0.0/1,128.0.0.0/1", "128.0.0.0/1", "::/1,8000::/1", "2000::/3"),
        *("8.0.0.0/5", "::ffff:0:0/96", "::ffff:0.0.0.0/97,::ffff:128.0.0.0/97", ",".join(HALVES)),
        "1.0.0.0/9,2.0.0.0/9,3.0.0.0/9",
    ],
)
def test_production_trusts_no_large_part_of_the_world_however_it_is_cut(text):
    with pytest.raises(ValidationError, match="taken together"):
        safety.proxies(text, in_production=True)
    assert len(safety.proxies(text, in_production=False).networks) == len(text.split(","))


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,127.0.0.0/8,fc00::/7,fe80::/10,::1,unix",
        "104.16.0.0/13,172.64.0.0/13,162.158.0.0/15,2400:cb00::/32,2606:4700::/32,2a06:98c0::/29",
        "::ffff:10.0.0.0/104",
        "203.0.113.7",
    ],
)
def test_production_trusts_private_networks_and_those_of_providers(text):
    assert safety.proxies(text, in_production=True).networks


def test_what_is_trusted_is_what_was_named():
    assert safety.proxies("10.0.0.0/8, unix", in_production=True) == ((IPv4Network("10.0.0.0/8"),), True)


@pytest.mark.parametrize("origin", ["https://app.example.com", "https://App.example.com:8443", "https://[::1]"])
def test_an_origin_by_https_and_by_name_is_one(origin):
    assert safety.is_one_secure_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        *("https://*.example.com", "https://.example.com", "https://*", "*", "http://app.example.com"),
        *("https://app.example.com/path", "app.example.com", "https://"),
    ],
)
def test_what_is_more_than_one_origin_or_none_is_not(origin):
    assert not safety.is_one_secure_origin(origin)
