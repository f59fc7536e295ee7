"""The stored forms: a state with its header, a recent commit, an idempotency record.

A header is the epoch (8 ASCII characters) and the version (8 bytes, big-endian): what the commit script compares,
without decoding anything.
"""

from __future__ import annotations

import zlib
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Instant, Json
from synckairos.ids import COMMAND_ID_BYTES, EPOCH_CHARS

HEADER_BYTES = EPOCH_CHARS + 8


class StoredCommit(Struct, frozen=True, array_like=True):
    """One of a session's latest commits, as stored beside its state."""

    since_version: int
    version: int
    epoch: str
    events: tuple[Event, ...]


class Answer(Struct, frozen=True, array_like=True):
    """The first answer to a command with an Idempotency-Key, in the least that it can be rendered from again."""

    fingerprint: bytes
    state: State
    at_ms: Instant
    expired_participant_id: UUID | None = None
    action_applied: Json | None = None


class _Packed(Struct, frozen=True, array_like=True):
    """A large answer: the fields that the commit script reads, and the whole answer, compressed."""

    fingerprint: bytes
    epoch: str
    answer: bytes


UNPACKED_BYTES = 4_096
"""Size of the largest answer that is stored uncompressed: about a hundred participants."""
PACKED_LEVEL = 1
_PACKED_BEGINS = b"\x93"
"""First byte of an array of three; an answer that is not packed is an array of five."""

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_states = msgspec.msgpack.Decoder(State)
_commits = msgspec.msgpack.Decoder(StoredCommit)
_answers = msgspec.msgpack.Decoder(Answer)
_packed = msgspec.msgpack.Decoder(_Packed)


class Unreadable(Exception):
    """A stored value that cannot be decoded."""


def header(epoch: str, version: int) -> bytes:
    """Encode epoch and version as the commit script compares them."""
    return epoch.encode() + version.to_bytes(8, "big")


def read_header(data: bytes) -> tuple[str, int]:
    """Return epoch and version of a stored state or of its first bytes."""
    return data[:EPOCH_CHARS].decode(), int.from_bytes(data[EPOCH_CHARS:HEADER_BYTES], "big")


def encode_state(state: State) -> bytes:
    """Encode a state for the store, header first."""
    return header(state.epoch, state.version) + _encoder.encode(state)


def decode_state(data: bytes) -> State:
    """Decode a stored state. Raises Unreadable."""
    try:
        return _states.decode(data[HEADER_BYTES:])
    except (msgspec.DecodeError, ValueError) as cause:
        raise Unreadable("state") from cause


def encode_commit(command_id: bytes, commit: StoredCommit) -> bytes:
    """Encode a recent commit; its first bytes are the command id, by which the script finds a repetition."""
    return command_id + _encoder.encode(commit)


def decode_commit(data: bytes) -> StoredCommit:
    """Decode a recent commit. Raises Unreadable."""
    try:
        return _commits.decode(data[COMMAND_ID_BYTES:])
    except (msgspec.DecodeError, ValueError) as cause:
        raise Unreadable("commit") from cause


def encode_answer(answer: Answer, stored: bytes) -> bytes:
    """Encode an idempotency record, compressed when it is large. `stored` is its state as `encode_state` returned it,
    or empty.

    The commit script looks for the state's epoch in the first 64 bytes: what stands before it has a fixed length.
    """
    state = Raw(memoryview(stored)[HEADER_BYTES:]) if stored else answer.state
    encoded = _encoder.encode(
        (answer.fingerprint, state, answer.at_ms, answer.expired_participant_id, answer.action_applied)
    )
    if len(encoded) <= UNPACKED_BYTES:
        return encoded
    return _encoder.encode(_Packed(answer.fingerprint, answer.state.epoch, zlib.compress(encoded, PACKED_LEVEL)))


def decode_answer(data: bytes) -> Answer:
    """Decode an idempotency record. Raises Unreadable."""
    try:
        if data[:1] == _PACKED_BEGINS:
            data = zlib.decompress(_packed.decode(data).answer)
        return _answers.decode(data)
    except (msgspec.DecodeError, zlib.error, ValueError) as cause:
        raise Unreadable("idempotency record") from cause
