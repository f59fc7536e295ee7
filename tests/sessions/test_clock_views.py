"""The clocks of a state as they are shown while time passes and nothing happens."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest

from sessions.presentation import present
from synckairos.engine import commands as cmd
from synckairos.engine import create_session, decide, observe
from synckairos.engine.notation import parse
from synckairos.engine.units import SyncMode
from tests.talk import ms

T0 = 1_790_000_000_000
TEAMS = [uuid4(), uuid4()]


def running(text, mode=SyncMode.PER_PARTICIPANT):
    """A session of two clocks with this control, which was started at T0."""
    per_group = mode is SyncMode.PER_GROUP
    create = cmd.Create.of(
        mode,
        tuple(cmd.Seat(uuid4(), None, group_id=team if per_group else None) for team in TEAMS),
        tuple(cmd.GroupBank(team, None) for team in TEAMS) if per_group else (),
        time_control=parse(text),
    )
    pending = create_session(create, session_id=uuid4(), epoch="0000000a", now=T0)
    return decide(pending.state, cmd.Start(), T0).state


def shown(state, after_ms):
    """What a client sees so long after T0."""
    now = T0 + after_ms
    return msgspec.to_builtins(present(observe(state, now).state, now))


@pytest.mark.parametrize("mode", [SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP])
@pytest.mark.parametrize(
    ("after_ms", "points"),
    [(60_000, None), (60_001, 10), (120_000, 10), (120_001, 20), (359_999, 50), (360_000, 50), (900_000, 50)],
)
def test_points_lost_by_overtime_grow_while_it_runs(mode, after_ms, points):
    view = shown(running("60 overtime 300", mode), after_ms)
    owners = [*view["participants"], *view["groups"]]
    assert [owner.get("penalty_points") for owner in owners] == [points, None] * (len(owners) // 2)


@pytest.mark.parametrize("mode", [SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP])
@pytest.mark.parametrize("text", ["60", "60+5", "60+5d", "*60", "60 3x10 byo-yomi", "10 allowance 5", "60 overtime 30"])
@pytest.mark.parametrize("after_ms", [0, 1, 4_999, 5_000, 30_000, 61_000, 75_000, 200_000])
def test_what_is_left_at_a_later_instant_of_the_phase_follows_from_what_was_shown(mode, text, after_ms):
    state = running(text, mode)
    early = shown(state, after_ms)
    seen = 0
    for later_ms in (0, 1, 3_000, 9_999, 50_000):
        late = shown(state, after_ms + later_ms)
        if late["version"] != early["version"]:
            continue  # another phase, which a frame tells
        seen += 1
        for kind in ("participants", "groups"):
            for before, after in zip(early[kind], late[kind], strict=True):
                assert read(before, early["server_time_ms"], late["server_time_ms"]) == after["time_remaining_ms"]
    assert seen


def read(clock, seen_ms, now):
    """What a client reads at an instant from a clock that it has seen at another (docs/clock.md)."""
    if "drains_from" in clock:
        return max(0, ms(clock["deadline_at"]) - max(now, ms(clock["drains_from"])))
    if "gains_from" in clock:
        gained_ms = min(now, ms(clock["deadline_at"])) - max(seen_ms, ms(clock["gains_from"]))
        return clock["time_remaining_ms"] + max(0, gained_ms)
    return clock["time_remaining_ms"]
