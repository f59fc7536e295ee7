"""Rate limits: a GCRA in the store, exact over all processes (the kinds are in synckairos/ratelimit/policies.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from synckairos.auth.principal import Principal
from synckairos.conf import Rate
from synckairos.errors import RateLimitExceeded, ServiceUnavailable
from synckairos.ratelimit import policies as rates
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script, Steps, arun, ask, run
from synckairos.telemetry import logs, metrics

log = logs.get(__name__)

FOLDER = Path(__file__).parent / "lua"
GCRA_RULE = FOLDER / "gcra_rule.lua"
"""The algorithm as a Lua library, for scripts that count a limit with what else they do."""
_GCRA = Script(FOLDER / "gcra.lua", GCRA_RULE, allow_oom=True)  # a number that is gone when its limit is full again
_LONGEST_LOGIN = 256
"""Characters; Django's user names have 150 at most."""

Claim: TypeAlias = tuple[rates.Limit, str] | None
"""A limit, and whose; None where nobody is limited."""


def general(principal: Principal) -> Claim:
    """For a request or a command."""
    return rates.SERVICE if principal.is_service else rates.GENERAL, principal.subject


def stranger(address: str) -> Claim:
    """For a request whose credentials are no good, or missing."""
    return rates.ANONYMOUS, address


def create(principal: Principal) -> Claim:
    """For the creation of a session. Service accounts have their own general limit instead."""
    return None if principal.is_service else (rates.CREATE, principal.subject)


def connect(principal: Principal) -> Claim:
    """For a socket or a stream; likewise."""
    return None if principal.is_service else (rates.CONNECT, principal.subject)


def login_from(address: str) -> Claim:
    """For a login or a refresh, wherever it is for."""
    return rates.TOKEN_ADDRESS, address


def login_as(name: str) -> Claim:
    """For a login, whatever its address. A name is taken as it is, so that no other spelling logs in as the same. Of
    what is longer than any name that can log in, the beginning counts."""
    return rates.TOKEN_NAME, name[:_LONGEST_LOGIN]


def refresh_as(name: str) -> Claim:
    """For a refresh. Apart from logins, so that nobody who guesses a password keeps its owner from refreshing."""
    return rates.REFRESH_NAME, name


def key_of(claim: tuple[rates.Limit, str]) -> str:
    """Where the store has its count."""
    return keys.rate(claim[0].scope, claim[1])


class Standing(Struct, frozen=True):
    """How a limit stood when a request met it."""

    scope: str
    rate: Rate
    remaining: int
    reset_s: int
    """Until it is full again; when nothing remains, until one more may pass; of a refusal, until it may pass."""

    @property
    def policy(self) -> str:
        """An item of `RateLimit-Policy`."""
        return _policy(self.scope, self.rate)

    @property
    def service_limit(self) -> str:
        """An item of `RateLimit`."""
        return f'"{self.scope}";r={self.remaining};t={self.reset_s}'


@lru_cache(maxsize=64)
def _policy(scope: str, rate: Rate) -> str:
    return f'"{scope}";q={rate.limit};w={_ceil(rate.period_ms, 1000)}'


