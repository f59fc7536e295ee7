"""Table of all errors that clients can get, one class each. Error handlers turn them into answers and close codes."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from synckairos.close_codes import CloseCode


class ApiError(Exception):
    """An error with a documented answer. When `temporary`, a repetition of the request may succeed."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    http_status: ClassVar[int] = 500
    close_code: ClassVar[CloseCode] = CloseCode.INTERNAL
    temporary: ClassVar[bool] = False
    message: ClassVar[str] = "Internal server error: the operator finds it in the log by the X-Request-Id"

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(message or self.message)
        self.text = message or self.message
        self.details = details
        self.fields: dict[str, str] = {}
        """Header fields of the answer, by lower-case name."""
        self.retry_after_seconds: int | None = None

    def body(self) -> dict[str, Any]:
        """Return the `error` object of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.text}
        if self.details is not None:
            error["details"] = self.details
        if self.retry_after_seconds is not None:
            error["retry_after_seconds"] = self.retry_after_seconds
        return error


class InternalError(ApiError):
    """A fault of the server. Its cause is in the log only."""


MAX_DETAILS = 100
"""Largest number of problems in one answer. A body of 256 KiB has room for a hundred thousand."""

MAX_DETAIL_LENGTH = 500
"""Characters of a field name or of a problem. Both may repeat values of the request."""


class ValidationFailed(ApiError):
    """Values that violate rules, with all problems or the first `MAX_DETAILS` of them.

    `counted` is the number of problems beyond those in the list. Texts above `MAX_DETAIL_LENGTH` are truncated.
    """

    code = "VALIDATION_ERROR"
    http_status = 400
    close_code = CloseCode.BAD_REQUEST
    message = "Request validation failed"

    def __init__(self, problems: list[tuple[str, str]], counted: int = 0) -> None:
        if counted or len(problems) > MAX_DETAILS:
            listed = problems[: MAX_DETAILS - 1]
            problems = [*listed, ("body", f"{len(problems) - len(listed) + counted} more problems are not listed.")]
        super().__init__(details=[{"field": _truncate(field), "message": _truncate(text)} for field, text in problems])


def _truncate(text: str) -> str:
    return text if len(text) <= MAX_DETAIL_LENGTH else f"{text[: MAX_DETAIL_LENGTH - 1]}…"


class InvalidStateTransition(ApiError):
    code = "INVALID_STATE_TRANSITION"
    http_status = 400
    close_code = CloseCode.BAD_REQUEST


class Unauthenticated(ApiError):
    code = "UNAUTHENTICATED"
    http_status = 401
    close_code = CloseCode.NOT_AUTHENTICATED
    message = "Valid credentials are required: a token or ticket that is good here and not over, or a right password"


class CredentialsExpired(ApiError):
    """The credentials of an open socket expired. It gets frames for a grace period, for `AUTH` to renew them."""

    code = "CREDENTIALS_EXPIRED"
    http_status = 401
    close_code = CloseCode.CREDENTIALS_EXPIRED
    message = "The credentials have expired: send fresh ones with AUTH"

    def __init__(self, grace_ms: int) -> None:
        super().__init__(details={"grace_ms": grace_ms})


class Forbidden(ApiError):
    code = "FORBIDDEN"
    http_status = 403
    close_code = CloseCode.FORBIDDEN
    message = "You may not do this: it is for those with another role in the session (docs/access.md)"


class HttpsRequired(ApiError):
    """A request over plain HTTP in production. It may have been read or changed on its way."""

    code = "HTTPS_REQUIRED"
    http_status = 403
    close_code = CloseCode.FORBIDDEN
    message = "Only https:// and wss:// are served here: take the credentials that came without for known to others"

    @classmethod
    def by_unnamed_proxy(cls) -> HttpsRequired:
        """Return the error for a proxy that is not configured as trusted."""
        return cls(
            "Only https:// and wss:// are served here, and the proxy in front is not believed about it: "
            "the operator names it in SYNCKAIROS_TRUSTED_PROXIES"
        )

    @classmethod
    def by_silent_proxy(cls) -> HttpsRequired:
        """Return the error for a trusted proxy that does not name the client's protocol."""
        return cls(
            "Only https:// and wss:// are served here, and the proxy in front does not say that this was one: "
            "it has to set X-Forwarded-Proto to the single word https"
        )


class NotFound(ApiError):
    """No resource has this address. A session that does not exist has its own error."""

    code = "NOT_FOUND"
    http_status = 404
    message = "There is nothing at this address: /api-docs lists those there are"


class SessionNotFound(ApiError):
    code = "SESSION_NOT_FOUND"
    http_status = 404
    close_code = CloseCode.NO_SUCH_SESSION

    def __init__(self, session_id: UUID) -> None:
        super().__init__(f"Session {session_id} not found: it does not exist, or you have no part in it")


class ParticipantNotFound(ApiError):
    code = "PARTICIPANT_NOT_FOUND"
    http_status = 404

    def __init__(self, participant_id: UUID) -> None:
        super().__init__(f"Participant {participant_id} is not in this session: its `participants` say who is")


