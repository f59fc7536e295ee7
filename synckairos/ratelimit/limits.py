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
from synckairos.ratelimit import policies
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform, run_async, run_blocking
from synckairos.redis.scripts import Call, Script
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

FOLDER = Path(__file__).parent / "lua"
GCRA_RULE = FOLDER / "gcra_rule.lua"
"""The algorithm as a Lua library, for scripts that count a limit with what else they do."""
_GCRA = Script(FOLDER / "gcra.lua", GCRA_RULE, allow_oom=True)  # a number that is gone when its limit is full again
_MAX_LOGIN_LENGTH = 256
"""Characters; Django's user names have 150 at most."""

Bucket: TypeAlias = tuple[policies.Limit, str] | None
"""A limit, and whose; None where nobody is limited."""


def general(principal: Principal) -> Bucket:
    """For a request or a command."""
    return policies.SERVICE if principal.is_service else policies.GENERAL, principal.subject


def unauthenticated(address: str) -> Bucket:
    """For a request whose credentials are no good, or missing."""
    return policies.ANONYMOUS, address


def create(principal: Principal) -> Bucket:
    """For the creation of a session. Service accounts have their own general limit instead."""
    return None if principal.is_service else (policies.CREATE, principal.subject)


def connect(principal: Principal) -> Bucket:
    """For a socket or a stream; likewise."""
    return None if principal.is_service else (policies.CONNECT, principal.subject)


def login_by_address(address: str) -> Bucket:
    """For a login or a refresh, wherever it is for."""
    return policies.TOKEN_ADDRESS, address


def login_by_name(name: str) -> Bucket:
    """For a login, whatever its address. A name is taken as it is, so that no other spelling logs in as the same. Of
    what is longer than any name that can log in, the beginning counts."""
    return policies.TOKEN_NAME, name[:_MAX_LOGIN_LENGTH]


def refresh_by_name(name: str) -> Bucket:
    """For a refresh. Apart from logins, so that nobody who guesses a password keeps its owner from refreshing."""
    return policies.REFRESH_NAME, name


def bucket_key(bucket: tuple[policies.Limit, str]) -> str:
    """Where the store has its count."""
    return keys.rate(bucket[0].scope, bucket[1])


class LimitStatus(Struct, frozen=True):
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


class RateLimiter:
    """The limits that one request meets, in order. With the store away, those that fail open let it pass."""

    __slots__ = ("_is_store_away", "statuses")

    def __init__(self) -> None:
        self.statuses: list[LimitStatus] = []
        self._is_store_away = False
        """The store is away: asking again would only take time."""

    def consume_steps(self, bucket: Bucket, cost: int = 1) -> Procedure[None]:
        """Count one, or as many as it costs, as a procedure: beside another one, it costs no round trip. Raises
        RateLimitExceeded.

        A cost beyond the whole limit is the whole limit, with what this request has taken of it before: it passes when
        nothing else has.
        """
        if bucket is None or (rate := bucket[0].rate) is None:
            return
        if cost != 1:
            cost = min(cost, rate.limit - any(status.scope == bucket[0].scope for status in self.statuses))
        if cost > 0:
            self.record(bucket[0], rate, (yield from _count(bucket, rate, cost)))

    def charge_steps(self, bucket: Bucket, cost: int) -> Procedure[None]:
        """Count what a request has turned out to cost, at most the whole limit, as a procedure: the next ones wait."""
        if bucket is not None and cost and (rate := bucket[0].rate) is not None:
            self.record(bucket[0], rate, (yield from _count(bucket, rate, min(cost, rate.limit), is_owed=True)))

    def consume(self, bucket: Bucket, cost: int = 1) -> None:
        """Count one, or as many as it costs. Raises RateLimitExceeded, and ServiceUnavailable for a limit that fails
        closed."""
        if bucket is not None and self._is_enforced(bucket):
            with self._failing_open(bucket[0]):
                run_blocking(self.consume_steps(bucket, cost))

    async def aconsume(self, bucket: Bucket, cost: int = 1) -> None:
        """The same on the running loop."""
        if bucket is not None and self._is_enforced(bucket):
            with self._failing_open(bucket[0]):
                await run_async(self.consume_steps(bucket, cost))

    def charge(self, bucket: Bucket, cost: int) -> None:
        """Count what a request has turned out to cost: the next ones wait for it."""
        if bucket is not None and cost and self._is_enforced(bucket):
            with self._failing_open(bucket[0]):
                run_blocking(self.charge_steps(bucket, cost))

    async def acharge(self, bucket: Bucket, cost: int) -> None:
        """The same on the running loop."""
        if bucket is not None and cost and self._is_enforced(bucket):
            with self._failing_open(bucket[0]):
                await run_async(self.charge_steps(bucket, cost))

    def _is_enforced(self, bucket: tuple[policies.Limit, str]) -> bool:
        return not self._is_store_away and bucket[0].rate is not None

    def header_fields(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-11; none when no limit has been met."""
        if not self.statuses:
            return {}
        return {
            "RateLimit-Policy": ", ".join([status.policy for status in self.statuses]),
            "RateLimit": ", ".join([status.service_limit for status in self.statuses]),
        }

    def header_lines(self) -> bytes:
        """The same as header lines over the wire."""
        if not self.statuses:
            return b""
        policies = limits = ""
        for status in self.statuses:
            comma = ", " if policies else ""
            policies += comma + _policy(status.scope, status.rate)
            limits += f'{comma}"{status.scope}";r={status.remaining};t={status.reset_s}'
        return f"ratelimit-policy: {policies}\r\nratelimit: {limits}\r\n".encode()

    @contextmanager
    def _failing_open(self, limit: policies.Limit) -> Iterator[None]:
        try:
            yield
        except ServiceUnavailable:
            if not limit.fails_open:
                raise
            self._is_store_away = True
            log.warning("limit not checked", scope=limit.scope)

    def record(self, limit: policies.Limit, rate: Rate, reply: Sequence[int]) -> None:
        """What the rule (`store/lua/gcra_rule.lua`) has said. Raises RateLimitExceeded."""
        wait_us, remaining, reset_us = reply
        status = LimitStatus(limit.scope, rate, remaining, -(-reset_us // 1_000_000))
        if self.statuses:
            self._replace_status(status)
        else:
            self.statuses.append(status)
        if wait_us:
            metrics.RATE_LIMITED.labels(limit.scope).inc()
            # By then another one may pass all of them.
            raise RateLimitExceeded(
                max(other.reset_s for other in self.statuses if other is status or not other.remaining)
            )

    def _replace_status(self, status: LimitStatus) -> None:
        """Each limit once, as it stood last."""
        for place, other in enumerate(self.statuses):
            if other.scope == status.scope:
                self.statuses[place] = status
                return
        self.statuses.append(status)


def _count(bucket: tuple[policies.Limit, str], rate: Rate, cost: int, *, is_owed: bool = False) -> Procedure[list[int]]:
    args: list[int] = [rate.interval_us, rate.limit]
    if cost > 1 or is_owed:
        args.append(cost)
    if is_owed:
        args.append(1)
    return (yield from perform(Call(_GCRA, [bucket_key(bucket)], args, list)))


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)
