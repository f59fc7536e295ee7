"""Writes a new file of golden histories. It adds histories and never changes one: an existing file is not written."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from itertools import pairwise
from uuid import NAMESPACE_OID, uuid5

import msgspec

from synckairos.engine import abandon, create_session, decide, next_deadline, observe, replay
from synckairos.engine.event_data import details
from synckairos.stored_state import encode_state
from tests.synckairos.engine.conftest import NAMES, Session, creation, id_of
from tests.synckairos.engine.golden.history import HERE, SUFFIX, History, Moment, Row, View, load, save, show

BASE_MS = 1_795_824_000_000
"""Midnight in UTC of 28 November 2026; scripts count from there."""
_UNATTENDED_MS = 45_000
_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


class Recorder(Session):
    """A session whose instants count from `BASE_MS`."""

    def __init__(self, create, *, name="", at=0):
        epoch = sha256(name.encode()).hexdigest()[:8]
        made = create_session(create, session_id=uuid5(NAMESPACE_OID, name), epoch=epoch, now=BASE_MS + at)
        self.state, self.events = made.state, list(made.events)
        self.names = {id_of(name): name for name in NAMES}

    def do(self, command, at):
        return self._keep(decide(self.state, command, BASE_MS + at))

    def look(self, at):
        return self._keep(observe(self.state, BASE_MS + at))

    def abandon(self, at):
        return self._keep(abandon(self.state, BASE_MS + at, idle_since_ms=self.state.updated_ms))

    def _keep(self, decision):
        self.state = decision.state
        self.events += decision.events
        return decision


def record(name, script):
    """Return the history of a script, which gets a function that creates its session, and returns the session."""
    session = script(lambda mode, *seats, at=0, **fields: Recorder(creation(mode, *seats, **fields), name=name, at=at))
    events = session.events
    ends = [place for place, (one, other) in enumerate(pairwise(events), 1) if one.version != other.version]
    moments = [moment(events, end) for end in [*ends, len(events)]]
    assert moments[-1].state == encode_state(session.state)
    return History(name, [_encoder.encode(event) for event in events], [row(event) for event in events], moments)


def row(event):
    data = json.dumps(details(event), ensure_ascii=False, separators=(",", ":")).encode()
    return Row(event.name, event.sequence, event.version, event.at_ms, data)


def moment(events, end):
    state = replay(events[:end])
    own_ms = events[end - 1].at_ms
    instants = {own_ms}
    if end < len(events):
        next_ms = events[end].at_ms
        instants.add(own_ms + (next_ms - own_ms) * 2 // 3)
    else:
        due = next_deadline(state)
        instants |= {own_ms + 700, own_ms + 3_600_000}
        instants |= set() if due is None else {max(own_ms, due.at_ms + off) for off in (-1, 0, 1)}
    instants.add(own_ms + _UNATTENDED_MS)
    return Moment(end, encode_state(state), [View(at_ms, show(state, at_ms)) for at_ms in sorted(instants)])


def main(name):
    from tests.synckairos.engine.golden import (  # noqa: PLC0415 - they import this module
        control_scripts,
        random_sessions,
        scripts,
    )

    known = {history.name for path in HERE.glob(f"*{SUFFIX}") for history in load(path)}
    wanted = {**scripts.all_scripts(), **control_scripts.all_scripts(), **random_sessions.all_scripts()}
    path = HERE / f"{name}{SUFFIX}"
    save(path, [record(title, script) for title, script in wanted.items() if title not in known])
    print(f"{path}: {path.stat().st_size} bytes, sha256 {sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main(sys.argv[1])
