"""Base of the session endpoints: authentication, limits, request bodies, procedures, responses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from sessions import weights
from sessions.devices import device_of
from sessions.preconditions import precondition_in
from sessions.requests.bodies import Body
from sessions.requests.reading import read
from sessions.services.command_queue import run_in_order_from_thread
from sessions.services.outcome import MAX_KEY_LENGTH, Caller, Idempotency, Outcome
from synckairos import ids
from synckairos.auth.principal import Principal
from synckairos.engine.state import State
from synckairos.errors import ApiError, ValidationFailed
from synckairos.outbox import Door
from synckairos.ratelimit import limits
from synckairos.ratelimit.drf import RateLimitedView
from synckairos.redis.procedures import Procedure, in_parallel, run_from_thread
from synckairos.telemetry import log_context

T = TypeVar("T")
B = TypeVar("B", bound=Body)


class SessionEndpoint(RateLimitedView):
    """Base of the session endpoints. The services check permissions (synckairos/auth/permissions.py)."""

    _general: limits.Bucket = None
    """The caller's general limit, once the caller is known."""
    _counted = 0
    """For how many requests this one has counted so far."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, bind the session to the log context, count a large body before anybody decodes it, and check
        the query parameters."""
        super().initial(request, *args, **kwargs)
        if "session_id" in kwargs:
            log_context.bind(session_id=str(kwargs["session_id"]))
        self._general = limits.general(principal_of(request))
        if more := weights.of_body(_length_of(request)):
            self.count(1 + more)
        self.check_query(request)

    def handle_exception(self, exc: Exception) -> Response:
        """Return the response to an error, after counting the request if it is not counted yet."""
        try:
            self.count()
        except ApiError as error:
            exc = error
        return super().handle_exception(exc)

    def count(self, cost: int = 1) -> None:
        """Count the request for the caller's general limit, as far as it has not counted yet. `cost` is what all of it
        counts for, as far as that is known. Raises RateLimitExceeded."""
        counted, self._counted = self._counted, max(cost, self._counted)
        if cost > counted:
            self.consume(self._general, cost - counted, counted)

    def read(self, procedure: Procedure[T]) -> T:
        """Run a procedure that begins with a read, and count the request in the same round trip."""
        bucket, self._counted = None if self._counted else self._general, max(1, self._counted)
        return run_from_thread(in_parallel(self.limiter.consume_procedure(bucket), procedure))

    def execute(self, request: Request, session_id: UUID, command: Callable[..., Procedure[T]]) -> T:
        """Run a command of a session in its queue. `command` takes the caller, the precondition, and then what
        `run_in_order_from_thread` adds; it counts the request, unless that was done before."""
        caller, only_if = caller_of(request), precondition_in(request.headers.get("If-Match"))
        self._counted = max(1, self._counted)
        return run_in_order_from_thread(session_id, partial(command, caller, only_if), self.limiter)

    def charge_for(self, request: Request, *states: State, events: int = 0) -> None:
        """Count the extra cost of large sessions that were read, and of the events from which one was made."""
        cost = weights.of_states(states) + weights.of_events(events)
        self.limiter.charge(limits.general(principal_of(request)), cost)


def principal_of(request: Request) -> Principal:
    """Return the authenticated principal of a request."""
    principal: Principal = request.user  # type: ignore[assignment]
    return principal


def body_of(request: Request, kind: type[B]) -> B:
    """Return the body of a request. Raises ValidationFailed with every wrong field."""
    return read(request.data, kind)


def _length_of(request: Request) -> int:
    """Return the length of the body of a request, in bytes, as its head tells."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    return int(declared) if declared.isdigit() else 0


def caller_of(request: Request) -> Caller:
    """Return the principal of a request, with its Idempotency-Key. Raises ValidationFailed for a malformed key.

    The key of a DELETE is ignored, since a repeated DELETE changes nothing.
    """
    given = None if request.method == "DELETE" else idempotency_of(request)
    forwarded, user_agent = (request.headers.get(name, "") for name in ("X-Forwarded-For", "User-Agent"))
    device = device_of(Door.REST, request.META.get("REMOTE_ADDR"), forwarded, user_agent)
    return Caller(principal_of(request), log_context.current().get("request_id", ""), given, device)


def idempotency_of(request: Request) -> Idempotency | None:
    """Return the Idempotency-Key of a request, or None. Raises ValidationFailed for a malformed one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    try:
        return Idempotency.of_request(key, str(request.method), request.path, request.data)
    except ValueError:
        problem = f"1 to {MAX_KEY_LENGTH} printable ASCII characters."
        raise ValidationFailed([("Idempotency-Key", problem)]) from None


def uuid_of(text: str, field: str = "session_id") -> UUID:
    """Return the id in a path. Raises ValidationFailed for anything but a UUID."""
    parsed = ids.parse_uuid(text)
    if parsed is None:
        raise ValidationFailed([(field, "Must be a valid UUID.")])
    return parsed


def answer(outcome: Outcome, data: Any = None, status: int = 200) -> Response:
    """Return the response to a command: `data`, or else the state at the instant of the command."""
    response = Response({"data": outcome.shown if data is None else data}, status=status)
    response["ETag"] = outcome.tag
    if outcome.replayed:
        response["Idempotency-Replayed"] = "true"
    return response
