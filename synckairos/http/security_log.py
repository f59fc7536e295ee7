"""Whom we have turned away, and why: a line of the log with an address, and a count, for each kind of reason.

Lines are bounded, so that nobody can fill a disk with them; counts are whole. An address is hashed with a key unless
the operator wants it whole (SYNCKAIROS_LOG_ADDRESSES): it can be found again in the log, and looked up nowhere.
"""

from __future__ import annotations

import threading
import time
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from django.http import HttpRequest

from synckairos.conf import conf
from synckairos.errors import ApiError, RateLimitExceeded, Unauthenticated
from synckairos.http import client_address
from synckairos.http.asgi import Scope
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

BURST = 20
"""Lines of one reason at once, in one process; then one for each `_INTERVAL_S`, which tells of those in between."""
_INTERVAL_S = 1.0
_REPORT_OMITTED_AFTER_S = 60.0
"""How long lines that were left out may go untold when no other line follows."""


class Reason(StrEnum):
    """Why somebody was turned away."""

    BAD_HOST = "bad_host"
    """A name that is none of ours."""
    PLAIN_HTTP = "plain_http"
    """Without TLS, in production."""
    UNNAMED_PROXY = "unnamed_proxy"
    """By a proxy that is not believed, or that does not say how the client has come."""
    BAD_ORIGIN = "bad_origin"
    """A socket from a page of somebody else."""
    BAD_CREDENTIALS = "bad_credentials"
    """A token or ticket that is missing, false or over."""
    FAILED_LOGIN = "failed_login"
    """A wrong password or refresh token."""
    FAILED_ADMIN_LOGIN = "failed_admin_login"
    """A wrong password in the admin."""
    RATE_LIMIT = "rate_limit"
    """Beyond a limit."""
    BAD_SOCKET = "bad_socket"
    """A socket for an address that is none."""


class _LineLimiter:
    """How many lines one reason may still have."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_burst_at_s = 0.0
        """When all of the burst is there again, on `time.monotonic`."""
        self._omitted = 0

    def take(self) -> int | None:
        """Whether one may be written: how many were left out before it; None when it may not, and is left out."""
        now_s = time.monotonic()
        with self._lock:
            full_at_s = max(self._full_burst_at_s, now_s)
            if full_at_s - now_s > (BURST - 1) * _INTERVAL_S:
                self._omitted += 1
                return None
            self._full_burst_at_s = full_at_s + _INTERVAL_S
            omitted, self._omitted = self._omitted, 0
            return omitted

    @property
    def is_first_omitted(self) -> bool:
        """Whether exactly one is untold, so that somebody should see to it that it is told."""
        return self._omitted == 1

    def take_omitted(self) -> int:
        """How many were left out and not told of; they are now."""
        with self._lock:
            omitted, self._omitted = self._omitted, 0
            return omitted


_limiters = {reason: _LineLimiter() for reason in Reason}


def count_refusal(reason: Reason) -> None:
    """The same without a line, where another one tells enough."""
    metrics.REFUSALS.labels(reason.value).inc()


def log_refusal(reason: Reason, address: str, **what: Any) -> None:
    """Somebody at this address (as `addresses` gives it) was turned away. `what` is told besides, and short."""
    count_refusal(reason)
    limiter = _limiters[reason]
    omitted = limiter.take()
    if omitted is not None:
        more = {"left_out": omitted} if omitted else {}
        log.warning("refused", reason=reason.value, address=loggable_address(address), **what, **more)
    elif limiter.is_first_omitted:
        later = threading.Timer(_REPORT_OMITTED_AFTER_S, log_omitted, [reason])
        later.daemon = True
        later.start()


def log_refused_connection(reason: Reason, scope: Scope, **what: Any) -> None:
    """The same of an ASGI connection."""
    log_refusal(reason, client_address.of_scope(scope), **what)


def log_refused_request(reason: Reason, request: HttpRequest, **what: Any) -> None:
    """The same of a request of Django's."""
    log_refusal(reason, client_address.of_request(request), **what)


def log_omitted(reason: Reason) -> None:
    """Say how many lines of this reason were left out, when nothing else has."""
    omitted = _limiters[reason].take_omitted()
    if omitted:
        log.warning("refused", reason=reason.value, left_out=omitted)


def loggable_address(address: str) -> str:
    """An address as the log has it: whole, or as a keyed hash that is the same in every process."""
    if conf().log_addresses_whole:
        return address
    return blake2b(address.encode(), key=conf().address_key, digest_size=8).hexdigest()


def log_frame_error(scope: Scope, error: ApiError) -> None:
    """What an error tells that answers a frame of a socket."""
    if isinstance(error, RateLimitExceeded):
        log_refused_connection(Reason.RATE_LIMIT, scope)
    elif isinstance(error, Unauthenticated):
        log_refused_connection(Reason.BAD_CREDENTIALS, scope)


def log_error_status(scope: Scope, status: int, route: str | None) -> None:
    """What the answer to a request tells: 401 or 429. `route` is the pattern of its address, if it has one."""
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        log_refused_connection(Reason.RATE_LIMIT, scope, route=route)
    elif status == 401:  # noqa: PLR2004 - Unauthorized
        is_login = route is not None and route.startswith("/v1/token")
        log_refused_connection(Reason.FAILED_LOGIN if is_login else Reason.BAD_CREDENTIALS, scope, route=route)
