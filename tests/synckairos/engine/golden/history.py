"""The form of a golden history: what a release has stored and shown of one session."""

from __future__ import annotations

import lzma
from pathlib import Path

import msgspec
from msgspec import Struct

from sessions.presentation import present, to_json
from synckairos.engine import State, observe

HERE = Path(__file__).resolve().parent
SUFFIX = ".msgpack.xz"


class Row(Struct):
    """An event as the audit holds it."""

    type: str
    sequence: int
    version: int
    at_ms: int
    data: bytes
    """The column `data`: `event_data.details` as JSON."""


class View(Struct):
    """JSON that a client got at an instant."""

    at_ms: int
    json: bytes


class Moment(Struct):
    """The session after one of its transitions, as it was stored and shown."""

    events: int
    """Number of events so far."""
    state: bytes
    """The stored state: `stored_state.encode_state`."""
    views: list[View]
    """The first is of the transition's own instant; in later ones, deadlines that nobody acted on may have passed."""


class History(Struct):
    """One session from its creation on."""

    name: str
    events: list[bytes]
    """Each event in its stored form."""
    rows: list[Row]
    moments: list[Moment]


def show(state: State, at_ms: int) -> bytes:
    """Return the JSON that a client gets at an instant: due deadlines are applied first."""
    decision = observe(state, at_ms)
    while decision.deadline is not None and decision.deadline.at_ms <= at_ms:
        decision = observe(decision.state, at_ms)
    return to_json(present(decision.state, at_ms))


def load(path: Path) -> list[History]:
    """Read the histories of one file."""
    return msgspec.msgpack.decode(lzma.decompress(path.read_bytes()), type=list[History])


def save(path: Path, histories: list[History]) -> None:
    """Write a new file. Raises FileExistsError: an old one never changes."""
    with path.open("xb") as file:
        file.write(lzma.compress(msgspec.msgpack.encode(histories), preset=9 | lzma.PRESET_EXTREME))
