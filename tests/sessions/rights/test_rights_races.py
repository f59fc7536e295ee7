"""Rights are judged on the very state that is shown or changed, whatever came in between."""

from __future__ import annotations

from uuid import uuid4

import pytest
from msgspec.structs import replace

from sessions.services import sessions as service
from sessions.services.outcome import Caller
from sessions.store.store import Snapshot
from sessions.store.writes import LostRace
from synckairos.auth.grants import Role, SessionGrant
from synckairos.auth.principal import Principal
from synckairos.engine import SyncMode, create_session, decide
from synckairos.engine.commands import Complete, Create, RevokeAccess, Seat, Start
from synckairos.engine.state import Access
from synckairos.engine.units import Visibility
from synckairos.errors import SessionNotFound, Unauthenticated

SESSION = uuid4()
STRANGER = Principal("mallory", is_staff=False, expires_s=2**40)


def running(epoch, visibility=Visibility.PUBLIC, at=0):
    """A session whose players have a second each, begun at an instant."""
    seats = (Seat(uuid4(), 1_000), Seat(uuid4(), 1_000))
    options = {"action_on_timeout": {"type": "skip_cycle"}, "access": Access("alice", visibility)}
    create = Create.of(SyncMode.PER_PARTICIPANT, seats, **options)
    made = create_session(create, session_id=SESSION, epoch=epoch, now=at)
    return decide(made.state, Start(), at).state


def test_a_session_that_was_made_anew_for_others_while_it_was_brought_up_to_date_is_not_shown():
    steps = service.get(SESSION, STRANGER)
    next(steps)
    steps.send(Snapshot(1_500, running("one")))  # overdue: it commits
    with pytest.raises(SessionNotFound):
        steps.send(LostRace(Snapshot(1_500, running("two", Visibility.PRIVATE, at=1_400))))


def test_a_session_made_anew_for_others_is_not_shown_in_a_batch_read():
    steps = service.get_many([SESSION], STRANGER)
    call = next(steps)
    steps.send(call.parse([0, 0, None]).__class__(1_500, [running("one")]))
    with pytest.raises(StopIteration) as end:
        steps.send(LostRace(Snapshot(1_500, running("two", Visibility.PRIVATE, at=1_400))))
    assert end.value.value == ([], [SESSION])


def test_a_token_that_is_revoked_while_a_command_races_commands_no_more():
    state = running("one")
    grant = SessionGrant(SESSION, "one", Role.CONTROLLER, "t")
    caller = Caller(Principal("guest", is_staff=False, expires_s=2**40, grant=grant), "")
    steps = service.execute(SESSION, Complete(), caller)
    next(steps)
    steps.send(Snapshot(500, state))
    revoked = decide(state, RevokeAccess(1_000, "t"), 500).state
    with pytest.raises(Unauthenticated):
        steps.send(LostRace(Snapshot(500, revoked)))


def test_a_token_commands_until_it_is_revoked():
    state = running("one")
    grant = SessionGrant(SESSION, "one", Role.CONTROLLER, "t")
    caller = Caller(Principal("guest", is_staff=False, expires_s=2**40, grant=grant), "")
    steps = service.execute(SESSION, Complete(), caller)
    next(steps)
    steps.send(Snapshot(500, state))
    assert steps.send(LostRace(Snapshot(500, replace(state, version=7)))).script.name == "commit"
