"""Signing keys: their setting, their replacement, and their published form."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from hashlib import sha256

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from django.core.management import call_command
from django.test import Client

from synckairos.auth.principal import authenticate, mint, refresh_claims
from synckairos.auth.signing_keys import InvalidKey, generate_pem, key_ring
from synckairos.errors import Unauthenticated
from tests import servers
from tests.forging import us

KINDS = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


def pem(key, password=None):
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@pytest.mark.parametrize("algorithm", KINDS)
def test_the_published_keys_verify_a_token(configure, algorithm):
    configure(signing_keys=key_ring(pem(KINDS[algorithm]()) + generate_pem()))
    token = mint("alice", is_staff=True)
    assert authenticate(token).is_staff
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    published = jwt.PyJWKSet.from_dict(Client().get("/.well-known/jwks.json").json())
    key = published[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key.key, algorithms=[key.algorithm_name], audience="synckairos", issuer="synckairos")
    assert claims["sub"] == "alice"


@pytest.mark.parametrize("algorithm", KINDS)
def test_only_public_parts_are_published_under_the_thumbprint_of_rfc_7638(algorithm):
    [jwk] = key_ring(pem(KINDS[algorithm]())).jwks()["keys"]
    assert set(jwk) <= {"kty", "crv", "x", "y", "n", "e", "use", "alg", "kid"}
    members = {name: value for name, value in sorted(jwk.items()) if name not in {"use", "alg", "kid"}}
    digest = sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    assert jwk["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_tokens_stay_valid_while_keys_are_replaced(configure):
    old, new = generate_pem(), generate_pem()
    configure(signing_keys=key_ring(old))
    before = mint("alice", is_staff=False)
    assert authenticate(before).subject == "alice"

    configure(signing_keys=key_ring(f"{new}\n{old}"))
    after = mint("alice", is_staff=False)
    assert jwt.get_unverified_header(after)["kid"] == key_ring(new).keys[0].kid
    assert authenticate(before).subject == "alice"
    assert authenticate(after).subject == "alice"

    configure(signing_keys=key_ring(new))
    assert authenticate(after).subject == "alice"
    with pytest.raises(Unauthenticated):
        authenticate(before)  # verified a moment ago, and forgotten with its key


def test_the_times_of_a_cached_token_are_checked_again(monkeypatch):
    token = mint("alice", is_staff=False, lifetime=timedelta(hours=1))
    assert authenticate(token).subject == "alice"
    later = time.time() + 3_600
    monkeypatch.setattr("synckairos.auth.principal.time.time", lambda: later)
    with pytest.raises(Unauthenticated):
        authenticate(token)


def test_the_clock_of_another_host_may_be_a_little_ahead(monkeypatch):
    token = us().token(nbf=int(time.time()) + 3)
    assert authenticate(token).subject == "alice"
    early = us().token(nbf=int(time.time()) + 60, exp=int(time.time()) + 600)
    with pytest.raises(Unauthenticated):
        authenticate(early)
    later = time.time() + 56
    monkeypatch.setattr("synckairos.auth.principal.time.time", lambda: later)
    assert authenticate(early).subject == "alice"
    monkeypatch.undo()
    with pytest.raises(Unauthenticated):
        authenticate(early)


def test_a_token_of_the_wrong_kind_is_refused():
    refresh = us().token(token_type="refresh")
    assert refresh_claims(refresh)["sub"] == "alice"
    with pytest.raises(Unauthenticated):
        authenticate(refresh)
    with pytest.raises(Unauthenticated):
        refresh_claims(us().token())


def test_keys_are_read_from_text_or_from_files(tmp_path):
    one, two, three = generate_pem(), generate_pem(), generate_pem()
    (tmp_path / "a key.pem").write_text(one + two)
    named = [key.kid for pem in (one, two, three) for key in key_ring(pem).keys]
    path = tmp_path / "a key.pem"
    for text in (one + two + three, f"{path},{three}", f"{path}\n{three}", (one + two + three).replace("\n", "\\n")):
        assert [key.kid for key in key_ring(text).keys] == named
    assert [key.kid for key in key_ring(one + one).keys] == named[:1]


NO_KEYS = {
    "nothing": "",
    "no file": "/nowhere/key.pem",
    "a slip": generate_pem().replace("BEGIN", "BEGUN"),
    "half a key": generate_pem()[:40] + generate_pem()[-30:],
    "a weak key": pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
    "another curve": pem(ec.generate_private_key(ec.SECP384R1())),
    "a password": pem(ed25519.Ed25519PrivateKey.generate(), b"secret"),
    "a file without keys": str(servers.ROOT / "README.md"),
}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=NO_KEYS.keys())
def test_an_invalid_key_is_refused_without_being_repeated(text):
    with pytest.raises(InvalidKey) as refused:
        key_ring(text)
    assert refused.value.__cause__ is None
    assert not any(line and line in str(refused.value) for line in text.splitlines())


def test_the_representation_of_a_key_hides_it():
    shown = generate_pem()
    ring = key_ring(shown)
    assert shown.splitlines()[1] not in repr(ring) + repr(ring.keys[0].__dict__)
    assert "private" not in repr(ring)


def test_the_command_prints_a_key_and_nothing_else(capsys):
    call_command("make_signing_key")
    assert len(key_ring(capsys.readouterr().out).keys) == 1


def start(**env):
    command = [sys.executable, "-c", "import config.environment as e; print(e.SIGNING_KEYS.keys[0].kid, e.PROVIDER)"]
    return subprocess.run(
        command, cwd=servers.ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )


def test_processes_of_one_machine_agree_on_a_key_that_only_its_owner_can_read(tmp_path):
    first, second = (start(SYNCKAIROS_DATA_DIR=str(tmp_path)).stdout for _ in range(2))
    assert first == second != ""
    assert (tmp_path / "signing_key").stat().st_mode & 0o777 == 0o600


IDP = {
    "SYNCKAIROS_IDP_ISSUER": "https://login.example.com",
    "SYNCKAIROS_IDP_AUDIENCE": "clocks",
    "SYNCKAIROS_IDP_JWKS_URL": "https://login.example.com/jwks.json",
}


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"SYNCKAIROS_SIGNING_KEYS": generate_pem().replace("BEGIN", "BEGUN")}, "SYNCKAIROS_SIGNING_KEYS"),
        *((dict(IDP, **{left: ""}), left) for left in IDP),
        ({**IDP, "SYNCKAIROS_IDP_JWKS_URL": "file:///etc/passwd"}, "SYNCKAIROS_IDP_JWKS_URL"),
        ({**IDP, "SYNCKAIROS_IDP_SUBJECT_PREFIX": " "}, "SYNCKAIROS_IDP_SUBJECT_PREFIX"),
    ],
)
def test_a_wrong_setting_stops_the_start_by_name(env, named):
    refused = start(**env)
    assert refused.returncode == 1
    assert named in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "PRIVATE KEY-----\n" not in refused.stderr


def test_all_three_settings_together_configure_a_provider():
    assert "IdentityProvider(issuer='https://login.example.com', audience='clocks'" in start(**IDP).stdout
