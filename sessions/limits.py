"""Rate limits: a GCRA in the store, exact over all processes. With the store away they say so, like everything else."""

from __future__ import annotations

from uuid import UUID

from sessions.store.calls import Call, Script, Steps, ask
from synckairos import keys, metrics
from synckairos.conf import Rate, conf
from synckairos.errors import RateLimitExceeded

_GCRA = Script("gcra")


def check_general(principal: str) -> Steps[None]:
    """One request of a person. Raises RateLimitExceeded."""
    yield from _check("general", principal, conf().rate_general)


def check_switch(session_id: UUID) -> Steps[None]:
    """One switch of a session. Raises RateLimitExceeded."""
    yield from _check("switch", str(session_id), conf().rate_switch)


def _check(scope: str, who: str, rate: Rate | None) -> Steps[None]:
    if rate is None:
        return
    interval_us = rate.period_ms * 1000 // rate.limit
    call = Call(_GCRA, [keys.rate(scope, who)], [interval_us, rate.limit], int)
    wait_us = yield from ask(call)
    if wait_us:
        metrics.RATE_LIMITED.labels(scope).inc()
        raise RateLimitExceeded(-(-wait_us // 1_000_000))
