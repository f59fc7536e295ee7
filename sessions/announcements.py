"""Messages to all web processes over the group layer: the frames of a commit, and hints that presence has changed.

Processes of two releases exchange messages during a deploy: a field may be added, and an unknown kind is ignored
(tests/sessions/store/test_store_commit.py).
"""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from synckairos.auth.permissions import AccessSnapshot

HUB_HANDLER = "session.frames"
PRESENCE_HANDLER = "session.presence"


class HubMessage(Struct, frozen=True, tag_field="type", tag=HUB_HANDLER):
    """Frames of one commit, encoded once. `state_frame` replaces older ones; `notices` are sent besides it."""

    session_id: UUID
    epoch: str
    since_version: int
    version: int
    state_frame: bytes
    notices: tuple[bytes, ...] = ()
    is_creation: bool = False
    is_deletion: bool = False
    encoded_access: bytes | None = msgspec.field(default=None, name="guests")

    def decode_access(self) -> AccessSnapshot | None:
        """Return the access from now on, if the commit has changed it."""
        return None if self.encoded_access is None else _access_snapshots.decode(self.encoded_access)


_access_snapshots = msgspec.msgpack.Decoder(AccessSnapshot)


class PresenceHint(Struct, frozen=True, tag_field="type", tag=PRESENCE_HANDLER):
    """Tells every process that shows the session to look again who is there."""

    session_id: UUID


_packer = msgspec.msgpack.Encoder(uuid_format="bytes")
_unpacker = msgspec.msgpack.Decoder(HubMessage | PresenceHint)


def pack(message: HubMessage) -> bytes:
    """The bytes that the pub/sub layer expects on a group's channel: a msgpack map with `type`."""
    return _packer.encode(message)


def encode_access(snapshot: AccessSnapshot) -> bytes:
    """Encode the access of a session for a message."""
    return _packer.encode(snapshot)


def pack_hint(session_id: UUID) -> bytes:
    """Return a presence hint, encoded for the group layer."""
    return _packer.encode(PresenceHint(session_id))


class _OfSomeKind(Struct, frozen=True):
    type: str


_kinds = msgspec.msgpack.Decoder(_OfSomeKind)


def unpack(data: bytes) -> HubMessage | PresenceHint | None:
    """The inverse; None for a kind of message that only processes of a later release know. Raises
    msgspec.DecodeError."""
    try:
        message: HubMessage | PresenceHint = _unpacker.decode(data)
    except msgspec.ValidationError:
        if _kinds.decode(data).type in {HUB_HANDLER, PRESENCE_HANDLER}:
            raise
        return None
    return message
