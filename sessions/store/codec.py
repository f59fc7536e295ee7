"""The stored forms beside the state (synckairos/stored_state.py): a recent commit, an idempotency record."""

from __future__ import annotations

import zlib
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Instant, Json
from synckairos.ids import COMMAND_ID_BYTES
from synckairos.stored_state import HEADER_BYTES, Unreadable


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
_commits = msgspec.msgpack.Decoder(StoredCommit)
_answers = msgspec.msgpack.Decoder(Answer)
_packed = msgspec.msgpack.Decoder(_Packed)


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
