"""Lists of sessions over REST: who sees which, pages, and requests that are refused."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from audit import outbox_reader
from synckairos.auth.principal import mint
from tests.conftest import bearer
from tests.outboxes import drained
from tests.talk import at, created, done, game, ms, refused, seat, wrong_fields

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def three(api, bob_api):
    """A session of alice's, one of bob's in which alice plays, and one of bob's alone; the newest last."""
    mine = created(api)
    ours = created(bob_api, game(participants=[seat(user_id="alice"), seat(user_id="bob")]))
    his = created(bob_api, game(sync_mode="global", total_time_ms=60_000, participants=[]))
    drained()
    return [state["session_id"] for state in (mine, ours, his)]


def ids(answer: httpx.Response) -> list[str]:
    return [session["session_id"] for session in done(answer)["sessions"]]


def test_people_list_what_they_own_or_take_part_in_and_staff_all(api, bob_api, staff_api, three):
    mine, ours, his = three
    assert ids(api.get("/v1/sessions")) == [ours, mine]
    assert ids(bob_api.get("/v1/sessions")) == [his, ours]
    assert ids(staff_api.get("/v1/sessions")) == [his, ours, mine]


def test_who_asks_for_the_sessions_of_another_gets_those_in_common(api, bob_api, staff_api, three):
    _, ours, _ = three
    assert ids(api.get("/v1/sessions", params={"user_id": "bob"})) == [ours]
    assert ids(bob_api.get("/v1/sessions", params={"user_id": "nobody"})) == []
    assert ids(staff_api.get("/v1/sessions", params={"user_id": "alice"})) == [ours]


def test_pages_continue_where_the_one_before_ended(staff_api, three):
    first = done(staff_api.get("/v1/sessions", params={"limit": 2}))
    second = done(staff_api.get("/v1/sessions", params={"limit": 2, "cursor": first["next_cursor"]}))
    found = [session["session_id"] for page in (first, second) for session in page["sessions"]]
    assert (found, second["next_cursor"]) == (three[::-1], None)


def test_a_session_is_listed_as_the_audit_has_it(api, staff_api):
    state = created(api)
    drained()
    started = done(api.post(at(state, "start")))
    listed = done(api.get("/v1/sessions"))
    now = outbox_reader.now_ms()
    assert ms(listed["as_of"]) <= now  # the start is not written yet
    assert [session["status"] for session in listed["sessions"]] == ["pending"]
    drained()
    listed = done(api.get("/v1/sessions", params={"status": "running", "mode": "per_participant"}))
    (session,) = listed["sessions"]
    assert ms(listed["as_of"]) >= now
    assert {name: started[name] for name in session if name in started} == {
        name: value for name, value in session.items() if name != "labels"
    }
    assert session["labels"] == {}


def test_the_period_is_given_by_instants(api, three):
    listed = done(api.get("/v1/sessions"))["sessions"]
    newest, oldest = listed[0]["created_at"], listed[1]["created_at"]
    assert ids(api.get("/v1/sessions", params={"created_from": newest, "created_to": "2100-01-01"})) == [three[1]]
    assert ids(api.get("/v1/sessions", params={"created_to": newest})) == ([three[0]] if oldest < newest else [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "odd"),
        ("mode", "PER_CYCLE"),
        ("created_from", "yesterday"),
        ("created_to", "0001-01-01T00:00:00+14:00"),
        ("user_id", ""),
        ("user_id", "a\0b"),
        ("user_id", "x" * 513),
        ("label", "room"),
        ("label", "room:r1"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("cursor", "odd"),
        ("sort", "created_at"),
    ],
)
def test_a_wrong_parameter_is_named(api, name, value):
    assert wrong_fields(api.get("/v1/sessions", params={name: value})) == [name]


def test_every_wrong_filter_is_named_at_once(api):
    answer = api.get("/v1/sessions", params={"status": "odd", "mode": "odd", "created_to": "odd"})
    assert sorted(wrong_fields(answer)) == ["created_to", "mode", "status"]


def test_a_session_token_lists_nothing(api, webs):
    state = created(api)
    token = api.post(at(state, "tokens"), json={"role": "viewer"}).json()["data"]["token"]
    refused(httpx.get(f"{webs[0].url}/v1/sessions", headers=bearer(token), verify=False), 403, "FORBIDDEN")


def test_nobody_lists_without_credentials(webs):
    refused(httpx.get(f"{webs[0].url}/v1/sessions", verify=False), 401, "UNAUTHENTICATED")


def test_a_list_counts_as_one_request(webs):
    person = mint(f"p{uuid4()}", is_staff=False)
    answer = httpx.get(f"{webs[0].url}/v1/sessions", headers=bearer(person), verify=False)
    assert done(answer)["sessions"] == []
    assert "r=" in answer.headers.get("RateLimit", "r=")
