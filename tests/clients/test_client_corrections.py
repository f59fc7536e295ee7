"""Corrections by a client: the running clock, a switch undone, the turn assigned; and what screens show of them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from synckairos_client import Api, ApiError
from tests.clients.watching import watching

CORRECTED = ["clock.adjusted"] * 3 + ["cycle.switched", "cycle.undone", "cycle.assigned"]


@pytest.fixture
def players(game):
    return [seat["participant_id"] for seat in game["participants"]]


@pytest.fixture
def made(api, game):
    """Makes a session with these settings, and returns its id."""

    def make(**settings):
        answer = api.post("/v1/sessions", json={**game, **settings})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["session_id"]

    return make


async def test_a_screen_corrects_and_every_screen_shows_it(webs, token, made, players):
    first, second = players
    session_id = made()
    async with watching(webs[0].url, session_id, token) as watcher, watching(webs[1].url, session_id, token) as other:
        screen = watcher.screen
        await screen.start()
        assert (await screen.adjust_clock(set_ms=10_000, reason="arbiter"))["time_remaining_ms"] == 10_000
        assert (await screen.adjust_clock(at_least_ms=500_000))["time_remaining_ms"] == 500_000
        assert (await screen.adjust_clock(adjust_ms=-400_000))["time_remaining_ms"] <= 100_000
        assert (await screen.switch(think_ms=3))["active_participant_id"] == second
        undone = await screen.undo(reason="a slip", expected_version=6)
        assert (undone["active_participant_id"], undone["cycle_number"]) == (first, 0)
        with pytest.raises(ApiError, match="CONFLICT"):
            await screen.undo()
        assigned = await screen.assign_turn(second, reason="colours were wrong")
        assert assigned["active_participant_id"] == second
        for one in (watcher, other):
            await one.until_version(8)
            assert [event["type"] for event in one.events][1:] == CORRECTED
            assert one.events[1]["reason"] == "arbiter"
            assert one.events[3]["by_ms"] == -400_000
            assert 60_000 < one.screen.remaining_ms(first) <= 100_000
            assert one.screen.clock(second).is_draining


async def test_the_same_over_rest(webs, token, made, players):
    first, second = players
    session_id = made()
    async with Api(webs[0].url, token) as api:
        assert (await api.assign_turn(session_id, second))["version"] == 2  # opens the game
        assert (await api.start(session_id))["active_participant_id"] == second
        assert (await api.adjust_clock(session_id, set_ms=10_000, reason="arbiter"))["time_remaining_ms"] == 10_000
        assert (await api.adjust_clock(session_id, at_least_ms=5_000))["version"] == 4  # it has more
        assert (await api.adjust_clock(session_id, adjust_ms=70_000))["time_remaining_ms"] > 70_000
        assert (await api.switch(session_id, think_ms=3))["active_participant_id"] == first
        assert (await api.undo(session_id, reason="a slip"))["active_participant_id"] == second
        with pytest.raises(ApiError) as wrong:
            await api.adjust_clock(session_id)
        assert [detail["field"] for detail in wrong.value.details] == ["adjust_ms"]
        with pytest.raises(ApiError, match="CONFLICT"):
            await api.assign_turn(session_id, first, expected_version=1)


async def test_phases_are_shown_and_the_time_in_them(webs, token, made, players):
    first, second = players
    async with watching(webs[0].url, made(time_control="5x30 byo-yomi"), token) as watcher:
        screen = watcher.screen
        await screen.start()
        await screen.adjust_clock(set_ms=0)
        await watcher.until_version(4)  # the phase has changed at that instant
        running, waiting = screen.clock(first), screen.clock(second)
        assert (running.phase, running.periods_left, running.is_draining) == ("byo_yomi", 5, True)
        assert running.remaining_ms <= 30_000
        assert (waiting.phase, waiting.remaining_ms, waiting.is_draining) == ("main", 60_000, False)


async def test_a_lead_in_is_shown_before_the_clock_drains(webs, token, made, players):
    async with watching(webs[0].url, made(time_control="60+3600d"), token) as watcher:
        await watcher.screen.start()
        await watcher.until_version(2)
        shown = watcher.screen.clock(players[0])
        assert shown.remaining_ms == 60_000 == watcher.screen.remaining_ms()
        assert 0 < shown.lead_in_ms <= 3_600_000
        assert not shown.is_draining


async def test_a_group_has_a_clock(webs, api, token):
    teams = [str(uuid4()), str(uuid4())]
    seats = [{"participant_id": str(uuid4()), "group_id": team} for team in teams]
    groups = [{"group_id": team} for team in teams]
    body = {"sync_mode": "per_group", "participants": seats, "groups": groups, "time_control": "*180"}
    session_id = api.post("/v1/sessions", json=body).json()["data"]["session_id"]
    async with watching(webs[0].url, session_id, token) as watcher:
        screen = watcher.screen
        await screen.start()
        await watcher.until_version(2)
        draining, gaining = (screen.group_clock(team) for team in teams)
        assert draining.is_draining
        assert gaining.is_gaining
        assert draining.remaining_ms <= 180_000 <= gaining.remaining_ms
        await screen.pause()
        await watcher.until_version(3)
        assert sum(screen.group_clock(team).remaining_ms for team in teams) == 360_000


async def test_a_switch_says_for_how_long_the_turn_was_on_the_screen(webs, token, made):
    session_id = made(lag_compensation=True)
    async with watching(webs[0].url, session_id, token) as watcher:
        screen = watcher.screen
        assert screen.think_ms() is None
        await screen.start()
        await watcher.until_version(2)
        think_ms = screen.think_ms()
        await screen.switch(think_ms=think_ms)
        await watcher.until_version(3)
        event = watcher.events[-1]
        assert event["type"] == "cycle.switched"
        assert event["lag"]["claimed_ms"] == max(0, event["turn_ms"] - think_ms)
        assert screen.state["participants"][0]["lag"]["granted_ms"] >= 0
