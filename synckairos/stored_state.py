"""The stored form of a state, which the store keeps, and the audit as snapshots.

A header stands first: the epoch (8 ASCII characters) and the version (8 bytes, big-endian), which scripts compare
without decoding anything.
"""

from __future__ import annotations

import msgspec

from synckairos.engine.state import State
from synckairos.ids import EPOCH_CHARS

HEADER_BYTES = EPOCH_CHARS + 8

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_states = msgspec.msgpack.Decoder(State)


class Unreadable(Exception):
    """A stored value that cannot be decoded."""


def header(epoch: str, version: int) -> bytes:
    """Encode epoch and version as the commit script compares them."""
    return epoch.encode() + version.to_bytes(8, "big")


def read_header(data: bytes) -> tuple[str, int]:
    """Return epoch and version of a stored state or of its first bytes."""
    return data[:EPOCH_CHARS].decode(), int.from_bytes(data[EPOCH_CHARS:HEADER_BYTES], "big")


def encode_state(state: State) -> bytes:
    """Encode a state, header first."""
    return header(state.epoch, state.version) + _encoder.encode(state)


def decode_state(data: bytes) -> State:
    """Decode a stored state. Raises Unreadable."""
    try:
        return _states.decode(data[HEADER_BYTES:])
    except (msgspec.DecodeError, ValueError) as cause:
        raise Unreadable("state") from cause
