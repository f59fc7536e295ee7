"""Forged tokens are refused by HTTP and sockets, with our keys and with those of an identity provider."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from synckairos.auth.principal import mint
from synckairos.errors import Unauthenticated
from tests import servers
from tests.conftest import bearer
from tests.forging import ATTACKS, FakeIdentityProvider, Maker, new_key, serving, us
from tests.talk import refused

THEM = Maker(new_key(), "https://login.example.com", "clocks")
ISSUERS = {"ours": us, "theirs": lambda: THEM}


@pytest.fixture(scope="module")
def web() -> Iterator[servers.Web]:
    """A web process that accepts tokens of two issuers."""
    with serving(FakeIdentityProvider([THEM.key.jwk])) as provider:
        server = servers.web(
            SYNCKAIROS_IDP_ISSUER=THEM.issuer,
            SYNCKAIROS_IDP_AUDIENCE=THEM.audience,
            SYNCKAIROS_IDP_JWKS_URL=provider.url,
            SYNCKAIROS_IDP_STAFF_CLAIM="moderates",
            SYNCKAIROS_LOG_LEVEL="DEBUG",
        )
        yield server.wait_ready()
        server.stop()


@pytest.fixture(scope="module")
def http(web: servers.Web) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=web.url, timeout=30, verify=False) as client:
        yield client


def opened(web: servers.Web, token: str) -> str:
    """Return the first frame of a socket with this token, or its close code and reason."""
    with (
        contextlib.closing(connect(f"{web.ws_url}/ws?sessionId={uuid4()}", additional_headers=bearer(token))) as socket,
        contextlib.suppress(ConnectionClosed),
    ):
        return str(socket.recv(30))
    return f"{socket.protocol.close_code} {socket.protocol.close_reason}"


def game() -> dict[str, object]:
    return {"sync_mode": "global", "total_time_ms": 60_000}


@pytest.mark.parametrize("whose", ISSUERS)
def test_a_valid_token_is_accepted_by_http_and_sockets(web, http, whose):
    token = ISSUERS[whose]().token()
    assert http.post("/v1/sessions", json=game(), headers=bearer(token)).status_code == 201
    assert '"CONNECTED"' in opened(web, token)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("whose", ISSUERS)
def test_a_forged_token_is_refused_by_http_and_sockets_without_a_reason(web, http, whose, attack):
    token = ATTACKS[attack](ISSUERS[whose]())
    answer = http.post("/v1/sessions", json=game(), headers=bearer(token))
    error = refused(answer, 401, "UNAUTHENTICATED")
    assert error == {"code": "UNAUTHENTICATED", "message": Unauthenticated.message}
    assert opened(web, token) == "4501 UNAUTHENTICATED"


def test_an_issuer_cannot_sign_tokens_of_the_other_issuer(http):
    ours = us()
    for crossed in (
        ours.token(iss=THEM.issuer, aud=THEM.audience),
        THEM.token(iss=ours.issuer, aud=ours.audience),
        THEM.token({"kid": ours.key.kid}),
        ours.token({"kid": THEM.key.kid}),
    ):
        refused(http.get(f"/v1/sessions/{uuid4()}", headers=bearer(crossed)), 401, "UNAUTHENTICATED")


def test_subjects_of_the_provider_never_equal_our_own(http):
    state = http.post("/v1/sessions", json=game(), headers=bearer(mint("alice", is_staff=False))).json()["data"]
    theirs = bearer(THEM.token(sub="alice"))
    created = http.post("/v1/sessions", json=game(), headers=theirs)
    again = http.post("/v1/sessions", json=game(), headers=theirs | {"Idempotency-Key": "k"})
    ours = http.post(
        "/v1/sessions", json=game(), headers=bearer(mint("alice", is_staff=False)) | {"Idempotency-Key": "k"}
    )
    ids = [state["session_id"], *(answer.json()["data"]["session_id"] for answer in (created, again, ours))]
    assert len(set(ids)) == 4  # one key, two people
    refused(http.get(f"/v1/sessions/{uuid4()}", headers=bearer(us().token(sub="idp:alice"))), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 403),
        ({"staff": True}, 403),
        ({"moderates": "true"}, 403),
        ({"moderates": 1}, 403),
        ({"moderates": True}, 404),
    ],
)
def test_only_the_configured_claim_of_the_provider_makes_staff(http, claims, status):
    body = game() | {"visibility": "public"}
    state = http.post("/v1/sessions", json=body, headers=bearer(mint("alice", is_staff=False))).json()["data"]
    address = f"/v1/sessions/{state['session_id']}/participants/{uuid4()}"
    answer = http.patch(address, json={"adjust_ms": 1}, headers=bearer(THEM.token(**claims)))
    assert answer.status_code == status


def test_published_keys_verify_tokens_and_are_not_secret(http, web):
    answer = http.get("/.well-known/jwks.json", headers=bearer("garbage"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    private = (servers.DATA_DIR / "signing_key").read_text().splitlines()[1]
    for kept in (answer.text, web.output()):
        assert private not in kept
        assert "PRIVATE" not in kept
    assert [set(key) for key in answer.json()["keys"]] == [{"kty", "crv", "x", "use", "alg", "kid"}]
