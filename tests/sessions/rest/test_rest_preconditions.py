"""`If-Match`: a command is applied to the version that its caller has seen, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from sessions.preconditions import Precondition
from sessions.services import sessions as service
from sessions.store import store
from synckairos.auth.principal import SYSTEM
from synckairos.engine.commands import Delete, Switch
from synckairos.errors import PreconditionFailed
from synckairos.redis.scripts import send_blocking
from tests.clocked import ALICE, Clock
from tests.talk import at, created, done, game, in_status, refused, seat, wrong_fields

FROM = {
    "start": "pending",
    "pause": "running",
    "resume": "paused",
    "switch": "running",
    "complete": "running",
    "cancel": "paused",
    "participants": "pending",
    "adjust": "running",
    "delete": "running",
}


@pytest.fixture
def send(staff_api):
    """Any command with an `If-Match`; `send(state, "switch", '"v2"')`."""

    def send(state, command, if_match, client=staff_api, **body):
        headers = {} if if_match is None else {"If-Match": if_match}
        if command == "delete":
            return client.delete(at(state), headers=headers)
        if command == "adjust":
            address = at(state, "participants", state["participants"][0]["participant_id"])
            return client.patch(address, json={"adjust_ms": 1} | body, headers=headers)
        return client.post(
            at(state, command), json=(seat() if command == "participants" else {}) | body, headers=headers
        )

    return send


def failed(answer, expected, actual):
    """A refusal with 412 that names the versions."""
    error = refused(answer, 412, "PRECONDITION_FAILED")
    assert error["details"] == {"expected_versions": expected, "actual_version": actual}


@pytest.mark.parametrize("command", FROM)
def test_every_command_takes_the_version_that_was_seen_and_no_other(api, staff_api, send, command):
    state = in_status(FROM[command], api, staff_api)
    version = state["version"]
    for other in (version - 1, version + 1):
        expected = [other] if other else []
        failed(send(state, command, f'"v{other}"'), expected, version)
    seen = api.get(at(state)).headers["etag"]
    assert send(state, command, seen).status_code == (204 if command == "delete" else 200)
    if command != "delete":
        assert done(api.get(at(state)))["version"] == version + 1


@pytest.mark.parametrize(
    "if_match", ['"v2"', '"v1", "v2"', '"v2","v9"', ',, "v2" ,', '"a,b" , "v2"', 'W/"v1",\t"v2"', "*"]
)
def test_any_of_several_tags_may_match(api, send, if_match):
    state = done(api.post(at(created(api), "start")))
    assert done(send(state, "switch", if_match))["version"] == 3


@pytest.mark.parametrize(
    ("if_match", "expected"),
    [
        ('"v1"', [1]),
        ('"v3", "v1"', [1, 3]),
        ('W/"v2"', []),
        ('W/"v2", "v5"', [5]),
        ('"v02"', []),
        ('"V2"', []),
        ('"v2 "', None),
        ('"2"', []),
        ('""', []),
        ('"*"', []),
        ('"v2,v3"', []),
        ('"v2-"', []),
        ('"v2-0000000"', []),
        ('"v2-GGGGGGGG"', []),
        ('"v2-00000000"', [2]),
        ('"v' + "9" * 5_000 + '"', []),
        ('"é"'.encode("latin-1"), []),
    ],
    ids=ascii,
)
def test_other_tags_and_weak_ones_match_nothing(api, send, if_match, expected):
    state = done(api.post(at(created(api), "start")))
    answer = send(state, "switch", if_match)
    if expected is None:
        assert wrong_fields(answer) == ["If-Match"]
    else:
        failed(answer, expected, 2)
    assert done(api.get(at(state)))["version"] == 2


@pytest.mark.parametrize("command", FROM)
def test_the_tag_of_a_session_that_was_deleted_matches_none_made_anew(api, staff_api, send, command):
    old = created(api)
    tag = api.get(at(old)).headers["etag"]
    api.delete(at(old))
    created(api, game(session_id=old["session_id"], participants=[seat(**old_seat(old)), seat()]))
    failed(send(old, command, tag), [1], 1)
    assert done(api.get(at(old)))["version"] == 1


def old_seat(state):
    """The first participant, for a session made anew."""
    return {"participant_id": state["participants"][0]["participant_id"]}


def test_a_version_alone_matches_a_session_made_anew_too(api, send):
    """As clients that make the tag of a version have it."""
    old = created(api)
    api.delete(at(old))
    created(api, game(session_id=old["session_id"]))
    assert done(send(old, "start", '"v1"'))["version"] == 2


@pytest.mark.parametrize(
    "if_match",
    ["", ",", "v2", '"v2', 'v2"', '"v2" "v3"', '"v2"; "v3"', '*, "v2"', '"v2", *', "**", 'w/"v2"', 'W/ "v2"', "2"],
)
@pytest.mark.parametrize("command", ["switch", "start", "adjust", "delete"])
def test_a_malformed_header_is_named(api, send, command, if_match):
    state = done(api.post(at(created(api), "start")))
    assert wrong_fields(send(state, command, if_match)) == ["If-Match"]
    assert done(api.get(at(state)))["version"] == 2


def test_a_header_full_of_blanks_is_read_at_once(api, send):
    state = created(api)
    assert wrong_fields(send(state, "start", '"v1",' + " " * 30_000 + "x")) == ["If-Match"]
    assert done(send(state, "start", '"v9",' + " " * 30_000 + '"v1"'))["version"] == 2


@pytest.mark.parametrize("if_match", ["*", '"v1"', 'W/"v1"'])
@pytest.mark.parametrize("command", [command for command in FROM if command != "delete"])
def test_a_session_that_does_not_exist_is_404_whatever_is_asked_for(api, send, command, if_match):
    state = created(api) | {"session_id": str(uuid4())}
    refused(send(state, command, if_match), 404, "SESSION_NOT_FOUND")


def test_only_what_exists_can_be_deleted_under_a_condition(api, send):
    state = created(api)
    assert send(state, "delete", "*").status_code == 204
    failed(send(state, "delete", "*"), None, None)
    failed(send(state, "delete", '"v1"'), [1], None)
    assert send(state, "delete", None).status_code == 204


def test_both_the_header_and_the_expected_version_must_hold(api, send):
    state = done(api.post(at(created(api), "start")))
    error = refused(send(state, "switch", '"v2"', expected_version=1), 409, "CONFLICT")
    assert error["details"] == {"expected_version": 1, "actual_version": 2}
    failed(send(state, "switch", '"v1"', expected_version=2), [1], 2)
    failed(send(state, "switch", '"v1"', expected_version=1), [1], 2)
    refused(send(state, "switch", "*", expected_version=1), 409, "CONFLICT")
    assert done(send(state, "switch", '"v2"', expected_version=2))["version"] == 3


def test_the_condition_comes_before_the_status_and_after_the_body(api, send):
    state = created(api)
    failed(send(state, "pause", '"v9"'), [9], 1)
    refused(send(state, "pause", '"v1"'), 400, "INVALID_STATE_TRANSITION")
    assert wrong_fields(send(state, "pause", '"v9"', surprise=1)) == ["surprise"]


def test_a_repeat_gets_the_first_answer_whatever_it_asks_for(api):
    state = done(api.post(at(created(api), "start")))
    key = {"Idempotency-Key": "k"}
    first = api.post(at(state, "switch"), headers=key | {"If-Match": '"v2"'})
    assert done(first)["version"] == 3
    for if_match in ('"v2"', '"v9"', 'W/"v3"', "*"):
        again = api.post(at(state, "switch"), headers=key | {"If-Match": if_match})
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert done(api.get(at(state)))["version"] == 3


def test_a_refused_condition_leaves_no_record_under_the_key(api):
    state = done(api.post(at(created(api), "start")))
    key = {"Idempotency-Key": "k"}
    failed(api.post(at(state, "switch"), headers=key | {"If-Match": '"v1"'}), [1], 2)
    assert done(api.post(at(state, "switch"), headers=key | {"If-Match": '"v2"'}))["version"] == 3


def test_a_creation_looks_at_no_condition(api):
    assert created(api, **{"If-Match": "nonsense"})["version"] == 1


@pytest.mark.parametrize("command", ["switch", "participants", "adjust", "complete"])
def test_of_many_who_have_seen_the_same_version_one_is_served(api, other_api, staff_api, send, command):
    state = done(api.post(at(created(api), "start")))
    clients = [staff_api] * 4 if command == "adjust" else [api, other_api] * 8
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda client: send(state, command, '"v2"', client), clients))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * (len(clients) - 1)
    assert done(api.get(at(state)))["version"] == 3


@pytest.mark.parametrize("is_deletion", [False, True])
def test_what_comes_between_the_read_and_the_write_is_noticed(is_deletion):
    """Step by step: somebody else commits after our state was read and before our command is written."""
    clock = Clock()
    session_id = clock.start()
    seen = Precondition(frozenset({(2, "")}))
    command = Delete() if is_deletion else Switch()
    steps = service.execute(session_id, command, ALICE, seen)
    commit = steps.send(send_blocking(next(steps)))
    clock.do(session_id, Switch())
    with pytest.raises(PreconditionFailed) as late:
        steps.send(send_blocking(commit))
    assert late.value.details == {"expected_versions": [2], "actual_version": 3}
    assert clock.run(service.get(session_id, SYSTEM)).state.version == 3


def test_deadlines_that_are_due_count_and_are_kept_though_the_command_is_refused():
    clock = Clock()
    session_id = clock.start(bank_ms=60_000, auto_advance=True, action_on_timeout={"type": "skip_cycle"})
    clock.now_ms += 60_000

    def switch(*versions: int):
        return clock.run(
            service.execute(session_id, Switch(), ALICE, Precondition(frozenset((version, "") for version in versions)))
        )

    with pytest.raises(PreconditionFailed) as refusal:
        switch(2)
    actual = refusal.value.details["actual_version"]
    assert actual > 2
    assert stored_version(session_id) == actual
    assert switch(actual).state.version > actual


def stored_version(session_id: UUID) -> int:
    """What the store has, without applying anything."""
    (header,) = send_blocking(store.headers([session_id]))
    return header[1]