class MethodNotAllowed(ApiError):
    code = "METHOD_NOT_ALLOWED"
    http_status = 405
    message = "Method not allowed here: the Allow header says which are"


class Conflict(ApiError):
    """The session was changed meanwhile, or differs from what the caller expected."""

    code = "CONFLICT"
    http_status = 409
    temporary = True
    message = "Others change this session all the time, so nothing was done: send it again after a moment"


class SessionAlreadyExists(ApiError):
    code = "SESSION_ALREADY_EXISTS"
    http_status = 409

    def __init__(self, session_id: UUID) -> None:
        super().__init__(f"Session {session_id} already exists: take another session_id, or leave it out")


class SessionLimitExceeded(ApiError):
    code = "SESSION_LIMIT_EXCEEDED"
    http_status = 409

    def __init__(self, kind: str, limit: int) -> None:
        what = "sessions that switch by themselves" if kind == "self_running" else "sessions that have not ended"
        message = f"You have {limit} {what}, as many as you may have: complete, cancel or delete one"
        super().__init__(message, details={"kind": kind, "limit": limit})


class PreconditionFailed(ApiError):
    """The session does not match `If-Match`: it has none of these versions (None: any), or does not exist."""

    code = "PRECONDITION_FAILED"
    http_status = 412
    message = "The session is at another version than If-Match asks for: read it, and decide again on what it is now"

    def __init__(self, versions: frozenset[int] | None, actual: int | None) -> None:
        expected = None if versions is None else sorted(versions)
        message = None
        if actual is None:
            message = "There is no session, and If-Match asks for one: leave it out"
        elif actual in (versions or ()):
            message = "The session was made anew under its id since it had the ETag of If-Match: read it again"
        super().__init__(
            message,
            details={"expected_versions": expected, "actual_version": actual},
        )


class PayloadTooLarge(ApiError):
    code = "PAYLOAD_TOO_LARGE"
    http_status = 413
    message = "The request body is too large: at most 256 KiB are taken"


class AddressTooLong(ApiError):
    code = "ADDRESS_TOO_LONG"
    http_status = 414
    message = "The address is too long: at most 16 KiB are taken, query and all"


class HeadersTooLarge(ApiError):
    code = "HEADERS_TOO_LARGE"
    http_status = 431
    message = "The request has too many headers, or too large ones: at most 100 and 32 KiB are taken"


class RequestTimeout(ApiError):
    """The request arrived too slowly, or not completely."""

    code = "REQUEST_TIMEOUT"
    http_status = 408
    temporary = True
    message = "The request took too long to arrive: send it again, on another connection"


class UnsupportedMediaType(ApiError):
    code = "UNSUPPORTED_MEDIA_TYPE"
    http_status = 415
    message = "The request body must be application/json: say so in Content-Type, and send JSON in UTF-8"

    @classmethod
    def by_coding(cls) -> UnsupportedMediaType:
        """Return the error for a compressed body, with the accepted codings (RFC 9110, 15.5.16)."""
        error = cls("The request body is in a coding that is not spoken here: send it without Content-Encoding")
        error.fields = {"accept-encoding": "identity"}
        return error


class IdempotencyKeyReused(ApiError):
    code = "IDEMPOTENCY_KEY_REUSED"
    http_status = 422
    message = "This Idempotency-Key was used with another request: take a new key for whatever is not a repeat"


class UpgradeRequired(ApiError):
    """The address is for WebSockets, and the request is no handshake."""

    code = "UPGRADE_REQUIRED"
    http_status = 426
    close_code = CloseCode.BAD_REQUEST
    message = "This address is for WebSockets: connect to it with ws:// or wss://"


class RateLimitExceeded(ApiError):
    code = "RATE_LIMIT_EXCEEDED"
    http_status = 429
    close_code = CloseCode.TOO_MANY_MESSAGES
    temporary = True
    message = "Too many requests: wait for retry_after_seconds; RateLimit-Policy names the limits"

    def __init__(self, retry_after_seconds: int, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ServiceUnavailable(ApiError):
    """The state store cannot be reached. A command may have been applied: repeat it with its key."""

    code = "SERVICE_UNAVAILABLE"
    http_status = 503
    close_code = CloseCode.STORE_AWAY
    temporary = True
    message = "The state store cannot be reached: send it again, a command with the Idempotency-Key it had"

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(message, details=details)
        self.retry_after_seconds = 1


class StoreFull(ServiceUnavailable):
    """The state store has no memory left. The command was not applied; reads go on. It keeps the code of its parent."""

    message = "The state store is full: nothing was changed, and sessions can still be read. Send it again later"

    def __init__(self) -> None:
        super().__init__(details={"reason": "store_full"})
        self.retry_after_seconds = 5


REFUSES_SOCKETS: tuple[type[ApiError], ...] = (Unauthenticated, RateLimitExceeded, ServiceUnavailable, InternalError)
"""Errors that can refuse a handshake: the socket closes with the error's close code, and its code as reason."""
