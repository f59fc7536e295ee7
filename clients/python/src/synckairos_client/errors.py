"""Everything that this package raises on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SyncKairosError(Exception):
    """The base of all."""


class ApiError(SyncKairosError):
    """The server's answer to a request or command was an error."""

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
        """Such as `CONFLICT`; the catalogue is in the protocol."""
        self.message = message
        self.status = status
        """The HTTP status; None when the answer came over a socket."""
        self.details = details
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, error: Mapping[str, Any], *, status: int | None = None, retry_after_s: float | None = None) -> ApiError:
        """From the `error` object of an HTTP answer, or from an `ERROR` frame."""
        told_s = error.get("retry_after_seconds")
        return cls(
            str(error.get("code", "UNKNOWN")),
            str(error.get("message", "")),
            status=status,
            details=error.get("details"),
            retry_after_s=float(told_s) if isinstance(told_s, (int, float)) else retry_after_s,
        )


class Unreachable(SyncKairosError):
    """No answer in time. A command may have been applied."""


class CommandTimeout(SyncKairosError, TimeoutError):
    """No answer to a command on a socket in time. It may have been applied; `command_id` is the id it had."""

    def __init__(self, message: str, command_id: str) -> None:
        super().__init__(message)
        self.command_id = command_id


class Refused(SyncKairosError):
    """The server does not want this screen back: bad credentials, a bad address, no right."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"refused with {code}: {reason or 'no reason given'}")
        self.code = code
        """The WebSocket close code, or the HTTP status of a refused handshake."""
        self.reason = reason


class Ended(SyncKairosError):
    """A command on a screen that is over: closed here, or its session was deleted."""
