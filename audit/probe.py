"""A commit that is certainly correct: if the database refuses this one too, no entry is at fault."""

from __future__ import annotations

import time
from uuid import uuid4

from audit import row_mapping
from audit.row_mapping import Commit
from synckairos import outbox
from synckairos.engine import create_session
from synckairos.engine.commands import Create, Seat
from synckairos.engine.units import SyncMode

_NAME = "probe"


def commit() -> Commit:
    """Return a creation with one participant, of a session that does not exist. It has a row for every table."""
    seat = Seat(uuid4(), total_time_ms=60_000, user_id=_NAME)
    create = Create.of(sync_mode=SyncMode.PER_PARTICIPANT, participants=(seat,))
    now_ms = int(time.time() * 1000)
    decision = create_session(create, session_id=uuid4(), epoch=_NAME, now=now_ms)
    state = decision.state
    entry = outbox.Entry(
        session_id=state.session_id,
        epoch=state.epoch,
        since_version=0,
        version=state.version,
        committed_ms=now_ms,
        principal=_NAME,
        request_id=_NAME,
        command_id=b"",
        events=decision.events,
        summary=outbox.summarise(state),
        participants=state.participants,
        format=outbox.FORMAT,
    )
    return row_mapping.read_commit(_NAME, outbox.encode(entry))
