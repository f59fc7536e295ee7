"""The events of a session over REST: pages without gaps, causes for those who may see them, and restored sessions."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from audit.drain import drain_all
from audit.models import SyncCommit, SyncEvent
from audit.retention_role import retention
from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from tests.conftest import bearer
from tests.sessions.rights.cast import PEOPLE, Stage
from tests.talk import at, created, done, game, refused, seat, wrong_fields

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def played(api):
    """A session with six events, all of them in the audit."""
    state = created(api, game(warning_thresholds_ms=[]))
    for step in ("start", "switch", "switch", "switch", "pause"):
        api.post(at(state, step))
    drain_all()
    return state


def page(api, state, **query):
    return done(api.get(at(state, "events"), params=query))


def sequences(found):
    return [event["sequence"] for event in found["events"]]


def test_pages_have_every_event_once(api, played):
    seen, after = [], 0
    while found := (answer := page(api, played, after=after, limit=4))["events"]:
        seen += found
        after = answer["next_after"]
    assert [event["sequence"] for event in seen] == [1, 2, 3, 4, 5, 6]
    assert after == 6
    assert [event["type"] for event in seen[:3]] == ["session.created", "session.started", "cycle.switched"]
    assert seen[1]["participant_id"] == played["participants"][0]["participant_id"]
    assert {event["epoch"] for event in seen} == {played["epoch"]}


def test_a_page_ends_before_an_event_that_is_written_later(api, played):
    late = SyncEvent.objects.get(sequence=4)
    with retention():
        late.delete()
    found = page(api, played)
    assert (sequences(found), found["next_after"]) == ([1, 2, 3], 3)
    assert page(api, played, after=3) == {"events": [], "next_after": 3}
    late.save()
    assert sequences(page(api, played, after=3)) == [4, 5, 6]


def test_a_page_beyond_the_end_is_empty_and_the_next_one_is_the_same(api, played):
    assert page(api, played, after=6) == {"events": [], "next_after": 6}
    assert page(api, played, after=2**53)["events"] == []


def test_a_session_that_the_audit_does_not_know_yet_has_no_events_yet(api):
    assert page(api, created(api)) == {"events": [], "next_after": 0}


def test_events_outlive_the_store(api, played):
    before = page(api, played)
    api.post(at(played, "complete"))
    drain_all()
    redis_client.blocking_client().flushall()
    assert page(api, played)["events"][:6] == before["events"]
    assert page(api, played, after=6)["events"][0]["type"] == "session.completed"


def test_the_events_of_a_restored_session_go_on(api, played):
    redis_client.blocking_client().flushall()
    call_command("restore_sessions")
    state = done(api.post(at(played, "resume")))
    drain_all()
    found = page(api, played, after=4, limit=4)["events"]
    assert [(event["sequence"], event["type"]) for event in found] == [
        *((5, "cycle.switched"), (6, "session.paused"), (7, "session.restored"), (8, "session.resumed")),
    ]
    assert [event["epoch"] for event in found] == [played["epoch"]] * 2 + [state["epoch"]] * 2
    assert sequences(page(api, played)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sequences(page(api, played, after=6)) == [7, 8]
    assert sequences(page(api, played, limit=6)) == [1, 2, 3, 4, 5, 6]
    assert done(api.get(at(played), params={"sequence": 3}))["epoch"] == played["epoch"]
    assert done(api.get(at(played), params={"sequence": 7}))["epoch"] == state["epoch"]


def test_a_commit_of_deadlines_and_a_command_names_the_timekeeper_and_the_person(api):
    """A warning that is due as soon as the clock runs comes with the start."""
    state = created(api, game(participants=[seat(total_time_ms=1_000), seat()], warning_thresholds_ms=[1_000]))
    api.post(at(state, "start"), headers={"X-Request-Id": "a-start"})
    drain_all()
    started, warned = page(api, state, after=1, limit=2)["events"]
    assert (started["type"], warned["type"]) == ("session.started", "participant.warned")
    assert SyncCommit.objects.filter(version__gt=1).count() == 1
    assert started["cause"] == {"principal": "alice", "role": "owner", "door": "rest", "request_id": "a-start"}
    assert warned["cause"] == {"principal": "timekeeper", "role": None, "door": "timekeeper", "request_id": "a-start"}


@pytest.mark.parametrize("who", [who for who, role in PEOPLE.items() if role is not None])
def test_causes_are_for_the_owner_and_staff(api, who):
    stage = Stage(api).do("start", "switch")
    token = stage.token(who)
    drain_all()
    events = done(api.get(stage.at("events"), headers=bearer(token)))["events"]
    assert len(events) >= 3
    for event in events:
        assert ("cause" in event) == (who in {"owner", "staff"})
        assert not {"principal", "request_id", "door", "address", "user_agent", "client_key"} & set(event)


def test_events_are_those_of_the_frames(api, played):
    """Fields of an event type never collide with those that all events have."""
    token = api.post(at(played, "tokens"), json={"role": "viewer"}).json()["data"]["token_id"]
    drain_all()
    (granted,) = page(api, played, after=6)["events"]
    assert (granted["type"], granted["role"], granted["token_id"]) == ("access.granted", "viewer", token)
    assert granted["cause"]["role"] == "owner"


def test_an_event_of_a_release_before_commits_had_rows_has_no_role(api, played):
    with retention():
        SyncCommit.objects.all().delete()
        SyncEvent.objects.update(commit_version=None)
    cause = page(api, played)["events"][0]["cause"]
    assert (cause["principal"], cause["role"], cause["door"]) == ("alice", None, None)


def test_a_revoked_token_reads_no_events(api, played):
    given = api.post(at(played, "tokens"), json={"role": "viewer"}).json()["data"]
    api.delete(at(played, "tokens"))
    refused(api.get(at(played, "events"), headers=bearer(given["token"])), 401, "UNAUTHENTICATED")
    refused(api.get(at(played, "events"), headers=bearer(mint("eve", is_staff=False))), 404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param({"after": "-1"}, "after", id="before the first"),
        pytest.param({"after": "x"}, "after", id="no number"),
        pytest.param({"limit": "0"}, "limit", id="none"),
        pytest.param({"limit": "501"}, "limit", id="too many"),
        pytest.param({"at": "2026-01-01T00:00:00Z"}, "at", id="unknown"),
    ],
)
def test_wrong_parameters_are_named(api, played, query, field):
    assert wrong_fields(api.get(at(played, "events"), params=query)) == [field]
