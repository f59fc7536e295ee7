"""A login that goes on: no refresh token is spent twice, whatever the network does and however many ask."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from django.db import connection
from django.test import Client

from synckairos.auth import refresh_tokens
from synckairos.auth.principal import authenticate
from synckairos_client import Api, ApiError, RefreshTokens


class Issuer(httpx.AsyncBaseTransport):
    """Gives refresh tokens as the server does (tests/synckairos/auth/test_refresh_tokens.py), over a bad network."""

    def __init__(self, *troubles):
        self.current, self.troubles, self.exchanges = "r0", list(troubles), []
        self.last, self.is_asked = None, asyncio.Event()

    async def handle_async_request(self, request):
        await asyncio.sleep(0)
        key, token = request.headers["idempotency-key"], httpx.Response(200, content=await request.aread()).json()
        asked = (token["refresh"], key)
        if asked != self.last:
            if asked[0] != self.current:
                return httpx.Response(401, json={"error": {}})
            self.last, self.current = asked, f"r{len(self.exchanges) + 1}"
            self.exchanges.append(asked)
            self.is_asked.set()
            await asyncio.sleep(0)
        trouble = self.troubles.pop(0) if self.troubles else None
        if isinstance(trouble, Exception):
            raise trouble
        if trouble is not None:
            return httpx.Response(trouble)
        return httpx.Response(200, json={"access": f"a{len(self.exchanges)}", "refresh": self.current})


def logged_in(issuer):
    return RefreshTokens("http://server", "r0", transport=issuer)


async def test_each_exchange_spends_the_last_refresh_token_under_a_key_of_its_own():
    issuer = Issuer()
    tokens = logged_in(issuer)
    assert [await tokens() for _ in range(3)] == ["a1", "a2", "a3"]
    assert [spent for spent, _ in issuer.exchanges] == ["r0", "r1", "r2"]
    assert len({key for _, key in issuer.exchanges}) == 3
    assert tokens.refresh == "r3"


async def test_all_who_ask_at_the_same_time_share_one_exchange():
    issuer = Issuer()
    tokens = logged_in(issuer)
    assert await asyncio.gather(*[tokens() for _ in range(5)]) == ["a1"] * 5
    assert len(issuer.exchanges) == 1


@pytest.mark.parametrize("trouble", [httpx.ReadTimeout("lost"), 503, 500])
async def test_a_lost_answer_is_asked_for_again_and_the_login_goes_on(trouble):
    issuer = Issuer(trouble)
    tokens = logged_in(issuer)
    with pytest.raises(httpx.TransportError):
        await tokens()
    assert [await tokens(), await tokens()] == ["a1", "a2"]


async def test_who_is_cut_off_while_asking_has_lost_nothing():
    issuer = Issuer(httpx.ReadTimeout("lost"))
    tokens = logged_in(issuer)
    asking = asyncio.create_task(tokens())
    await issuer.is_asked.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    issuer.troubles.clear()
    assert await tokens() == "a1"


async def test_a_login_that_is_over_is_said_and_not_asked_for_again():
    tokens = RefreshTokens("http://server", "stolen", transport=Issuer())
    with pytest.raises(ApiError) as over:
        await tokens()
    assert over.value.status == 401


class Doors(httpx.AsyncBaseTransport):
    """The server's own doors, whose first answer is lost."""

    is_lost = True

    async def handle_async_request(self, request):
        body = await request.aread()
        answer = await asyncio.to_thread(self.post, request.url.path, body, request.headers["idempotency-key"])
        if self.is_lost:
            self.is_lost = False
            raise httpx.ReadTimeout("lost")
        return httpx.Response(answer.status_code, content=answer.content)

    def post(self, path, body, key):
        try:
            headers = {"Idempotency-Key": key}
            return Client().post(path, body, content_type="application/json", headers=headers)
        finally:
            connection.close()


@pytest.mark.django_db(transaction=True)
def test_the_server_takes_what_is_asked_again_for_a_repeat(settings, django_user_model):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    pair = refresh_tokens.issue_pair(django_user_model.objects.create_user("carol", password="correct horse"))

    async def play():
        tokens = RefreshTokens("http://server", pair["refresh"], transport=Doors())
        with pytest.raises(httpx.ReadTimeout):
            await tokens()
        return [await tokens(), await tokens()]

    assert [authenticate(access).subject for access in asyncio.run(play())] == ["carol", "carol"]


@pytest.mark.parametrize("user_id", ["carol", None])
async def test_a_seat_is_assigned(user_id):
    asked = []

    def answer(request):
        asked.append((request.method, request.url.path, request.content))
        return httpx.Response(200, json={"data": {}})

    async with Api("http://server", "token", transport=httpx.MockTransport(answer)) as api:
        await api.assign("s", "p", user_id, expected_version=3)
    ((method, path, body),) = asked
    assert (method, path) == ("PATCH", "/v1/sessions/s/participants/p")
    assert json.loads(body) == {"user_id": user_id, "expected_version": 3}
