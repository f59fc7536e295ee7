"""WebSocket close codes: 4400-4499 may come back, 4500-4599 must not. See docs/protocol.md."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why we closed a socket."""

    NORMAL = 1000
    """The session was deleted."""
    NOT_TEXT = 1007
    """A text frame that is not UTF-8."""
    BAD_REQUEST = 1008
    """The address of the socket is not one of a session."""
    SERVICE_RESTART = 1012
    """The server goes away; come back."""
    CREDENTIALS_EXPIRED = 4401
    """Come back with a fresh token."""
    NO_PONG = 4408
    """No answer to a ping; come back."""
    TOO_SLOW = 4410
    """Took nothing of what waited for too long; come back."""
    TOO_MANY_MESSAGES = 4429
    """Too many frames, or too many sockets open; slow down and come back."""
    STORE_AWAY = 4430
    """The state store cannot be reached; come back."""
    INTERNAL = 4431
    """Our fault; come back."""
    NOT_AUTHENTICATED = 4501
    """No valid credentials."""
    FORBIDDEN = 4503
    """Valid credentials without the right."""
    NO_SUCH_SESSION = 4504
    """The session does not exist."""
