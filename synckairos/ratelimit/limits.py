"""Rate limits: GCRA in the state store, exact over all processes. Their table is in `policies.py`."""

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
from synckairos.redis.procedures import Procedure, perform, run_async, run_from_thread
from synckairos.redis.scripts import Call, Script
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

FOLDER = Path(__file__).parent / "lua"
GCRA_RULE = FOLDER / "gcra_rule.lua"
"""The algorithm as a Lua library, for scripts that count a limit together with other work."""
_GCRA = Script(FOLDER / "gcra.lua", GCRA_RULE, allow_oom=True)  # one key, which expires when the limit is full again
_MAX_LOGIN_LENGTH = 256
"""Characters. Names of Django's users have at most 150."""

Bucket: TypeAlias = tuple[policies.Limit, str] | None
"""A limit, and the person, address or name that it counts for. None for callers without this limit."""


def general(principal: Principal) -> Bucket:
    """Return the bucket of a request or command."""
    return policies.SERVICE if principal.is_service else policies.GENERAL, principal.subject


def unauthenticated(address: str) -> Bucket:
    """Return the bucket of a request without valid credentials."""
    return policies.ANONYMOUS, address


def create(principal: Principal) -> Bucket:
    """Return the bucket of session creations. Service accounts have only their general limit."""
    return None if principal.is_service else (policies.CREATE, principal.subject)


def connect(principal: Principal) -> Bucket:
    """Return the bucket of new sockets and streams. Service accounts have only their general limit."""
    return None if principal.is_service else (policies.CONNECT, principal.subject)


def login_by_address(address: str) -> Bucket:
    """Return the bucket of logins and refreshes from one address."""
    return policies.TOKEN_ADDRESS, address


def login_by_name(name: str) -> Bucket:
    """Return the bucket of logins under one name, from any address. Names are not normalized, as at the login itself.
    Of a name that is too long to log in, only the beginning counts."""
    return policies.TOKEN_NAME, name[:_MAX_LOGIN_LENGTH]


def refresh_by_name(name: str) -> Bucket:
    """Return the bucket of refreshes under one name. It is not that of logins, so that guessed passwords do not stop
    the owner's refreshes."""
    return policies.REFRESH_NAME, name


def bucket_key(bucket: tuple[policies.Limit, str]) -> str:
    """Return the key of a bucket in the state store."""
    return keys.rate(bucket[0].scope, bucket[1])


class LimitStatus(Struct, frozen=True):
    """The state of a limit when a request was counted."""

    rate: Rate
    remaining: int
    reset_s: int
    """Seconds until the limit is full again; when nothing remains, until one more request may pass; of a refused
    request, until it may pass."""


@lru_cache(maxsize=64)
def _policy(scope: str, rate: Rate) -> str:
    return f'"{scope}";q={rate.limit};w={_ceil(rate.period_ms, 1000)}'


class RateLimiter:
    """Counts one request against its limits, and keeps their status for the response.

    While the state store is away, limits that fail open let the request pass.
    """

    __slots__ = ("_is_store_away", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[str, LimitStatus] = {}
        """Status of each limit, by scope, as counted last."""
        self._is_store_away = False
        """True after a failure: another attempt would only take time."""

    def consume_procedure(self, bucket: Bucket, cost: int = 1, counted: int = 0) -> Procedure[None]:
        """Count the request, or its cost, as a procedure that can share a round trip. Raises RateLimitExceeded.

        A cost above the whole limit counts as the whole limit, including what has been `counted` of this request
        before. So it passes when the limit is full.
        """
        if bucket is None or self._is_store_away or (rate := bucket[0].rate) is None:
            return
        if cost != 1 or counted:
            cost = min(cost, rate.limit - counted)
        if cost > 0:
            self.record(bucket[0], rate, (yield from _count(bucket, rate, cost)))

    def charge_procedure(self, bucket: Bucket, cost: int) -> Procedure[None]:
        """Count what a request has cost in the end, as a procedure. It never refuses; later requests wait for it."""
        if bucket is None or self._is_store_away or not cost or (rate := bucket[0].rate) is None:
            return
        self.record(bucket[0], rate, (yield from _count(bucket, rate, min(cost, rate.limit), is_charge=True)))

    def consume(self, bucket: Bucket, cost: int = 1, counted: int = 0) -> None:
        """Count the request, or its cost beyond what has been `counted`. Raises RateLimitExceeded, and
        ServiceUnavailable for a limit that fails closed."""
        with self._failing_open(bucket):
            run_from_thread(self.consume_procedure(bucket, cost, counted))

    async def aconsume(self, bucket: Bucket, cost: int = 1) -> None:
        """Count like `consume`, on the running loop."""
        with self._failing_open(bucket):
            await run_async(self.consume_procedure(bucket, cost))

    def charge(self, bucket: Bucket, cost: int) -> None:
        """Count what a request has cost in the end, up to the whole limit. Later requests wait for it."""
        with self._failing_open(bucket):
            run_from_thread(self.charge_procedure(bucket, cost))

    async def acharge(self, bucket: Bucket, cost: int) -> None:
        """Count like `charge`, on the running loop."""
        with self._failing_open(bucket):
            await run_async(self.charge_procedure(bucket, cost))

    @contextmanager
    def _failing_open(self, bucket: Bucket) -> Iterator[None]:
        try:
            yield
        except ServiceUnavailable:
            if bucket is None or not bucket[0].fails_open:
                raise
            self._is_store_away = True
            log.warning("limit not checked", scope=bucket[0].scope)

    def header_fields(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-11, or none when no limit was met."""
        return dict(zip(("RateLimit-Policy", "RateLimit"), self._header_values(), strict=True)) if self.statuses else {}

    def header_lines(self) -> bytes:
        """Return the fields as header lines of HTTP/1.1."""
        if not self.statuses:
            return b""
        policies, limits = self._header_values()
        return f"ratelimit-policy: {policies}\r\nratelimit: {limits}\r\n".encode()

    def _header_values(self) -> tuple[str, str]:
        policies = limits = comma = ""
        for scope, status in self.statuses.items():
            policies += comma + _policy(scope, status.rate)
            limits += f'{comma}"{scope}";r={status.remaining};t={status.reset_s}'
            comma = ", "
        return policies, limits

    def record(self, limit: policies.Limit, rate: Rate, reply: Sequence[int]) -> None:
        """Record the reply of the GCRA rule (`gcra_rule.lua`). Raises RateLimitExceeded."""
        wait_us, remaining, reset_us = reply
        self.statuses[limit.scope] = status = LimitStatus(rate, remaining, _ceil(reset_us, 1_000_000))
        if wait_us:
            metrics.RATE_LIMITED.labels(limit.scope).inc()
            # After this time a request can pass all limits.
            waits_s = [other.reset_s for other in self.statuses.values() if other is status or not other.remaining]
            raise RateLimitExceeded(max(waits_s))


def _count(
    bucket: tuple[policies.Limit, str], rate: Rate, cost: int, *, is_charge: bool = False
) -> Procedure[list[int]]:
    args: list[int] = [rate.interval_us, rate.limit]
    if cost > 1 or is_charge:
        args.append(cost)
    if is_charge:
        args.append(1)
    return (yield from perform(Call(_GCRA, [bucket_key(bucket)], args, list)))


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)
