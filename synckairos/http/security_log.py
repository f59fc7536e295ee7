"""Security log: refused requests and sockets, with the reason and the client address, as log lines and as a metric.

Log lines are rate-limited, so that an attacker cannot fill the disk; the metric counts every refusal. Addresses are
hashed with a key unless SYNCKAIROS_LOG_ADDRESSES is `whole`: equal addresses stay recognisable in the log.
"""

from __future__ import annotations

import threading
import time
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from synckairos.conf import conf
from synckairos.errors import ApiError, RateLimitExceeded, Unauthenticated
from synckairos.http import client_address
from synckairos.http.asgi import Scope
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

BURST = 20
"""Log lines of one reason at once in one process; then one for each `_INTERVAL_S`, with the number of omitted lines."""
_INTERVAL_S = 1.0
_REPORT_OMITTED_AFTER_S = 60.0
"""Delay after which the number of omitted lines is logged when no other line follows."""


class Reason(StrEnum):
    """Reasons for a refusal, as the log and the metric name them."""

    BAD_HOST = "bad_host"
    """The Host is not a name of this server."""
    PLAIN_HTTP = "plain_http"
    """The connection has no TLS, in production."""
    UNNAMED_PROXY = "unnamed_proxy"
    """The proxy is not trusted, or does not send the client's scheme."""
    BAD_ORIGIN = "bad_origin"
    """A page of a foreign origin opened a socket."""
    BAD_CREDENTIALS = "bad_credentials"
    """A token or ticket is missing, invalid or expired."""
    FAILED_LOGIN = "failed_login"
    """A password or refresh token is wrong."""
    FAILED_ADMIN_LOGIN = "failed_admin_login"
    """A password in the admin is wrong."""
    RATE_LIMIT = "rate_limit"
    """A rate limit was exceeded."""
    BAD_SOCKET = "bad_socket"
    """The address of a socket does not exist."""


class _LineLimiter:
    """Rate limiter for the log lines of one reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_burst_at_s = 0.0
        """Instant on `time.monotonic` at which the whole burst is available again."""
        self.omitted = 0

    def take(self) -> int | None:
        """Return the number of lines omitted before this one, or None when this one must be omitted."""
        now_s = time.monotonic()
        with self._lock:
            full_at_s = max(self._full_burst_at_s, now_s)
            if full_at_s - now_s > (BURST - 1) * _INTERVAL_S:
                self.omitted += 1
                return None
            self._full_burst_at_s = full_at_s + _INTERVAL_S
            omitted, self.omitted = self.omitted, 0
            return omitted

    def take_omitted(self) -> int:
        """Return the number of omitted lines that were not reported yet, and reset it."""
        with self._lock:
            omitted, self.omitted = self.omitted, 0
            return omitted


_limiters = {reason: _LineLimiter() for reason in Reason}


def count_refusal(reason: Reason) -> None:
    """Count a refusal without a log line of its own."""
    metrics.REFUSALS.labels(reason.value).inc()


def log_refusal(reason: Reason, address: str, **what: Any) -> None:
    """Count and log a refusal. `address` comes from `client_address`; `what` has more fields for the line."""
    count_refusal(reason)
    limiter = _limiters[reason]
    omitted = limiter.take()
    if omitted is not None:
        more = {"left_out": omitted} if omitted else {}
        log.warning("refused", reason=reason.value, address=loggable_address(address), **what, **more)
    elif limiter.omitted == 1:  # the first one: a later report is scheduled
        later = threading.Timer(_REPORT_OMITTED_AFTER_S, log_omitted, [reason])
        later.daemon = True
        later.start()


def log_refused_connection(reason: Reason, scope: Scope, **what: Any) -> None:
    """Count and log the refusal of an ASGI connection."""
    log_refusal(reason, client_address.of_scope(scope), **what)


def log_omitted(reason: Reason) -> None:
    """Log the number of omitted lines of this reason, unless a later line has reported it."""
    omitted = _limiters[reason].take_omitted()
    if omitted:
        log.warning("refused", reason=reason.value, left_out=omitted)


def loggable_address(address: str) -> str:
    """Return an address as the log shows it: whole, or as a keyed hash that is equal in every process."""
    if conf().log_addresses_whole:
        return address
    return blake2b(address.encode(), key=conf().address_key, digest_size=8).hexdigest()


def log_frame_error(scope: Scope, error: ApiError) -> None:
    """Log an error that answers a frame of a socket, if it is a refusal."""
    if isinstance(error, RateLimitExceeded):
        log_refused_connection(Reason.RATE_LIMIT, scope)
    elif isinstance(error, Unauthenticated):
        log_refused_connection(Reason.BAD_CREDENTIALS, scope)


def log_error_status(scope: Scope, status: int, route: str | None) -> None:
    """Log a response with status 401 or 429. `route` is the pattern of the request's path, if it has one."""
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        log_refused_connection(Reason.RATE_LIMIT, scope, route=route)
    elif status == 401:  # noqa: PLR2004 - Unauthorized
        is_login = route is not None and route.startswith("/v1/token")
        log_refused_connection(Reason.FAILED_LOGIN if is_login else Reason.BAD_CREDENTIALS, scope, route=route)
