"""Parameters in the address of a socket: `/ws?sessionId=<uuid>&heartbeat=30`."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from msgspec import Struct

from sessions.realtime.credentials import Credentials, credentials_of
from synckairos import ids
from synckairos.close_codes import CloseReason
from synckairos.conf import HEARTBEAT_MAX_S, conf

PARAMETERS = ("sessionId", "heartbeat", "ticket", "token")
"""Others are ignored: clients of SyncKairos 2 may have some of their own."""


class Handshake(Struct, frozen=True):
    """The valid parameters of a handshake."""

    session_id: UUID
    credentials: Credentials
    heartbeat_s: float


def read(scope: dict[str, Any]) -> Handshake | CloseReason:
    """Return the handshake, or the reason for which it is refused."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"))
    query = dict(pairs)
    if len({name for name, _ in pairs if name in PARAMETERS}) < sum(name in PARAMETERS for name, _ in pairs):
        return CloseReason.REPEATED_PARAMETER
    given = query.get("sessionId")
    if given is None:
        return CloseReason.NO_SESSION_ID
    session_id = ids.parse_uuid(given)
    if session_id is None:
        return CloseReason.BAD_SESSION_ID
    heartbeat_s = _heartbeat(query.get("heartbeat"))
    if heartbeat_s is None:
        return CloseReason.BAD_HEARTBEAT
    return Handshake(session_id, credentials_of(scope, query), heartbeat_s)


def _heartbeat(text: str | None) -> float | None:
    """Return the seconds between pings, within the configured bounds; None for an invalid number."""
    shortest = conf().heartbeat_s
    if text is None:
        return shortest
    try:
        seconds = float(text)
    except ValueError:
        return None
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, shortest), max(HEARTBEAT_MAX_S, shortest))
