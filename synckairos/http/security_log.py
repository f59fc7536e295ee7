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
"""Lines of one reason at once, in one process; then one for each `_EVERY_S`, which tells of those in between."""
_EVERY_S = 1.0
_TELL_AFTER_S = 60.0
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


class _Lines:
    """How many lines one reason may still have."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at_s = 0.0
        """When all of the burst is there again, on `time.monotonic`."""
        self._left_out = 0

    def take(self) -> int | None:
        """Whether one may be written: how many were left out before it; None when it may not, and is left out."""
        now_s = time.monotonic()
        with self._lock:
            full_at_s = max(self._full_at_s, now_s)
            if full_at_s - now_s > (BURST - 1) * _EVERY_S:
                self._left_out += 1
                return None
            self._full_at_s = full_at_s + _EVERY_S
            left_out, self._left_out = self._left_out, 0
            return left_out

    @property
    def is_first_left_out(self) -> bool:
        """Whether exactly one is untold, so that somebody should see to it that it is told."""
        return self._left_out == 1

    def untold(self) -> int:
        """How many were left out and not told of; they are now."""
        with self._lock:
            left_out, self._left_out = self._left_out, 0
            return left_out


_lines = {reason: _Lines() for reason in Reason}


def counted(reason: Reason) -> None:
    """The same without a line, where another one tells enough."""
    metrics.REFUSALS.labels(reason.value).inc()


def refused(reason: Reason, address: str, **what: Any) -> None:
    """Somebody at this address (as `addresses` gives it) was turned away. `what` is told besides, and short."""
    counted(reason)
    lines = _lines[reason]
    left_out = lines.take()
    if left_out is not None:
        more = {"left_out": left_out} if left_out else {}
        log.warning("refused", reason=reason.value, address=shown(address), **what, **more)
    elif lines.is_first_left_out:
        later = threading.Timer(_TELL_AFTER_S, tell, [reason])
        later.daemon = True
        later.start()


def refused_scope(reason: Reason, scope: Scope, **what: Any) -> None:
    """The same of an ASGI connection."""
    refused(reason, client_address.of_scope(scope), **what)


def refused_request(reason: Reason, request: HttpRequest, **what: Any) -> None:
    """The same of a request of Django's."""
    refused(reason, client_address.of_request(request), **what)


def tell(reason: Reason) -> None:
    """Say how many lines of this reason were left out, when nothing else has."""
    left_out = _lines[reason].untold()
    if left_out:
        log.warning("refused", reason=reason.value, left_out=left_out)


def shown(address: str) -> str:
    """An address as the log has it: whole, or as a keyed hash that is the same in every process."""
    if conf().log_addresses_whole:
        return address
    return blake2b(address.encode(), key=conf().address_key, digest_size=8).hexdigest()


def of_error(scope: Scope, error: ApiError) -> None:
    """What an error tells that answers a frame of a socket."""
    if isinstance(error, RateLimitExceeded):
        refused_scope(Reason.RATE_LIMIT, scope)
    elif isinstance(error, Unauthenticated):
        refused_scope(Reason.BAD_CREDENTIALS, scope)


def of_answer(scope: Scope, status: int, route: str | None) -> None:
    """What the answer to a request tells: 401 or 429. `route` is the pattern of its address, if it has one."""
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        refused_scope(Reason.RATE_LIMIT, scope, route=route)
    elif status == 401:  # noqa: PLR2004 - Unauthorized
        is_login = route is not None and route.startswith("/v1/token")
        refused_scope(Reason.FAILED_LOGIN if is_login else Reason.BAD_CREDENTIALS, scope, route=route)
