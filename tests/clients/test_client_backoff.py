"""When to come back and when not to; with which token."""

from __future__ import annotations

import base64
import json
import random

import pytest

from synckairos_client.backoff import Backoff
from synckairos_client.close_codes import CloseAction, CloseReason
from synckairos_client.tokens import TokenSource


class Highest(random.Random):
    """The longest wait that may be drawn."""

    def uniform(self, a, b):
        return b


def test_waits_are_anything_below_a_bound_that_doubles_up_to_its_cap_and_begin_anew_after_a_reset():
    backoff = Backoff(rng=Highest())
    assert [backoff.next_s() for _ in range(8)] == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.next_s() == 0.25
    waits = [Backoff(rng=random.Random(seed)).next_s() for seed in range(200)]
    assert min(waits) < 0.02
    assert max(waits) > 0.23


@pytest.mark.parametrize(
    ("code", "reason", "action"),
    [
        (1000, "Session deleted", CloseAction.DELETED),
        (1000, "", CloseAction.RECONNECT),
        (1001, "", CloseAction.RECONNECT),
        (1006, "", CloseAction.RECONNECT),
        (1008, "Missing sessionId parameter", CloseAction.REFUSED),
        (1011, "", CloseAction.RECONNECT),
        (1012, "State restored", CloseAction.RECONNECT),
        (4400, "", CloseAction.RECONNECT),
        (4401, "Credentials expired", CloseAction.RENEW_TOKEN),
        (4429, "Too many messages", CloseAction.RECONNECT),
        (4499, "", CloseAction.RECONNECT),
        (4500, "", CloseAction.REFUSED),
        (4501, "UNAUTHENTICATED", CloseAction.REFUSED),
        (4599, "", CloseAction.REFUSED),
        (4600, "", CloseAction.RECONNECT),
        (401, "Unauthorized", CloseAction.REFUSED),
        (403, "Forbidden", CloseAction.REFUSED),
        (404, "Not Found", CloseAction.RECONNECT),
        (503, "Service Unavailable", CloseAction.RECONNECT),
    ],
)
def test_the_code_says_whether_to_come_back(code, reason, action):
    assert CloseReason(code, reason).action is action


def test_only_a_restart_may_say_when_to_come_back():
    assert CloseReason(1012, "Server restarting; retry_ms=750").retry_s == 0.75
    assert CloseReason(1012, "State restored").retry_s is None
    assert CloseReason(1011, "retry_ms=750").retry_s is None
    assert CloseReason(1012, "retry_ms=999999999").retry_s == 60


def jwt(**claims: float) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.signature"


async def test_a_token_is_renewed_a_minute_before_its_end_or_a_tenth_of_its_life_if_that_is_less():
    async def provider():
        return given.pop(0)

    given = [jwt(iat=1_000, exp=1_000 + 43_200), jwt(iat=1_000, exp=1_100), jwt(exp=1_050), "opaque"]
    tokens = TokenSource(provider)
    waits = []
    for _ in range(4):
        await tokens.renew(1_000)
        waits.append(tokens.renewal_in_s(1_000))
    assert waits == [43_140, 90, 45, None]


async def test_the_provider_is_asked_again_only_when_the_token_is_about_to_end_or_was_refused():
    async def provider():
        asked.append(1)
        return jwt(iat=1_000, exp=2_000)

    asked: list[int] = []
    tokens = TokenSource(provider)
    for now_s in (1_000, 1_500, 1_939):
        await tokens.current(now_s)
    assert len(asked) == 1
    await tokens.current(1_940)
    assert len(asked) == 2
    tokens.discard()
    await tokens.current(1_000)
    assert len(asked) == 3


async def test_a_fixed_token_is_what_it_is():
    tokens = TokenSource("fixed")
    assert not tokens.can_renew
    tokens.discard()
    assert await tokens.current(0) == await tokens.renew(0) == "fixed"