class Tally:
    """The limits that one request meets, in order. With the store away, those that fail open let it pass."""

    __slots__ = ("_is_blind", "standings")

    def __init__(self) -> None:
        self.standings: list[Standing] = []
        self._is_blind = False
        """The store is away: asking again would only take time."""

    def counted(self, claim: Claim, cost: int = 1) -> Steps[None]:
        """Count one, or as many as it costs, as a procedure: beside another one, it costs no round trip. Raises
        RateLimitExceeded.

        A cost beyond the whole limit is the whole limit, with what this request has taken of it before: it passes when
        nothing else has.
        """
        if claim is None or (rate := claim[0].rate) is None:
            return
        if cost != 1:
            cost = min(cost, rate.limit - any(standing.scope == claim[0].scope for standing in self.standings))
        if cost > 0:
            self.note(claim[0], rate, (yield from _count(claim, rate, cost)))

    def owed(self, claim: Claim, cost: int) -> Steps[None]:
        """Count what a request has turned out to cost, at most the whole limit, as a procedure: the next ones wait."""
        if claim is not None and cost and (rate := claim[0].rate) is not None:
            self.note(claim[0], rate, (yield from _count(claim, rate, min(cost, rate.limit), is_owed=True)))

    def take(self, claim: Claim, cost: int = 1) -> None:
        """Count one, or as many as it costs. Raises RateLimitExceeded, and ServiceUnavailable for a limit that fails
        closed."""
        if claim is not None and self._asks(claim):
            with self._as_it_fails(claim[0]):
                run(self.counted(claim, cost))

    async def atake(self, claim: Claim, cost: int = 1) -> None:
        """The same on the running loop."""
        if claim is not None and self._asks(claim):
            with self._as_it_fails(claim[0]):
                await arun(self.counted(claim, cost))

    def owe(self, claim: Claim, cost: int) -> None:
        """Count what a request has turned out to cost: the next ones wait for it."""
        if claim is not None and cost and self._asks(claim):
            with self._as_it_fails(claim[0]):
                run(self.owed(claim, cost))

    async def aowe(self, claim: Claim, cost: int) -> None:
        """The same on the running loop."""
        if claim is not None and cost and self._asks(claim):
            with self._as_it_fails(claim[0]):
                await arun(self.owed(claim, cost))

    def _asks(self, claim: tuple[rates.Limit, str]) -> bool:
        return not self._is_blind and claim[0].rate is not None

    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-11; none when no limit has been met."""
        if not self.standings:
            return {}
        return {
            "RateLimit-Policy": ", ".join([standing.policy for standing in self.standings]),
            "RateLimit": ", ".join([standing.service_limit for standing in self.standings]),
        }

    def head(self) -> bytes:
        """The same as header lines over the wire."""
        if not self.standings:
            return b""
        policies = limits = ""
        for standing in self.standings:
            comma = ", " if policies else ""
            policies += comma + _policy(standing.scope, standing.rate)
            limits += f'{comma}"{standing.scope}";r={standing.remaining};t={standing.reset_s}'
        return f"ratelimit-policy: {policies}\r\nratelimit: {limits}\r\n".encode()

    @contextmanager
    def _as_it_fails(self, limit: rates.Limit) -> Iterator[None]:
        try:
            yield
        except ServiceUnavailable:
            if not limit.fails_open:
                raise
            self._is_blind = True
            log.warning("limit not checked", scope=limit.scope)

    def note(self, limit: rates.Limit, rate: Rate, reply: Sequence[int]) -> None:
        """What the rule (`store/lua/gcra_rule.lua`) has said. Raises RateLimitExceeded."""
        wait_us, remaining, reset_us = reply
        standing = Standing(limit.scope, rate, remaining, -(-reset_us // 1_000_000))
        if self.standings:
            self._replace(standing)
        else:
            self.standings.append(standing)
        if wait_us:
            metrics.RATE_LIMITED.labels(limit.scope).inc()
            # By then another one may pass all of them.
            raise RateLimitExceeded(
                max(other.reset_s for other in self.standings if other is standing or not other.remaining)
            )

    def _replace(self, standing: Standing) -> None:
        """Each limit once, as it stood last."""
        for place, other in enumerate(self.standings):
            if other.scope == standing.scope:
                self.standings[place] = standing
                return
        self.standings.append(standing)


def _count(claim: tuple[rates.Limit, str], rate: Rate, cost: int, *, is_owed: bool = False) -> Steps[list[int]]:
    args: list[int] = [rate.interval_us, rate.limit]
    if cost > 1 or is_owed:
        args.append(cost)
    if is_owed:
        args.append(1)
    return (yield from ask(Call(_GCRA, [key_of(claim)], args, list)))


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)
