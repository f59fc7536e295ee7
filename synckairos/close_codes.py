"""Close codes of WebSockets, and the reasons sent with them. After 4400 to 4499 clients may reconnect, after 4500 to
4599 they must not (docs/protocol.md)."""

from __future__ import annotations

from enum import Enum, IntEnum


class CloseCode(IntEnum):
    """Codes with which this server closes WebSockets."""

    NORMAL = 1000
    """The session was deleted."""
    PROTOCOL_ERROR = 1002
    """Bytes that are no WebSocket frame."""
    NOT_TEXT = 1007
    """A text frame that is not UTF-8."""
    BAD_REQUEST = 1008
    """The address of the socket is not that of a session."""
    TOO_LARGE = 1009
    """A frame above the size limit."""
    SERVICE_RESTART = 1012
    """The server process ends. Reconnect after the time in the reason."""
    CREDENTIALS_EXPIRED = 4401
    """The credentials have expired. Reconnect with a fresh token."""
    NO_PONG = 4408
    """The client has not answered a ping. Reconnect."""
    TOO_SLOW = 4410
    """The client has read nothing for too long. Reconnect."""
    TOO_MANY_MESSAGES = 4429
    """Too many frames, or too many open sockets. Reconnect later, and send less."""
    STORE_AWAY = 4430
    """The state store cannot be reached. Reconnect later."""
    INTERNAL = 4431
    """A fault of the server. Reconnect later."""
    NOT_AUTHENTICATED = 4501
    """The credentials are missing, invalid or revoked."""
    FORBIDDEN = 4503
    """The credentials are valid, and do not permit this."""
    NO_SUCH_SESSION = 4504
    """The session does not exist."""


class CloseReason(Enum):
    """Codes and reasons with which open sockets are closed. `format` fills in the values of a reason.

    A socket that is refused during the handshake gets the code of an error as its reason: `errors.REFUSES_SOCKETS`.
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
    STATE_LOST = CloseCode.SERVICE_RESTART, "State lost; retry_ms={n}"
    SESSION_REPLACED = CloseCode.SERVICE_RESTART, "Session replaced"
    CREDENTIALS_EXPIRED = CloseCode.CREDENTIALS_EXPIRED, "Credentials expired"
    NO_PONG = CloseCode.NO_PONG, "No answer to a ping"
    TOO_SLOW = CloseCode.TOO_SLOW, "Too slow"
    TOO_MANY_MESSAGES = CloseCode.TOO_MANY_MESSAGES, "Too many messages"
    ACCESS_WITHDRAWN = CloseCode.FORBIDDEN, "Access withdrawn"
    CREDENTIALS_REVOKED = CloseCode.NOT_AUTHENTICATED, "Credentials revoked"

    @property
    def code(self) -> CloseCode:
        """The close code, without the reason."""
        return self.value[0]

    @property
    def documented(self) -> str:
        """The reason in the form of the documents."""
        return self.value[1].replace("{", "<").replace("}", ">")

    def format(self, **values: object) -> tuple[CloseCode, str]:
        """Return code and reason with these values."""
        return self.code, self.value[1].format(**values)
