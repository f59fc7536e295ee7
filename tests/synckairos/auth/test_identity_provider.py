"""The identity provider's keys are fetched in the background, and never by a request."""

from __future__ import annotations

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from synckairos.auth import identity_provider as module
from synckairos.auth.identity_provider import ProviderKeys, key_fetcher
from synckairos.auth.principal import authenticate
from synckairos.auth.signing_keys import key_ring
from synckairos.conf import IdentityProvider
from synckairos.errors import Unauthenticated
from tests.forging import FakeIdentityProvider, Maker, new_key, serving
from tests.servers import wait_until

THEM = Maker(new_key(), "https://login.example.com", "clocks")


@pytest.fixture
def idp():
    with serving(FakeIdentityProvider([THEM.key.jwk])) as provider:
        yield provider


@pytest.fixture
def fetcher(idp, configure, monkeypatch):
    monkeypatch.setattr(module, "MIN_REFRESH_INTERVAL_S", 0.3)
    provider = IdentityProvider(THEM.issuer, THEM.audience, idp.url, "idp:", None)
    configure(provider=provider)
    yield key_fetcher(provider)
    key_fetcher(provider).stop()
    key_fetcher.cache_clear()


def is_good(token):
    try:
        return authenticate(token).subject == "idp:alice"
    except Unauthenticated:
        return False


def soon(token):
    wait_until(lambda: is_good(token), 30, "the token is good")


def test_the_first_token_is_refused_at_once_and_starts_a_fetch_of_the_keys(idp, fetcher):
    token = THEM.token()
    idp.may_answer.clear()
    assert not is_good(token)
    wait_until(lambda: idp.asked, 30, "the provider is asked")
    assert not is_good(token)  # nobody waits for it
    idp.may_answer.set()
    soon(token)
    assert not authenticate(token).is_staff
    assert idp.asked == 1


def test_a_fetcher_that_is_started_early_has_the_keys_before_the_first_token(fetcher):
    fetcher.start()
    assert fetcher.wait_for_first_fetch(30)
    assert is_good(THEM.token())


def test_a_new_key_is_found_and_an_old_one_forgotten(idp, fetcher):
    old = THEM.token()
    assert not is_good(old)
    soon(old)
    newer = Maker(new_key(), THEM.issuer, THEM.audience)
    idp.keys = [newer.key.jwk, THEM.key.jwk]
    assert not is_good(newer.token())
    soon(newer.token())
    assert is_good(old)
    idp.keys = [newer.key.jwk]
    is_good(Maker(new_key(), THEM.issuer, THEM.audience).token())
    wait_until(lambda: not is_good(old), 30, "the old key is forgotten, with what it had signed")
    assert is_good(newer.token())


def test_unknown_keys_by_the_thousand_do_not_flood_the_provider(idp, fetcher, monkeypatch):
    waits_s = []

    class Noting(threading.Event):
        def wait(self, timeout=None):
            waits_s.append(timeout)
            return super().wait(timeout)

    fetcher._stopped = Noting()
    monkeypatch.setattr(module, "MIN_REFRESH_INTERVAL_S", 3_600)
    fetcher.start()
    wait_until(lambda: waits_s, 30, "the provider was asked once")
    for number in range(1000):
        assert not is_good(THEM.token({"kid": f"unknown {number}"}))
    assert (idp.asked, waits_s) == (1, [3_600])
    monkeypatch.setattr(module, "MIN_REFRESH_INTERVAL_S", 0.3)
    fetcher._stopped.set()  # it would wait for the rest of the hour


@pytest.mark.parametrize(
    ("status", "raw"),
    [(500, None), (302, None), (200, b"<html>"), (200, b"[" * 5000), (200, b'{"keys": []}'), (200, b"x" * 2_000_000)],
)
def test_the_last_valid_keys_are_kept_while_the_provider_sends_invalid_ones(idp, fetcher, status, raw):
    token = THEM.token()
    fetcher.start()
    soon(token)
    idp.status, idp.raw = status, raw
    asked = idp.asked
    is_good(THEM.token({"kid": "unknown"}))
    wait_until(lambda: idp.asked >= asked + 2, 30, "the provider was asked again, and again after the failure")
    assert is_good(token)
    idp.status, idp.raw = 200, None
    newer = Maker(new_key(), THEM.issuer, THEM.audience)
    idp.keys.append(newer.key.jwk)
    soon(newer.token())


def made(private):
    return key_ring(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()).keys[0]


@pytest.mark.parametrize(
    "key", [made(ec.generate_private_key(ec.SECP256R1())), made(rsa.generate_private_key(65537, 2048))]
)
def test_keys_of_every_usual_kind_are_taken_and_need_not_name_their_algorithm(idp, fetcher, key):
    idp.keys = [{name: value for name, value in key.jwk.items() if name not in {"alg", "use"}}]
    soon(Maker(key, THEM.issuer, THEM.audience).token())


def test_keys_for_other_uses_and_untrusted_keys_are_left_out():
    good = THEM.key.jwk
    rsa_key = made(rsa.generate_private_key(65537, 2048)).jwk
    bad = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"},
        good | {"kid": "1", "alg": "HS256"},
        good | {"kid": "2", "alg": "none"},
        good | {"kid": "3", "alg": "ES256"},
        good | {"kid": "4", "use": "enc"},
        good | {"kid": "5", "crv": "Ed999"},
        good | {"kid": "6", "x": "!"},
        good | {"kid": "7", "d": good["x"]},
        good | {"kid": 8},
        rsa_key | {"kid": "9", "n": rsa_key["n"][:100]},
        rsa_key | {"kid": "10", "alg": ["RS256"]},
        {name: value for name, value in good.items() if name != "kid"},
        {},
    ]
    assert len(ProviderKeys(bad)) == 0
    assert len(ProviderKeys([*bad, good])) == 1
