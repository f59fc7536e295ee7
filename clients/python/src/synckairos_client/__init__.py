"""A client of SyncKairos: `connect` shows one live session, `Api` is the REST interface.

README.md describes the algorithm, for ports to other languages.
"""

from synckairos_client.api import Api
from synckairos_client.clock import Clock
from synckairos_client.errors import ApiError, CommandTimeout, Ended, Refused, SyncKairosError, Unreachable
from synckairos_client.frames import Event, State
from synckairos_client.refresh_tokens import RefreshTokens
from synckairos_client.screen import Screen, connect
from synckairos_client.tokens import TokenProvider
from synckairos_client.updates import Update, Updates

__all__ = [
    "Api",
    "ApiError",
    "Clock",
    "CommandTimeout",
    "Ended",
    "Event",
    "RefreshTokens",
    "Refused",
    "Screen",
    "State",
    "SyncKairosError",
    "TokenProvider",
    "Unreachable",
    "Update",
    "Updates",
    "connect",
]
