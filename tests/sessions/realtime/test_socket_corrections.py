"""Corrections over a socket: the same rules and answers as over REST, and every screen hears what was corrected."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from synckairos.auth.principal import mint
from tests.sessions.rest.played import MODES, play, seats_of
from tests.sockets import screen
from tests.talk import at, done, ms, seat

MINUTE = 60_000
FRAMES = {"ADJUST_CLOCK": "clock", "UNDO": "undo", "ASSIGN_TURN": "turn"}


@pytest.fixture
def state(api):
    """A running session in which the second of two participants has the turn."""
    return play(api, ("start", "switch"))


def of_rest(api, state, frame, body):
    """The answer of REST to the same request."""
    method = "PATCH" if frame == "ADJUST_CLOCK" else "POST"
    return api.request(method, at(state, FRAMES[frame]), json=body)


def body_of(frame, state):
    """A body that the command accepts."""
    return {
        "ADJUST_CLOCK": {"adjust_ms": -5_000, "reason": "late"},
        "UNDO": {"reason": "a slip"},
        "ASSIGN_TURN": {"participant_id": seats_of(state)[0], "reason": "the other one begins"},
    }[frame]


@pytest.mark.parametrize("frame", FRAMES)
async def test_a_correction_is_acknowledged_with_the_state_at_its_own_instant(webs, api, token, state, frame):
    async with screen(webs[0], state["session_id"], token) as alice:
        await alice.until("CONNECTED")
        await alice.send(type=frame, id="one", **body_of(frame, state))
        ack = await alice.until("ACK", id="one")
    assert ack["version"] == ack["data"]["version"] == state["version"] + 1
    assert ack["data"]["server_time_ms"] == ms(ack["data"]["updated_at"])
    shown = done(api.get(at(state)))
    assert shown["version"] == ack["version"]
    kept = ("active_participant_id", "deadline_at", "drains_from", "cycle_started_at", "cycle_number", "updated_at")
    assert {name: shown[name] for name in kept} == {name: ack["data"][name] for name in kept}


TOLD = {
    "ADJUST_CLOCK": {"type": "clock.adjusted", "by_ms": -5_000, "reason": "late", "group_id": None},
    "UNDO": {"type": "cycle.undone", "reason": "a slip"},
    "ASSIGN_TURN": {"type": "cycle.assigned", "reason": "the other one begins", "progress": None},
}


@pytest.mark.parametrize("by", ["socket", "rest"])
@pytest.mark.parametrize("frame", FRAMES)
async def test_every_screen_of_both_processes_hears_what_was_corrected(webs, api, token, state, frame, by):
    first, second = seats_of(state)
    session_id = state["session_id"]
    async with screen(webs[0], session_id, token) as alice, screen(webs[1], session_id, token) as bob:
        for viewer in (alice, bob):
            await viewer.until("CONNECTED")
        if by == "socket":
            await alice.send(type=frame, id=1, **body_of(frame, state))
        else:
            done(of_rest(api, state, frame, body_of(frame, state)))
        updates = [await viewer.until("STATE_UPDATE") for viewer in (alice, bob)]
    for update in updates:
        (event,) = update["events"]
        assert (update["since_version"], update["version"]) == (state["version"], state["version"] + 1)
        assert {name: event[name] for name in TOLD[frame]} == TOLD[frame]
        assert event["version"] == update["version"]
        assert ms(event["at"]) == update["state"]["server_time_ms"]
        if frame == "ADJUST_CLOCK":
            assert event["participant_id"] == second
            assert event["left_ms"] == update["state"]["time_remaining_ms"]
        else:
            assert (event["from_participant_id"], event["to_participant_id"]) == (second, first)
            assert update["state"]["active_participant_id"] == first
        if frame == "ASSIGN_TURN":
            assert event["left_ms"] == update["state"]["participants"][1]["time_remaining_ms"]
    assert updates[0]["state"] == updates[1]["state"]


async def test_a_clock_that_is_set_to_nothing_tells_the_screens_what_followed(webs, api, token):
    state = play(api, ("start",), time_control="60 3x10 byo-yomi")
    async with screen(webs[1], state["session_id"], token) as viewer:
        await viewer.until("CONNECTED")
        await viewer.send(type="ADJUST_CLOCK", id=1, set_ms=0)
        update = await viewer.until("STATE_UPDATE")
    adjusted, changed = update["events"]
    assert (adjusted["type"], adjusted["left_ms"], adjusted["version"]) == ("clock.adjusted", 0, 3)
    assert (changed["type"], changed["left_ms"], changed["version"]) == ("clock.phase_changed", 10_000, 4)
    assert changed["progress"] == {"phase": "byo_yomi", "turns": 0, "periods": 3, "reserve_ms": 0, "stage": 0}
    assert changed["at"] == adjusted["at"]
    running = update["state"]["participants"][0]
    assert (running["phase"], running["periods_left"], running["time_remaining_ms"]) == ("byo_yomi", 3, 10_000)


@pytest.mark.parametrize("frame", FRAMES)
async def test_a_repeated_id_is_applied_once(webs, api, token, state, frame):
    async with screen(webs[0], state["session_id"], token) as alice:
        acks = []
        for _ in range(3):
            await alice.send(type=frame, id="only once", **body_of(frame, state))
            acks.append(await alice.until("ACK", id="only once"))
        assert acks == [acks[0]] * 3
        await alice.send(type=frame, id="only once", **(body_of(frame, state) | {"reason": "another"}))
        assert (await alice.until("ERROR", id="only once"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert done(api.get(at(state)))["version"] == state["version"] + 1


@pytest.mark.parametrize("frame", FRAMES)
async def test_without_an_id_each_frame_counts(webs, api, token, state, frame):
    async with screen(webs[0], state["session_id"], token) as alice:
        await alice.send(type=frame, **body_of(frame, state))
        ack = await alice.until("ACK")
    assert (ack["id"], ack["version"]) == (None, state["version"] + 1)


REFUSED = {
    "no number": ("ADJUST_CLOCK", {}),
    "two numbers": ("ADJUST_CLOCK", {"set_ms": 1, "adjust_ms": 1}),
    "nulls": ("ADJUST_CLOCK", {"set_ms": None, "adjust_ms": None, "at_least_ms": None}),
    "another version": ("ADJUST_CLOCK", {"set_ms": 1, "expected_version": 77}),
    "undo at another version": ("UNDO", {"expected_version": 77}),
    "the turn at another version": ("ASSIGN_TURN", {"participant_id": "{}", "expected_version": 77}),
    "a turn elsewhere": ("ASSIGN_TURN", {"participant_id": str(uuid4())}),
}
PAUSED = {"undo in a pause": ("UNDO", {})}
FINISHED = {
    "an adjustment": ("ADJUST_CLOCK", {"at_least_ms": 1}),
    "undo": ("UNDO", {}),
    "a turn": ("ASSIGN_TURN", {"participant_id": "{}"}),
}


async def same_refusal(web, api, token, state, frame, body):
    """Both doors refuse it with the same words, and nothing changes."""
    body = {name: seats_of(state)[0] if value == "{}" else value for name, value in body.items()}
    by_rest = of_rest(api, state, frame, body).json()["error"]
    async with screen(web, state["session_id"], token) as alice:
        await alice.until("CONNECTED")
        await alice.send(type=frame, id="one", **body)
        error = await alice.until("ERROR")
    assert error.pop("type") == "ERROR"
    assert error.pop("id") == "one"
    assert error == by_rest
    assert done(api.get(at(state)))["version"] == state["version"]
    return error


@pytest.mark.parametrize("wrong", REFUSED)
async def test_a_refusal_is_the_same_over_a_socket_and_over_rest(webs, api, token, state, wrong):
    error = await same_refusal(webs[1], api, token, state, *REFUSED[wrong])
    if wrong in {"no number", "two numbers", "nulls"}:
        message = "Give exactly one of adjust_ms, set_ms and at_least_ms."
        assert error["details"] == [{"field": "adjust_ms", "message": message}]


@pytest.mark.parametrize("step", FINISHED)
@pytest.mark.parametrize("end", ["complete", "cancel"])
async def test_so_is_that_of_a_session_that_is_over(webs, api, token, end, step):
    error = await same_refusal(webs[0], api, token, play(api, ("start", "switch", end)), *FINISHED[step])
    assert error["code"] == "INVALID_STATE_TRANSITION"


@pytest.mark.parametrize("steps", [("start",), ("start", "switch", "undo"), ("start", "switch", "pause", "resume")])
async def test_so_is_that_where_there_is_nothing_to_undo(webs, api, token, steps):
    error = await same_refusal(webs[0], api, token, play(api, steps), "UNDO", {})
    assert error["code"] == "CONFLICT"


@pytest.mark.parametrize(
    ("frame", "body"),
    [
        ("ADJUST_CLOCK", {"set_ms": -1}),
        ("ADJUST_CLOCK", {"adjust_ms": "5"}),
        ("ADJUST_CLOCK", {"adjust_ms": 1, "reason": ""}),
        ("UNDO", {"reason": "x" * 501}),
        ("ASSIGN_TURN", {}),
        ("ASSIGN_TURN", {"participant_id": None}),
        ("ASSIGN_TURN", {"participant_id": "x"}),
    ],
    ids=str,
)
async def test_a_frame_that_cannot_be_read_is_an_error_with_its_id(webs, api, token, state, frame, body):
    assert of_rest(api, state, frame, body).status_code == 400
    async with screen(webs[0], state["session_id"], token) as alice:
        await alice.send(type=frame, id="bad", **body)
        error = await alice.until("ERROR")
    assert (error["id"], error["code"]) == ("bad", "VALIDATION_ERROR")
    assert done(api.get(at(state)))["version"] == state["version"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_soft_close_of_every_mode_over_a_socket(webs, api, token, mode):
    state = play(api, ("start",), sync_mode=mode, **MODES[mode])
    async with screen(webs[0], state["session_id"], token) as alice:
        await alice.until("CONNECTED")
        await alice.send(type="ADJUST_CLOCK", id=1, at_least_ms=90_000, reason="a bid")
        first = await alice.until("ACK", id=1)
        await alice.send(type="ADJUST_CLOCK", id=2, at_least_ms=MINUTE)
        second = await alice.until("ACK", id=2)
    assert (first["version"], first["data"]["time_remaining_ms"]) == (3, 90_000)
    assert (second["version"], second["data"]["deadline_at"]) == (3, first["data"]["deadline_at"])


async def test_a_member_sees_the_clock_of_its_group_adjusted(webs, api, token):
    team = str(uuid4())
    state = play(api, ("start",), sync_mode="per_group", participants=[seat(group_id=team), seat(group_id=team)])
    async with screen(webs[1], state["session_id"], token) as viewer:
        await viewer.until("CONNECTED")
        await viewer.send(type="ADJUST_CLOCK", id=1, set_ms=90_000)
        update = await viewer.until("STATE_UPDATE")
    assert update["events"][0]["group_id"] == team
    (group,) = update["state"]["groups"]
    assert [group["time_remaining_ms"], *(p["time_remaining_ms"] for p in update["state"]["participants"])] == [
        *(90_000, 90_000, 90_000)
    ]


async def test_what_was_corrected_is_recovered_after_a_reconnect(webs, api, token, state):
    async with screen(webs[0], state["session_id"], token) as viewer:
        first = await viewer.until("CONNECTED")
        done(api.post(at(state, "undo")))
        done(api.patch(at(state, "clock"), json={"set_ms": 30_000}))
        done(api.post(at(state, "turn"), json={"participant_id": seats_of(state)[1]}))
        await viewer.until_version(state["version"] + 3)
        await viewer.send(type="RECONNECT", last_version=state["version"], epoch=first["epoch"])
        sync = await viewer.until("STATE_SYNC")
    assert sync["recovered"] is True
    assert [event["type"] for event in sync["missed"]] == ["cycle.undone", "clock.adjusted", "cycle.assigned"]


async def test_a_participant_corrects_nothing(webs, api, state):
    public = play(api, ("start", "switch"), visibility="public")
    async with screen(webs[0], public["session_id"], mint("bob", is_staff=False)) as bob:
        await bob.until("CONNECTED")
        for number, frame in enumerate(FRAMES):
            await bob.send(type=frame, id=number, **body_of(frame, public))
            assert (await bob.until("ERROR", id=number))["code"] == "FORBIDDEN"
    assert done(api.get(at(public)))["version"] == public["version"]


async def test_many_frames_at_once_are_applied_in_order_each_once(webs, api, token, state):
    """Undo and switch in turn, from two sockets: of each version one command is applied."""
    async with (
        screen(webs[0], state["session_id"], token) as alice,
        screen(webs[1], state["session_id"], token) as bob,
    ):
        for viewer in (alice, bob):
            await viewer.until("CONNECTED")
        for number in range(20):
            await alice.send(type="UNDO", id=f"undo {number}")
            await bob.send(type="SWITCH", id=f"switch {number}")
        answers = [(await answers_of(viewer, 20)) for viewer in (alice, bob)]
    applied = sorted(frame["version"] for frames in answers for frame in frames if frame["type"] == "ACK")
    assert applied == list(range(state["version"] + 1, state["version"] + 1 + len(applied)))
    assert {frame["code"] for frames in answers for frame in frames if frame["type"] == "ERROR"} <= {"CONFLICT"}
    shown = done(api.get(at(state)))
    assert shown["version"] == state["version"] + len(applied)
    used_ms = sum(p["time_used_ms"] for p in shown["participants"])
    assert used_ms == shown["elapsed_ms"] == shown["server_time_ms"] - ms(shown["session_started_at"])


async def answers_of(viewer, count):
    """The answers to so many commands."""
    answers = []
    async with asyncio.timeout(60):
        while len(answers) < count:
            frame = await viewer.receive()
            if frame["type"] in {"ACK", "ERROR"}:
                answers.append(frame)
    return answers
