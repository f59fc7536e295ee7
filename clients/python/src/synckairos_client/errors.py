"""The exceptions that this package raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SyncKairosError(Exception):
    """The base of all exceptions of this package."""


class ApiError(SyncKairosError):
    """The server answered a request or command with an error."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        details: Any = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """The code of the error, such as `CONFLICT`; the protocol lists them."""
        self.message = message
        self.status = status
        """The HTTP status; None when the answer came over a socket."""
        self.details = details
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, error: Mapping[str, Any], *, status: int | None = None, retry_after_s: float | None = None) -> ApiError:
        """Make the exception of the `error` object of an HTTP answer, or of an `ERROR` frame."""
        given_s = error.get("retry_after_seconds")
        return cls(
            str(error.get("code", "UNKNOWN")),
            str(error.get("message", "")),
            status=status,
            details=error.get("details"),
            retry_after_s=float(given_s) if isinstance(given_s, (int, float)) else retry_after_s,
        )


class Unreachable(SyncKairosError):
    """There was no answer in time. A command may have been applied."""


class CommandTimeout(SyncKairosError, TimeoutError):
    """There was no answer to a command on a socket in time. It may have been applied; `command_id` is its id."""

    def __init__(self, message: str, command_id: str) -> None:
        super().__init__(message)
        self.command_id = command_id


class Refused(SyncKairosError):
    """The server refuses the connection for good: invalid credentials, a wrong address, or no permission."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"refused with {code}: {reason or 'no reason given'}")
        self.code = code
        """The WebSocket close code, or the HTTP status of a refused handshake."""
        self.reason = reason


class Ended(SyncKairosError):
    """The screen of a command has ended: it was closed here, or its session was deleted."""
