"""Caches keep well-formed values of bounded size, and nothing else that strangers send."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sessions.fastpath import fast_path
from synckairos import ids
from synckairos.auth.principal import mint
from synckairos.ratelimit import limits
from synckairos.redis import keys
from tests.talk import EarlyRequest


@pytest.fixture(autouse=True)
def _nothing_remembered():
    ids._cached_uuid.cache_clear()
    keys._cached_rate_key.cache_clear()


A_UUID = "8a361df9-71af-4c29-af03-390b39cf8785"


@pytest.mark.parametrize(
    "text", ["", "x", "x" * 36, "x" * 200_000, A_UUID[:-1], f"{A_UUID} ", A_UUID.replace("-", "")], ids=range(7)
)
def test_a_text_that_is_not_a_uuid_is_refused_and_not_cached(text):
    assert ids.parse_uuid(text) is None
    assert ids._cached_uuid.cache_info().currsize == 0


def test_a_uuid_is_cached():
    wanted = uuid4()
    assert ids.parse_uuid(str(wanted)) == ids.parse_uuid(str(wanted)) == wanted
    assert ids._cached_uuid.cache_info().hits == 1


def test_keys_of_limits_are_cached_for_short_names_only_and_equal_either_way():
    assert keys.rate("general", "alice") == keys.rate("general", "alice")
    assert keys._cached_rate_key.cache_info().currsize == 1
    assert keys.rate("general", "x" * 100_000) == keys.rate("general", "x" * 100_000)
    assert keys.rate("general", "x" * 100_000) != keys.rate("general", "x" * 100_001)
    assert keys._cached_rate_key.cache_info().currsize == 1


def test_only_the_beginning_of_an_overlong_login_name_counts():
    _, name = limits.login_by_name("x" * 200_000)
    assert len(name) == 256


def test_an_overlong_origin_is_not_used_as_a_cache_key():
    def taken(origin: bytes) -> bool:
        token = mint("alice", is_staff=False).encode()
        headers = {b"authorization": b"Bearer " + token, b"origin": origin}
        request = EarlyRequest(headers, method="GET", path=f"/v1/sessions/{A_UUID}")
        return fast_path.parse(request, headers) is not None

    assert taken(b"https://play.example.com:8443")
    assert not taken(b"https://" + b"x" * 8_000)
