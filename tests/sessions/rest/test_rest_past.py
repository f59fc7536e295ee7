"""Sessions as they were: past states, their bounds, and sessions that have left the store."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest
from django.core.management import call_command

from audit.drain import drain_all
from audit.models import SyncEvent, SyncSession, SyncSnapshot
from audit.retention_role import retention
from synckairos.instants import as_iso, from_datetime
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.conftest import bearer
from tests.talk import at, created, done, game, ms, refused, seat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def played(api):
    """A running session with two switches, all of it in the audit."""
    state = created(api, game(warning_thresholds_ms=[]))
    for step in ("start", "switch", "switch"):
        api.post(at(state, step))
    drain_all()
    return done(api.get(at(state)))


@pytest.fixture
def ended(api, played):
    """The same, completed, after the store has let it go."""
    last = done(api.post(at(played, "complete")))
    drain_all()
    let_go()
    return last


def let_go():
    redis_client.blocking_client().flushall()


def instants(state):
    """The instants of all events, by number."""
    rows = SyncEvent.objects.filter(session__session_id=state["session_id"]).order_by("sequence")
    return {row.sequence: from_datetime(row.at) for row in rows}


def was(api, state, **query):
    return done(api.get(at(state), params=query))


def without_instant(state):
    return {name: value for name, value in state.items() if name not in {"server_time_ms", "archived"}}


def test_a_past_state_is_what_was_shown_at_its_instant(api, played):
    switched_ms = instants(played)[3]
    past = was(api, played, at=as_iso(switched_ms))
    assert (past["version"], past["status"], past["server_time_ms"]) == (3, "running", switched_ms)
    assert past["active_participant_id"] == played["participants"][1]["participant_id"]
    assert "archived" not in past


def test_clocks_run_in_a_past_state(api, played):
    later_ms = played["server_time_ms"] + 3
    while done(api.get(at(played)))["server_time_ms"] <= later_ms:
        pass
    api.post(at(played, "pause"))
    drain_all()
    past = was(api, played, at=as_iso(later_ms))
    assert (past["status"], past["server_time_ms"]) == ("running", later_ms)
    assert past["time_remaining_ms"] == ms(past["deadline_at"]) - later_ms


def test_a_state_after_an_event_is_shown_at_the_instant_of_it(api, played):
    for sequence, at_ms in instants(played).items():
        past = was(api, played, sequence=sequence)
        assert (past["version"], past["server_time_ms"]) == (sequence, at_ms)
    assert was(api, played, sequence=1)["status"] == "pending"


def test_the_present_needs_no_audit(api, played):
    with retention():
        SyncSession.objects.all().delete()
    now = done(api.get(at(played)))
    assert was(api, played, at=as_iso(now["server_time_ms"])) == now
    assert was(api, played, sequence=4)["version"] == 4


def test_nothing_wrong_is_shown_while_the_drain_is_behind(api, played):
    paused = done(api.post(at(played, "pause")))
    before = ms(paused["updated_at"]) - 1
    for query in ({"at": as_iso(before)}, {"sequence": 5}):
        if query == {"sequence": 5}:
            assert was(api, played, **query)["status"] == "paused"
            api.post(at(played, "resume"))
        error = refused(api.get(at(played), params=query), 503, "SERVICE_UNAVAILABLE")
        assert error["details"] == {"reason": "audit_behind"}
    drain_all()
    assert was(api, played, sequence=5)["status"] == "paused"
    assert was(api, played, at=as_iso(before))["status"] == "running"


def test_a_session_that_the_audit_does_not_know_yet_has_no_past_for_now(api):
    state = created(api)
    api.post(at(state, "start"))
    for query in ({"sequence": 1}, {"at": state["created_at"]}):
        answer = api.get(at(state), params=query)
        if "at" in query and answer.status_code == 200:
            continue  # both in one millisecond: the present is the answer
        assert refused(answer, 503, "SERVICE_UNAVAILABLE")["details"] == {"reason": "audit_behind"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param({"at": "2999-01-01T00:00:00Z"}, "at", id="the future"),
        pytest.param({"at": "2026-01-01T00:00:00"}, "at", id="no offset"),
        pytest.param({"at": "yesterday"}, "at", id="no instant"),
        pytest.param({"sequence": "0"}, "sequence", id="zero"),
        pytest.param({"sequence": "5"}, "sequence", id="an event to come"),
        pytest.param({"sequence": "-1"}, "sequence", id="negative"),
        pytest.param({"sequence": "1", "at": "2026-01-01T00:00:00Z"}, "sequence", id="both"),
    ],
)
def test_a_moment_without_a_state_is_refused(api, played, query, field):
    error = refused(api.get(at(played), params=query), 400, "VALIDATION_ERROR")
    assert [detail["field"] for detail in error["details"]] == [field]


def test_before_its_creation_there_was_no_session(api, played):
    refused(api.get(at(played), params={"at": as_iso(ms(played["created_at"]) - 1)}), 404, "SESSION_NOT_FOUND")


def test_fields_and_tags_work_for_past_states(api, played):
    answer = api.get(at(played), params={"sequence": 2, "fields": "version,status"})
    assert done(answer) == {"version": 2, "status": "running"}
    tag = answer.headers["etag"]
    again = api.get(at(played), params={"sequence": 2}, headers={"If-None-Match": tag})
    assert again.status_code == httpx.codes.NOT_MODIFIED


def test_a_session_that_has_left_the_store_is_read_from_the_audit(api, ended):
    archived = done(api.get(at(ended)))
    assert archived["archived"] is True
    assert without_instant(archived) == without_instant(ended)
    assert done(api.get(at(ended), params={"fields": "archived,version"})) == {"archived": True, "version": 5}
    past = was(api, ended, sequence=2)
    assert (past["status"], "archived" in past) == ("running", False)
    assert was(api, ended, at=as_iso(ms(ended["updated_at"]) + 1))["status"] == "completed"


def test_an_archived_session_has_another_tag_than_the_live_one(api, played):
    last = api.post(at(played, "complete"))
    drain_all()
    let_go()
    given = {"If-None-Match": last.headers["etag"]}
    archived = api.get(at(played), headers=given)
    assert done(archived)["archived"] is True
    tag = archived.headers["etag"]
    assert tag == api.get(at(played)).headers["etag"]
    assert api.get(at(played), headers={"If-None-Match": tag}).status_code == httpx.codes.NOT_MODIFIED


@pytest.mark.parametrize("query", [{}, {"sequence": 1}], ids=["archived", "past"])
def test_an_erasure_changes_the_tag_of_what_the_audit_shows(api, query):
    state = created(api, game(participants=[seat(user_id="bob"), seat()]))
    api.post(at(state, "complete"))
    drain_all()
    let_go()
    before = api.get(at(state), params=query)
    call_command("erase_person", "bob", "--by", "ops", "--quiet")
    after = api.get(at(state), params=query, headers={"If-None-Match": before.headers["etag"]})
    users = [[one.get("user_id") for one in done(answer)["participants"]] for answer in (before, after)]
    assert (users[0], "bob" in users[1]) == (["bob", None], False)
    assert after.headers["etag"] != before.headers["etag"]


def test_a_live_session_is_not_called_archived(api, played):
    assert "archived" not in done(api.get(at(played)))


def test_an_archived_session_is_for_those_who_could_read_it(api, bob_api, staff_api, ended):
    refused(bob_api.get(at(ended)), 404, "SESSION_NOT_FOUND")
    refused(bob_api.get(at(ended), params={"sequence": 1}), 404, "SESSION_NOT_FOUND")
    refused(bob_api.get(at(ended, "events")), 404, "SESSION_NOT_FOUND")
    assert done(staff_api.get(at(ended)))["archived"] is True


def test_session_tokens_read_the_archived_session_as_far_as_they_are_good(api):
    state = created(api)
    given = [api.post(at(state, "tokens"), json={"role": "viewer"}).json()["data"] for _ in range(2)]
    api.delete(at(state, "tokens", given[1]["token_id"]))
    api.post(at(state, "complete"))
    drain_all()
    let_go()
    assert done(api.get(at(state), headers=bearer(given[0]["token"])))["archived"] is True
    refused(api.get(at(state), headers=bearer(given[1]["token"])), 401, "UNAUTHENTICATED")


def test_a_deleted_session_is_gone_at_once_and_stays_so(api, staff_api, played):
    api.post(at(played, "complete"))
    drain_all()
    assert api.delete(at(played)).status_code == httpx.codes.NO_CONTENT
    for is_drained in (False, True):
        if is_drained:
            drain_all()
        for query in ({}, {"sequence": 1}, {"at": played["updated_at"]}):
            refused(api.get(at(played), params=query), 404, "SESSION_NOT_FOUND")
        refused(api.get(at(played, "events")), 404, "SESSION_NOT_FOUND")
        refused(staff_api.get(at(played)), 404, "SESSION_NOT_FOUND")


def test_staff_read_the_past_of_a_deleted_session(api, staff_api, played):
    api.delete(at(played))
    drain_all()
    assert was(staff_api, played, sequence=2)["status"] == "running"
    assert was(staff_api, played, at=as_iso(instants(played)[1]))["version"] == 1
    assert len(done(staff_api.get(at(played, "events")))["events"]) == 5
    now = as_iso(store_now())
    refused(staff_api.get(at(played), params={"at": now}), 404, "SESSION_NOT_FOUND")


def store_now():
    seconds, microseconds = redis_client.blocking_client().time()
    return seconds * 1000 + microseconds // 1000


def test_a_lost_session_is_not_called_archived(api, bob_api, played):
    let_go()
    error = refused(api.get(at(played)), 503, "SERVICE_UNAVAILABLE")
    assert error["details"] == {"reason": "session_lost"}
    refused(bob_api.get(at(played)), 404, "SESSION_NOT_FOUND")
    assert was(api, played, sequence=2)["version"] == 2
    error = refused(api.get(at(played), params={"at": as_iso(store_now())}), 503, "SERVICE_UNAVAILABLE")
    assert error["details"] == {"reason": "session_lost"}


def test_a_session_too_old_to_be_lost_is_archived_as_it_was_left(api, played):
    let_go()
    SyncSession.objects.update(updated_at="2020-01-01T00:00:00Z")
    archived = done(api.get(at(played)))
    assert (archived["archived"], archived["status"]) == (True, "running")
    assert archived["server_time_ms"] == instants(played)[4]


def test_an_incomplete_history_is_not_shown(api, ended):
    with retention():
        SyncEvent.objects.filter(sequence=3).delete()
    SyncSnapshot.objects.all().delete()
    for query in ({}, {"sequence": 4}, {"at": ended["updated_at"]}):
        error = refused(api.get(at(ended), params=query), 503, "SERVICE_UNAVAILABLE")
        assert error["details"] == {"reason": "audit_behind"}
    assert was(api, ended, sequence=2)["version"] == 2


def test_too_many_waiting_commits_leave_open_if_a_session_was_deleted(api, ended):
    pipe = redis_client.blocking_client().pipeline(transaction=False)
    for _ in range(500):
        pipe.xadd(keys.outbox(keys.shard_of(UUID(ended["session_id"]))), {"e": b"another"})
    pipe.execute()
    error = refused(api.get(at(ended)), 503, "SERVICE_UNAVAILABLE")
    assert error["details"] == {"reason": "audit_behind"}


def test_a_session_of_nobody_is_missing_everywhere(api):
    nobody = {"session_id": str(uuid4())}
    for path, query in [((), {}), ((), {"sequence": 1}), ((), {"at": "2026-01-01T00:00:00Z"}), (("events",), {})]:
        refused(api.get(at(nobody, *path), params=query), 404, "SESSION_NOT_FOUND")


def test_a_token_of_another_session_reads_no_past(api, played):
    other = created(api)
    token = api.post(at(other, "tokens"), json={"role": "viewer"}).json()["data"]["token"]
    for query in ({}, {"sequence": 1}):
        refused(api.get(at(played), params=query, headers=bearer(token)), 401, "UNAUTHENTICATED")
