"""The search of waiting and dead entries for a person: wherever the person stands in one, the erasure waits for it."""

import pytest
from msgspec.structs import replace

from audit.personal_values import Person
from sessions.erasure.stored_values import Traces
from synckairos import outbox, stored_state
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import History, creation, post

BOB = "bob@example.com"


@pytest.fixture
def played():
    """A session with Bob in a seat and in the metadata, and an entry of it with nothing about him."""
    create = creation(metadata={"white": BOB})
    seats = (replace(create.participants[0], user_id=BOB), create.participants[1])
    history = History(replace(create, participants=seats)).do(cmd.Start())
    bare = replace(history.entries[-1], participants=(), snapshot=None)
    assert BOB.encode() not in outbox.encode(bare)
    return history.state, bare


def found(entry, name=BOB):
    """The numbers of entries with the person among those that wait, and among dead letters."""
    store = redis_client.blocking_client()
    post(entry)
    waiting = Traces(Person(name)).count_waiting({})
    store.rename(keys.outbox(0), keys.outbox_dead(0))
    dead = Traces(Person(name)).count_dead_letters()
    store.delete(keys.outbox_dead(0))
    return waiting, dead


def test_an_entry_without_the_person_is_passed_over(played):
    _, bare = played
    assert found(bare) == (0, 0)
    assert found(replace(bare, request_id=f"of {BOB}")) == (0, 0)


def test_an_entry_with_the_person_only_among_its_participants_is_found(played):
    state, bare = played
    assert found(replace(bare, participants=state.participants)) == (1, 1)


@pytest.mark.parametrize("place", ["seat", "owner", "metadata"])
def test_an_entry_with_the_person_only_in_its_snapshot_is_found(played, place):
    state, bare = played
    nobody = tuple(replace(seat, user_id="") for seat in state.participants)
    without = replace(state, participants=nobody, config=replace(state.config, metadata=None))
    states = {
        "seat": replace(without, participants=state.participants),
        "owner": replace(without, access=replace(state.access, owner=BOB)),
        "metadata": replace(without, config=state.config),
    }
    assert found(replace(bare, snapshot=stored_state.encode_state(without))) == (0, 0)
    assert found(replace(bare, snapshot=stored_state.encode_state(states[place]))) == (1, 1)


def test_an_entry_with_a_snapshot_of_another_person_is_passed_over(played):
    state, bare = played
    assert found(replace(bare, snapshot=stored_state.encode_state(state)), "bob@example.co") == (0, 0)


def test_a_snapshot_that_cannot_be_read_may_have_the_person(played):
    _, bare = played
    assert found(replace(bare, snapshot=f"rubbish {BOB}".encode())) == (1, 1)
