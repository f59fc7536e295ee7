"""The access that the audit recorded last, on which reads depend of sessions that the store does not have."""

import pytest
from django.core.management import call_command

from audit import selectors
from audit.lost_sessions import recorded_access
from audit.models import SyncEvent, SyncSession
from audit.retention_role import retention
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import creation, drained, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def game(real):
    """A session with a participant that was added later and assigned to somebody else, all of it in the audit."""
    state = real(creation(warning_thresholds_ms=()))
    added = cmd.Seat(state.session_id, 30_000, user_id="dora")
    for command in (cmd.AddParticipant(added), cmd.AssignSeat(added.participant_id, "erin", "Dora has left.")):
        state = real(state.session_id, command)
    drained()
    return state


def newest(state):
    return selectors.session_get(state.session_id)


def lose(**events):
    with retention():
        assert SyncEvent.objects.filter(**events).delete()[0] == 1


def test_access_is_that_of_the_last_events(game):
    state = recorded_access(newest(game))
    assert (state.access, [seat.user_id for seat in state.participants]) == (game.access, ["u0", "u1", "erin"])


def test_what_a_parent_did_after_the_restoration_point_gives_no_rights(game, real):
    """A former life of the session goes on after its restoration point, and comes to the audit late."""
    real(game.session_id, cmd.AssignSeat(game.participants[0].participant_id, "mallory", "She says so."))
    late = redis_client.blocking_client().xrange(keys.outbox(keys.shard_of(game.session_id)))
    redis_client.blocking_client().flushall()
    call_command("restore_sessions")
    drained()
    post(*[fields[b"e"] for _, fields in late])
    drained()
    parent, restored = selectors.session_get(game.session_id, game.epoch), newest(game)
    assert (parent.restored_as, parent.version) == (restored.epoch, game.version + 1)
    state = recorded_access(restored)
    assert (state.epoch, [seat.user_id for seat in state.participants]) == (restored.epoch, ["u0", "u1", "erin"])


@pytest.mark.parametrize("lost", ["session.created", "participant.added"])
def test_a_history_without_what_its_access_begins_with_has_none(game, lost):
    lose(type=lost)
    assert recorded_access(newest(game)) is None


def test_a_restored_session_whose_parent_is_missing_has_no_access(game):
    SyncSession.objects.update(parent_epoch="12345678")
    assert recorded_access(newest(game)) is None
