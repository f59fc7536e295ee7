"""WebSocket close codes, and with which reason each is sent: 4400-4499 may come back, 4500-4599 must not. See
docs/protocol.md."""

from __future__ import annotations

from enum import Enum, IntEnum


class CloseCode(IntEnum):
    """Why we closed a socket."""

    NORMAL = 1000
    """The session was deleted."""
    PROTOCOL_ERROR = 1002
    """What is no WebSocket frame; the library closes with this."""
    NOT_TEXT = 1007
    """A text frame that is not UTF-8."""
    BAD_REQUEST = 1008
    """The address of the socket is not one of a session."""
    TOO_LARGE = 1009
    """A frame that is too large; the library closes with this."""
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
    """No valid credentials, or they have been revoked."""
    FORBIDDEN = 4503
    """Valid credentials without the right."""
    NO_SUCH_SESSION = 4504
    """The session does not exist."""


class CloseReason(Enum):
    """What an open socket is closed with: code and reason. Values in a reason are filled in by `format`.

    One that is refused while it connects is told the code of an error as its reason: `errors.REFUSES_SOCKETS`.
    """

    SESSION_DELETED = CloseCode.NORMAL, "Session deleted"
    NOT_TEXT = CloseCode.NOT_TEXT, "Invalid UTF-8"
    NO_SESSION_ID = CloseCode.BAD_REQUEST, "Missing sessionId parameter"
    BAD_SESSION_ID = CloseCode.BAD_REQUEST, "Invalid sessionId format"
    BAD_HEARTBEAT = CloseCode.BAD_REQUEST, "Invalid heartbeat"
    REPEATED_PARAMETER = CloseCode.BAD_REQUEST, "Repeated parameter"
    UNKNOWN_PATH = CloseCode.BAD_REQUEST, "Unknown path"
    SERVER_RESTARTING = CloseCode.SERVICE_RESTART, "Server restarting; retry_ms={n}"
    STATE_RESTORED = CloseCode.SERVICE_RESTART, "State restored"
    SESSION_REPLACED = CloseCode.SERVICE_RESTART, "Session replaced"
    CREDENTIALS_EXPIRED = CloseCode.CREDENTIALS_EXPIRED, "Credentials expired"
    NO_PONG = CloseCode.NO_PONG, "No answer to a ping"
    TOO_SLOW = CloseCode.TOO_SLOW, "Too slow"
    TOO_MANY_MESSAGES = CloseCode.TOO_MANY_MESSAGES, "Too many messages"
    ACCESS_WITHDRAWN = CloseCode.FORBIDDEN, "Access withdrawn"
    CREDENTIALS_REVOKED = CloseCode.NOT_AUTHENTICATED, "Credentials revoked"

    @property
    def code(self) -> CloseCode:
        """The number."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """The words, with names in braces where values belong."""
        return self.value[1]

    @property
    def documented(self) -> str:
        """The reason as documents have it."""
        return self.reason.replace("{", "<").replace("}", ">")

    def format(self, **values: object) -> tuple[CloseCode, str]:
        """Code and reason, with these values."""
        return self.code, self.reason.format(**values)
