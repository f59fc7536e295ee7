"""Values about a person in stored states: they are found, and left out. No I/O happens here but by the calls."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from sessions.store import codec
from sessions.store.codec import Answer
from sessions.store.lua import FOLDER
from synckairos import stored_state
from synckairos.engine.state import NO_PERSON, Participant, State
from synckairos.engine.units import Json
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_REPLACE = Script(FOLDER / "replace_value.lua", allow_oom=True)


def without_person(state: State, user_id: str, metadata: Json | None) -> State:
    """Return a state without a person: the seats are nobody's, there is no owner, and the metadata are these; the state
    itself when nothing changes."""
    last, owner = state.last_switch, state.access.owner
    changed = replace(
        state,
        participants=tuple(_seat_without(p, user_id) for p in state.participants),
        config=state.config if metadata == state.config.metadata else replace(state.config, metadata=metadata),
        access=replace(state.access, owner="") if owner == user_id else state.access,
        last_switch=(
            last
            if last is None or last.participant is None
            else replace(last, participant=_seat_without(last.participant, user_id))
        ),
    )
    return state if changed == state else changed


def _seat_without(participant: Participant, user_id: str) -> Participant:
    return replace(participant, user_id=NO_PERSON) if participant.user_id == user_id else participant


def replace_state(session_id: UUID, known: bytes, state: State | None) -> Call[bool]:
    """Replace a stored state, or delete it, with the recent commits: then no process commits on one that it remembers.

    The result is False when another commit came first.
    """
    names = [keys.state(session_id), keys.recent(session_id)]
    return Call(_REPLACE, names, [known, b"" if state is None else stored_state.encode_state(state)], bool)


def replace_answer(name: str, known: bytes, answer: Answer) -> Call[bool]:
    """Replace a stored answer under its Idempotency-Key; the result is False when it is gone."""
    return Call(_REPLACE, [name], [known, codec.encode_answer(answer, b"")], bool)
