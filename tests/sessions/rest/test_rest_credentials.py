"""Who is let in: a bearer token that is ours, of the right kind, and still good (forged: test_principal_attacks.py)."""

from __future__ import annotations

import time
from datetime import timedelta

import httpx
import jwt
import pytest
from django.conf import settings

from synckairos.auth.principal import mint
from synckairos.errors import Unauthenticated
from tests.forging import us
from tests.talk import at, created, game, refused


def signed(**changes):
    """A token of ours, but for the changes; None leaves a claim out."""
    return us().token(**changes)


def once():
    """A token as it was before there were key pairs."""
    claims = {"token_type": "access", "exp": int(time.time()) + 600, "iat": 0, "jti": "x", "sub": "alice"}
    return jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256")


BAD = {
    "nothing": lambda: "",
    "only the scheme": lambda: "Bearer",
    "a token of commas": lambda: "Bearer ,,",
    "garbage": lambda: "Bearer garbage",
    "three garbage parts": lambda: "Bearer a.b.c",
    "bytes beyond ASCII": lambda: b"Bearer \xff\xfe.\xff.\xff",
    "a very long token": lambda: "Bearer " + "a" * 5_000,
    "another scheme": lambda: "Basic YWxpY2U6c2VjcmV0",
    "a token without its scheme": signed,
    "the token of another scheme": lambda: f"Token {signed()}",
    "two tokens": lambda: f"Bearer {signed()} {signed()}",
    "a token signed with the secret key, as they once were": lambda: f"Bearer {once()}",
    "an expired token": lambda: f"Bearer {mint('alice', is_staff=False, lifetime=timedelta(seconds=-1))}",
    "a token that never expires": lambda: f"Bearer {signed(exp=None)}",
    "a refresh token": lambda: f"Bearer {signed(token_type='refresh')}",
    "a token without a kind": lambda: f"Bearer {signed(token_type=None)}",
    "a token without a subject": lambda: f"Bearer {signed(sub=None)}",
    "a token with an empty subject": lambda: f"Bearer {signed(sub='')}",
}


@pytest.fixture(scope="session")
def stranger(webs):
    """A client without credentials."""
    with httpx.Client(base_url=webs[0].url, timeout=30, verify=False) as client:
        yield client


@pytest.mark.parametrize("kind", BAD)
def test_bad_credentials_are_refused_without_saying_why(stranger, kind):
    answer = stranger.post("/v1/sessions", json=game(), headers={"Authorization": BAD[kind]()})
    error = refused(answer, 401, "UNAUTHENTICATED")
    assert error == {"code": "UNAUTHENTICATED", "message": Unauthenticated.message}
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/summary"),
        *(("POST", f"/{c}") for c in ("start", "pause", "resume", "switch", "complete", "cancel", "participants")),
        ("PATCH", "/participants/00000000-0000-4000-8000-000000000000"),
    ],
)
def test_every_session_door_asks_for_credentials(api, stranger, method, tail):
    state = created(api)
    refused(stranger.request(method, at(state) + tail), 401, "UNAUTHENTICATED")
    assert api.get(at(state)).headers["etag"] == f'"v1-{state["epoch"]}"'


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/batch"])
def test_the_others_ask_too(stranger, path):
    refused(stranger.post(path, json={}), 401, "UNAUTHENTICATED")


def test_credentials_are_looked_at_before_the_body(stranger):
    refused(stranger.post("/v1/sessions", content=b"not json"), 401, "UNAUTHENTICATED")


def test_the_scheme_is_read_in_any_case(stranger):
    for scheme in ("bearer", "BEARER", "Bearer "):
        created(stranger, Authorization=f"{scheme} {signed()}")


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/time", "/metrics", "/api-docs", "/api-docs.json"])
def test_some_doors_are_open(stranger, path):
    for headers in ({}, {"Authorization": "Bearer garbage"}):
        assert stranger.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("claim", [None, False, "true", 1, "yes"])
def test_staff_is_who_the_token_says_is_staff(stranger, api, claim):
    state = created(api, game(visibility="public"))
    address = at(state, "participants", state["participants"][0]["participant_id"])
    headers = {"Authorization": f"Bearer {signed(sub='bob', staff=claim)}"}
    refused(stranger.patch(address, json={"adjust_ms": 1}, headers=headers), 403, "FORBIDDEN")
