"""A client of SyncKairos: `connect` shows one live session, `Api` is the REST interface.

README.md has the algorithm, for those who port it.
"""

from synckairos_client.api import Api
from synckairos_client.errors import ApiError, CommandTimeout, Ended, Refused, SyncKairosError, Unreachable
from synckairos_client.feed import Updates
from synckairos_client.frames import Event, State
from synckairos_client.refreshing import RefreshTokens
from synckairos_client.screen import Screen, connect
from synckairos_client.tokens import TokenProvider
from synckairos_client.update import Update

__all__ = [
    "Api",
    "ApiError",
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
