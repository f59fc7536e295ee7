"""Every error a client can get: one small class each. One handler for each kind of door turns them into answers."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from synckairos.close_codes import CloseCode


class ApiError(Exception):
    """An error with a documented answer. `temporary` means the same request may succeed later."""

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
        """Header fields of the answer, by their lower-case names."""
        self.retry_after_seconds: int | None = None

    def body(self) -> dict[str, Any]:
        """The `error` object of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.text}
        if self.details is not None:
            error["details"] = self.details
        if self.retry_after_seconds is not None:
            error["retry_after_seconds"] = self.retry_after_seconds
        return error


class InternalError(ApiError):
    """A fault of ours; what it was is in the log only."""


MAX_DETAILS = 100
"""Most problems that one answer names; a body of 256 KiB has room for a hundred thousand."""

MAX_DETAIL_LENGTH = 500
"""Characters of a field's name, or of what is wrong with it: both may repeat what has been sent."""


class ValidationFailed(ApiError):
    """Values that break rules: all of them named, or of more than `MAX_DETAILS` the first, and how many more, with
    those that were counted only. What is longer than `MAX_DETAIL_LENGTH` is cut."""

    code = "VALIDATION_ERROR"
    http_status = 400
    close_code = CloseCode.BAD_REQUEST
    message = "Request validation failed"

    def __init__(self, problems: list[tuple[str, str]], counted: int = 0) -> None:
        if counted or len(problems) > MAX_DETAILS:
            told = problems[: MAX_DETAILS - 1]
            problems = [*told, ("body", f"{len(problems) - len(told) + counted} more problems are not listed.")]
        super().__init__(details=[{"field": _cut(field), "message": _cut(text)} for field, text in problems])


def _cut(text: str) -> str:
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
    """On an open socket only: it goes on showing for a grace, in which `AUTH` may bring fresh credentials."""

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
    """In production: what came by plain HTTP, so that it may have been read or changed on its way."""

    code = "HTTPS_REQUIRED"
    http_status = 403
    close_code = CloseCode.FORBIDDEN
    message = "Only https:// and wss:// are served here: take the credentials that came without for known to others"

    @classmethod
    def by_unnamed_proxy(cls) -> HttpsRequired:
        """For a proxy that the operator has not named."""
        return cls(
            "Only https:// and wss:// are served here, and the proxy in front is not believed about it: "
            "the operator names it in SYNCKAIROS_TRUSTED_PROXIES"
        )

    @classmethod
    def by_silent_proxy(cls) -> HttpsRequired:
        """For a proxy that is named, and does not say how the client has come."""
        return cls(
            "Only https:// and wss:// are served here, and the proxy in front does not say that this was one: "
            "it has to set X-Forwarded-Proto to the single word https"
        )


class NotFound(ApiError):
    """No such address (a session that does not exist has an error of its own)."""

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
    """Somebody else changed the session first, or it is not as the caller believed."""

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
    """The session is not as `If-Match` asks for: not at one of these versions (None: any), or it does not exist."""

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
    """The request came too slowly, or not to its end."""

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
        """For a body that is compressed, say; the answer names the codings that are taken (RFC 9110, 15.5.16)."""
        error = cls("The request body is in a coding that is not spoken here: send it without Content-Encoding")
        error.fields = {"accept-encoding": "identity"}
        return error


class IdempotencyKeyReused(ApiError):
    code = "IDEMPOTENCY_KEY_REUSED"
    http_status = 422
    message = "This Idempotency-Key was used with another request: take a new key for whatever is not a repeat"


class UpgradeRequired(ApiError):
    """What is here is a WebSocket, and was asked for otherwise."""

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
    """The state store cannot be reached. A command may or may not have been applied: retry with its Idempotency-Key."""

    code = "SERVICE_UNAVAILABLE"
    http_status = 503
    close_code = CloseCode.STORE_AWAY
    temporary = True
    message = "The state store cannot be reached: send it again, a command with the Idempotency-Key it had"

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(message, details=details)
        self.retry_after_seconds = 1


class StoreFull(ServiceUnavailable):
    """The state store has no memory left and takes no writes. The command has not been applied; reads go on. It has the
    code of its parent, since a client does the same about both: it tries again later."""

    message = "The state store is full: nothing was changed, and sessions can still be read. Send it again later"

    def __init__(self) -> None:
        super().__init__(details={"reason": "store_full"})
        self.retry_after_seconds = 5


REFUSES_SOCKETS: tuple[type[ApiError], ...] = (Unauthenticated, RateLimitExceeded, ServiceUnavailable, InternalError)
"""What a socket may be refused with while it connects: it is closed with the error's close code, and its code as the
reason."""
