"""Histories with a purpose each, of time controls, corrections and lag, written like those of `scripts.py`."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial

from synckairos.engine import Refusal
from synckairos.engine.controls.bronstein import Bronstein
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.stages import Stage, Stages, Until
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.time_bank import TimeBank
from synckairos.engine.units import SyncMode, TimeoutAction

CONTROLS = {
    "sudden death": SuddenDeath(main_time_ms=9_000),
    "Fischer": Fischer(main_time_ms=6_000, increment_ms=1_500),
    "Fischer with a cap": Fischer(main_time_ms=6_000, increment_ms=1_500, cap_ms=6_500),
    "Fischer before the first turn": Fischer(main_time_ms=4_000, increment_ms=1_500, increment_before_first_turn=True),
    "Bronstein": Bronstein(main_time_ms=6_000, delay_ms=1_500),
    "Bronstein without base": Bronstein(main_time_ms=0, delay_ms=2_500),
    "delay": Delay(main_time_ms=6_000, delay_ms=1_500),
    "delay without base": Delay(main_time_ms=0, delay_ms=2_500),
    "time bank": TimeBank(main_time_ms=6_000, allowance_ms=1_500),
    "per turn": PerTurn(time_ms=2_500),
    "byo-yomi": ByoYomi(main_time_ms=2_000, periods=3, period_ms=2_000),
    "byo-yomi with increment": ByoYomi(main_time_ms=2_000, periods=2, period_ms=2_000, increment_ms=700),
    "Canadian": Canadian(main_time_ms=2_000, turns=2, period_ms=4_000),
    "hourglass": Hourglass(main_time_ms=4_000),
    "overtime": Overtime(main_time_ms=2_000, max_overtime_ms=6_000, points_per_period=5, penalty_period_ms=1_000),
    "stages by turns": Stages(
        stages=(
            Stage(time_ms=3_000, turns=1, control=Fischer(increment_ms=500)),
            Stage(time_ms=2_000, turns=1, control=Delay(delay_ms=500), carries_over=False),
        )
    ),
    "stages by time": Stages(
        stages=(
            Stage(time_ms=2_000, until=Until.TIME, control=Bronstein(delay_ms=400)),
            Stage(time_ms=1_500, control=ByoYomi(periods=2, period_ms=1_500)),
        )
    ),
}
TEAMS = {"A": "X", "B": "Y", "C": "X"}
COMMON = {
    "per_cycle": {"time_per_cycle_ms": 6_000},
    "global": {"total_time_ms": 6_000},
    "count_up": {"max_time_ms": 6_000},
}
BANKS = {"per_participant": {}, "per_group": {"teams": TEAMS}}


def all_scripts():
    """Return every script by the name of its history."""
    module = sys.modules[__name__]
    named = {
        name.replace("_", " "): script
        for name, script in vars(module).items()
        if getattr(script, "__module__", None) == __name__
        and name not in {"all_scripts", "under_control", "corrected"}
        and not name.startswith("_")
    }
    for name in CONTROLS:
        for action in (TimeoutAction.NOTIFY, TimeoutAction.SKIP_CYCLE, TimeoutAction.END_SESSION):
            named[f"{name}: {action}"] = partial(under_control, name, action, "per_participant")
        named[f"{name} in groups"] = partial(under_control, name, TimeoutAction.NOTIFY, "per_group")
    for mode in SyncMode:
        named[f"{mode}: corrected"] = partial(corrected, mode)
    return named


def _trying(*steps):
    """Do what is not refused."""
    for command, *arguments in steps:
        with suppress(Refusal):
            command(*arguments)


def under_control(name, action, mode, begin):
    """Play turns of many lengths, pause within one, take one back, and go past the ends of clocks."""
    s = begin(
        mode,
        "A B C" if mode == "per_group" and name != "hourglass" else "A B",
        time_control=CONTROLS[name],
        on_timeout={"type": action, "points": -1},
        warn_at=[2_000, 700],
        **BANKS[mode],
    )
    s.start(100)
    for at in (1_100, 2_500, 2_900, 4_400):
        _trying((s.switch, at))
    _trying((s.pause, 5_000), (s.resume, 9_000), (s.switch, 9_300), (s.undo, 9_900), (s.switch, 11_000))
    s.look(13_000)
    _trying((s.switch, 13_500), (s.switch, 15_000), (s.complete, 16_000))
    return s


def corrected(mode, begin):
    """Adjust the clock, take a switch back and assign turns while the session is pending, running and paused."""
    fields = {**BANKS, **COMMON}[mode]
    s = begin(mode, dict.fromkeys("ABC", 6_000), **fields, warn_at=[1_000], on_timeout={"type": "notify"})
    s.assign_turn(100, "C", "drawn by lot")
    s.adjust_clock(200, by=1_500, reason="odds")
    s.assign_turn(300, "B")
    s.start(1_000)
    s.adjust_clock(2_000, at_least=3_000)
    s.adjust_clock(2_000, at_least=7_000, reason="a late bid")
    s.switch(3_000)
    s.undo(3_400, "a slip of the hand")
    s.switch(4_000)
    s.assign_turn(4_500, "A", "it was not his turn")
    s.pause(5_000)
    s.adjust_clock(5_500, by=-500)
    s.assign_turn(5_600, "B")
    s.adjust_clock(5_700, to=2_000)
    s.resume(6_000)
    s.look(9_000)
    s.adjust_clock(9_500, to=1_000, reason="the hall was dark")
    s.look(11_000)
    s.switch(11_200)
    s.adjust_clock(11_300, to=0)
    s.complete(12_000)
    return s


def asymmetric_controls(begin):
    controls = {"A": CONTROLS["byo-yomi"], "B": CONTROLS["Fischer"], "C": CONTROLS["stages by turns"]}
    s = begin("per_participant", dict.fromkeys("ABC"), controls=controls, on_timeout="skip_cycle").start(0)
    for at in (1_000, 2_500, 4_000, 7_000, 8_000, 9_500):
        s.switch(at)
    s.look(40_000)
    return s


def asymmetric_groups(begin):
    controls = {"X": CONTROLS["Canadian"], "Y": CONTROLS["time bank"]}
    s = begin("per_group", dict.fromkeys("ABC"), teams=TEAMS, groups=dict.fromkeys("XY"), controls=controls).start(0)
    for at in (1_000, 2_500, 4_000, 7_000, 8_000):
        s.switch(at)
    s.add(8_500, "D", None, team="Y")
    s.switch(9_000)
    s.look(40_000)
    return s


def newcomers_under_a_control(begin):
    s = begin("per_group", "A B", teams=TEAMS, time_control=CONTROLS["stages by turns"]).start(0)
    s.add(500, "C", None, team="Z")
    s.add(600, "D", 4_000, team="X")
    for at in (1_000, 2_000, 3_000, 4_000):
        s.switch(at)
    return s


def own_banks_under_a_control(begin):
    s = begin("per_participant", {"A": 8_000, "B": None}, time_control=CONTROLS["byo-yomi"]).start(0)
    s.switch(7_000)
    s.switch(9_500)
    s.look(13_000)
    return s


def phases_an_hour_later(begin):
    s = begin(
        "per_participant", "A B", time_control=CONTROLS["byo-yomi"], on_timeout="skip_cycle", warn_at=[500]
    ).start(0)
    s.look(3_600_000)
    return s


def pauses_within_a_period(begin):
    s = begin("per_participant", "A B", time_control=CONTROLS["byo-yomi"]).start(0)
    s.pause(3_000)
    s.resume(60_000)
    s.pause(60_500)
    s.resume(61_000)
    s.switch(61_400)
    return s


def phases_adjusted(begin):
    s = begin("per_participant", "A B", time_control=CONTROLS["byo-yomi"]).start(0)
    s.adjust_clock(1_000, to=0)
    s.adjust_clock(2_000, by=3_000)
    s.adjust(2_500, "B", by=-500)
    s.look(20_000)
    s.adjust_clock(20_000, to=1_500)
    s.switch(21_000)
    return s


def switch_taken_back_beyond_a_phase(begin):
    s = begin("per_participant", {"A": 2_000, "B": 60_000}, time_control=CONTROLS["byo-yomi"]).start(0)
    s.switch(1_000)
    s.undo(5_000)
    s.switch(5_500)
    s.undo(30_000)
    s.switch(31_000)
    return s


def switch_taken_back_beyond_the_end(begin):
    s = begin("per_participant", {"A": 5_000, "B": 60_000}, on_timeout="end_session", increment_ms=500).start(0)
    s.switch(1_000)
    s.undo(9_000)
    return s


def switch_taken_back_in_overtime(begin):
    s = begin("per_participant", {"A": 2_000, "B": 60_000}, time_control=CONTROLS["overtime"]).start(0)
    s.switch(1_000)
    s.undo(12_000)
    s.switch(13_000)
    return s


def turn_of_a_newcomer(begin):
    s = begin("count_up", {}).start(0)
    s.add(1_000, "A")
    s.assign_turn(2_000, "A")
    s.switch(3_000)
    s.undo(3_500)
    s.complete(4_000)
    return s


def _with_lag(begin, control, **fields):
    return begin("per_participant", "A B", time_control=control, lag=True, **fields).start(0)


def lag_that_is_granted_and_not(begin):
    s = _with_lag(begin, SuddenDeath(main_time_ms=600_000))
    for at, think, measured in ((2_000, 1_500, 700), (3_000, None, 90), (5_000, 0, 300), (7_000, 1_000, None)):
        s.switch(at, think_ms=think, measured_ms=measured)
    s.undo(7_500)
    s.switch(8_000, think_ms=2_500, measured_ms=400)
    return s


def lag_in_groups(begin):
    s = begin("per_group", "A B C", teams=TEAMS, time_control=CONTROLS["Bronstein"], lag=True).start(0)
    s.switch(2_000, think_ms=1_500, measured_ms=700)
    s.switch(3_000, think_ms=900, measured_ms=50)
    s.switch(5_000, think_ms=1_900, measured_ms=300)
    return s


def switch_in_time_by_its_lag(begin):
    s = _with_lag(begin, CONTROLS["Fischer"])
    s.switch(6_200, think_ms=5_900, measured_ms=400)
    s.look(20_000)
    return s


def switch_too_late_by_its_lag(begin):
    s = _with_lag(begin, CONTROLS["Fischer"])
    s.switch(6_200, think_ms=6_100, measured_ms=400)
    s.switch(7_000)
    return s


def switch_too_late_by_its_lag_that_skips(begin):
    s = _with_lag(begin, CONTROLS["Fischer"], on_timeout="skip_cycle")
    s.switch(6_200, think_ms=6_100, measured_ms=400)
    s.look(20_000)
    return s


def grace_of_a_last_phase(begin):
    s = _with_lag(begin, CONTROLS["byo-yomi"], on_timeout="end_session")
    s.switch(6_000, think_ms=5_000, measured_ms=200)
    s.look(30_000)
    return s


def time_given_within_the_grace(begin):
    s = _with_lag(begin, CONTROLS["Fischer"])
    s.adjust_clock(6_100, to=3_000)
    s.pause(9_200)
    s.resume(10_000)
    s.look(20_000)
    return s


def hourglass_with_lag(begin):
    s = _with_lag(begin, CONTROLS["hourglass"])
    s.switch(1_000, think_ms=600, measured_ms=300)
    s.adjust(1_500, "A", by=500)
    s.switch(2_000)
    s.undo(2_500)
    s.look(20_000)
    return s
