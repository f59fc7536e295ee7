"""Histories with a purpose each: its name says what happens in it. Instants are milliseconds after the creation."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial

from synckairos.engine import Refusal
from synckairos.engine import commands as cmd
from synckairos.engine.state import Access
from synckairos.engine.units import SyncMode, TimeoutAction, Visibility
from tests.synckairos.engine.conftest import id_of
from tests.synckairos.engine.golden.record import BASE_MS

SHORT = {"A": 5_000, "B": 5_000}
THREE = {"A": 5_000, "B": 5_000, "C": 5_000}
TEAMS = {"A": "X", "B": "Y", "C": "X"}
CROWD = [f"P{number}" for number in range(1, 21)]


def all_scripts():
    """Return every script by the name of its history."""
    module = sys.modules[__name__]
    named = {
        name.replace("_", " "): script
        for name, script in vars(module).items()
        if getattr(script, "__module__", None) == __name__
        and name not in {"all_scripts", "every_action", "every_end"}
        and not name.startswith("_")
    }
    for mode in SyncMode:
        for action in TimeoutAction:
            for advance in (False, True):
                name = f"{mode}: {action}{' with auto_advance' if advance else ''}"
                named[name] = partial(every_action, mode, action, advance)
        for end in ("cancel", "delete", "abandon"):
            named[f"{mode}: {end}"] = partial(every_end, mode, end)
    return named


def every_action(mode, action, advance, begin):
    """Go past the ends of clocks in a session of three, with a pause and with warnings."""
    s = begin(
        mode,
        dict.fromkeys("ABC", 6_000),
        teams=TEAMS if mode is SyncMode.PER_GROUP else {},
        on_timeout={"type": action, "action": "fold", "penalty": {"points": -1}},
        auto_advance=advance,
        increment_ms=700 if mode in {SyncMode.PER_PARTICIPANT, SyncMode.PER_GROUP} else 0,
        time_per_cycle_ms=4_000,
        total_time_ms=14_000,
        max_time_ms=14_000,
        warn_at=[3_000, 1_000],
    )
    s.start(1_000)
    s.switch(2_500)
    s.pause(4_000)
    s.resume(9_000)
    s.look(16_000)
    for command, at in ((s.switch, 18_000), (s.pause, 19_500), (s.resume, 20_000), (s.switch, 21_000)):
        with suppress(Refusal):
            command(at)
    s.look(31_000)
    with suppress(Refusal):
        s.complete(33_000)
    return s


def every_end(mode, end, begin):
    """End a session that is paused in its second cycle, after a change of its people and their rights."""
    teams = TEAMS if mode is SyncMode.PER_GROUP else {}
    s = begin(mode, THREE, teams=teams, time_per_cycle_ms=4_000, total_time_ms=14_000, metadata={"room": end})
    s.start(1_000)
    s.assign(1_500, "B", "bob")
    s.switch(2_500)
    s.revoke(3_000, "one")
    s.pause(4_000)
    getattr(s, end)(9_000)
    return s


def increments_earned_in_time(begin):
    s = begin("per_participant", SHORT, increment_ms=2_000).start(0)
    s.switch(1_500)
    s.switch(1_500)
    s.switch(6_400)
    s.complete(7_000)
    return s


def increment_earned_one_millisecond_before_the_end(begin):
    s = begin("per_participant", SHORT, increment_ms=2_000).start(0)
    s.switch(4_999)
    return s


def increment_not_earned_at_exactly_0(begin):
    s = begin("per_participant", SHORT, increment_ms=2_000).start(0)
    s.switch(5_000)
    s.switch(6_000)
    s.switch(7_000)
    return s


def increment_not_earned_after_the_end(begin):
    s = begin("per_participant", SHORT, increment_ms=2_000, metadata={"game": "blitz ♞"}).start(0)
    s.switch(6_500)
    s.switch(9_000)
    s.pause(9_500)
    return s


def increment_of_a_group(begin):
    s = begin("per_group", THREE, teams=TEAMS, increment_ms=900).start(0)
    s.switch(1_000)
    s.switch(3_000)
    s.switch(3_500, "A")
    s.switch(9_999)
    return s


def pauses_within_a_turn(begin):
    s = begin("per_participant", SHORT, increment_ms=500, warn_at=[2_000]).start(100)
    s.pause(1_100)
    s.resume(60_000)
    s.pause(61_500)
    s.resume(61_500)
    s.switch(63_000)
    return s


def pauses_in_overtime(begin):
    s = begin("per_participant", SHORT, on_timeout="notify").start(0)
    s.pause(6_000)
    s.resume(20_000)
    s.pause(21_500)
    s.resume(22_000)
    s.switch(22_250)
    s.cancel(23_000)
    return s


def paused_at_the_instant_of_the_end(begin):
    s = begin("per_cycle", "A B", time_per_cycle_ms=3_000).start(0)
    s.pause(3_000)
    s.resume(4_000)
    s.switch(5_000)
    s.pause(6_000)
    s.complete(9_000)
    return s


def warnings_and_those_that_are_skipped(begin):
    s = begin("per_participant", {"A": 10_000, "B": 2_500}, warn_at=[10_000, 5_000, 3_000, 1_000, 0]).start(0)
    s.switch(6_000)
    s.switch(8_000)
    s.adjust(8_100, "A", to=900)
    s.adjust(8_200, "A", to=9_000)
    s.look(30_000)
    return s


def warnings_of_a_group(begin):
    s = begin("per_group", THREE, groups={"X": 9_000, "Y": 2_000}, teams=TEAMS, warn_at=[4_000, 2_000]).start(0)
    s.switch(5_500)
    s.switch(6_500)
    s.look(40_000)
    return s


def scheduled_start(begin):
    s = begin("per_participant", SHORT, start_at_ms=BASE_MS + 4_000, opener="B", warn_at=[1_000])
    s.look(3_999)
    s.look(6_000)
    s.switch(7_000)
    return s


def scheduled_start_in_the_past(begin):
    s = begin("per_participant", SHORT, start_at_ms=BASE_MS - 4_000, warn_at=[5_000])
    s.switch(1_000)
    return s


def scheduled_start_and_an_earlier_command(begin):
    s = begin("per_cycle", "A B", time_per_cycle_ms=9_000, start_at_ms=BASE_MS + 5_000)
    s.start(2_000)
    s.switch(6_000)
    return s


def adjustments_of_a_running_clock(begin):
    s = begin("per_participant", SHORT, warn_at=[2_000]).start(0)
    s.adjust(1_000, "A", by=3_000, reason="connection lost")
    s.adjust(2_000, "A", by=-60_000)
    s.adjust(3_000, "A", to=100_000_000)
    s.adjust(4_000, "B", to=1_000)
    s.adjust(4_500, "B", by=250)
    s.switch(5_000)
    return s


def adjustments_while_pending_and_paused(begin):
    s = begin("per_participant", SHORT)
    s.adjust(500, "B", by=-1_000)
    s.start(1_000)
    s.pause(2_000)
    s.adjust(3_000, "A", by=1_500)
    s.adjust(3_500, "A", to=0)
    s.resume(4_000)
    s.switch(4_600)
    return s


def expired_clocks_revived(begin):
    s = begin("per_participant", SHORT, on_timeout="notify", increment_ms=300, warn_at=[1_000]).start(0)
    s.adjust(6_000, "A", to=2_000, reason="arbiter")
    s.switch(7_000)
    s.pause(13_000)
    s.adjust(14_000, "B", by=4_000)
    s.resume(15_000)
    s.switch(16_000)
    return s


def expired_group_revived(begin):
    s = begin("per_group", THREE, teams=TEAMS, on_timeout="skip_cycle").start(0)
    s.look(5_500)
    s.adjust(6_000, "C", to=3_000)
    s.adjust(6_500, "B", by=-1_000)
    s.switch(7_000)
    s.adjust(7_500, "A", by=1_000)
    s.look(30_000)
    return s


def participants_added(begin):
    s = begin("per_participant", SHORT, indexes={"A": 10, "B": 20})
    s.add(100, "C", 7_000, index=15)
    s.start(200)
    s.add(300, "D", 7_000, index=0)
    s.switch(1_000)
    s.pause(2_000)
    s.do(cmd.AddParticipant(cmd.Seat(id_of("Z"), 1_000, None, None, "zoe")), 3_000)
    s.resume(4_000)
    s.switch(5_000)
    s.switch(6_000)
    return s


def members_added_to_groups(begin):
    s = begin("per_group", SHORT, teams=TEAMS, on_timeout="skip_cycle").start(0)
    s.look(5_200)
    s.add(5_300, "C", 9_000, team="X")
    s.add(5_400, "D", 9_000, team="Y")
    s.add(5_500, "Z", 3_000, team="Z")
    s.switch(6_000)
    s.switch(6_500)
    s.look(30_000)
    return s


def seats_assigned(begin):
    s = begin("per_participant", SHORT, access=Access("alice", Visibility.LINK, ("pause", "adjust_time"))).start(0)
    s.assign(1_000, "A", "carol", "Ada had to leave.")
    s.assign(1_100, "A", "carol")
    s.assign(1_200, "A")
    s.complete(2_000)
    s.assign(3_000, "B", "dora")
    return s


def access_revoked(begin):
    s = begin("per_cycle", "A B", time_per_cycle_ms=9_000, access=Access("alice", Visibility.PUBLIC)).start(0)
    s.revoke(1_000, "one")
    s.revoke(1_500, "two")
    s.revoke(2_000, "three")
    s.switch(2_500)
    s.revoke(3_000)
    s.cancel(4_000)
    s.revoke(5_000, "four")
    return s


def ended_by_delete(begin):
    s = begin("per_participant", SHORT).start(0)
    s.switch(1_000)
    s.delete(2_500)
    return s


def deleted_after_its_end(begin):
    s = begin("global", "A B", total_time_ms=9_000).start(0)
    s.complete(2_500)
    s.delete(7_000)
    return s


def cancelled_while_pending(begin):
    s = begin("per_participant", SHORT, start_at_ms=BASE_MS + 5_000)
    s.cancel(1_000)
    return s


def completed_while_paused(begin):
    s = begin("per_group", THREE, teams=TEAMS).start(0)
    s.pause(1_000)
    s.complete(9_000)
    return s


def completed_in_overtime(begin):
    s = begin("per_participant", SHORT).start(0)
    s.complete(6_000)
    return s


def abandoned_while_paused(begin):
    s = begin("per_participant", SHORT).start(0)
    s.pause(1_000)
    s.abandon(5_184_001_000)
    return s


def abandoned_while_counting(begin):
    s = begin("count_up", "A").start(0)
    s.abandon(2_592_000_000)
    return s


def switches_to_named_participants(begin):
    s = begin("per_participant", THREE, increment_ms=400, opener="C").start(0)
    s.switch(1_000, "B", claim="C")
    s.switch(2_000, "B")
    s.switch(3_000, "A", by=frozenset({id_of("B")}))
    s.switch(4_000)
    s.switch(5_000, "B", expected_version=s.version)
    return s


def rotation_passes_over_expired_clocks(begin):
    s = begin("per_participant", {"A": 2_000, "B": 9_000, "C": 1_000}, on_timeout="skip_cycle").start(0)
    s.switch(3_000)
    s.switch(3_500)
    s.switch(3_600, "A")
    s.switch(4_000)
    s.switch(5_000)
    s.look(40_000)
    return s


def switch_when_no_clock_is_left(begin):
    s = begin("per_participant", SHORT, on_timeout={"type": "auto_action"}, auto_advance=True).start(0)
    s.look(4_000)
    s.adjust(4_000, "B", to=0)
    s.look(6_000)
    return s


def command_to_switch_when_no_clock_is_left(begin):
    s = begin("per_participant", SHORT, auto_advance=True, on_timeout="skip_cycle")
    s.adjust(0, "B", to=0)
    s.start(0)
    s.switch(1_000)
    s.adjust(1_000, "A", to=0)
    s.look(2_000)
    return s


def one_participant(begin):
    s = begin("per_participant", {"A": 4_000}, increment_ms=1_000).start(0)
    s.switch(1_000)
    s.switch(3_000, "A")
    s.switch(9_000)
    return s


def one_participant_whose_cycles_skip(begin):
    s = begin("per_cycle", "A", time_per_cycle_ms=6_000, on_timeout="skip_cycle", warn_at=[1_000]).start(0)
    s.look(20_000)
    s.switch(21_000)
    return s


def winner_of_two(begin):
    s = begin("per_participant", SHORT, on_timeout={"type": "end_session", "result": "1-0"}, increment_ms=50).start(0)
    s.switch(1_000)
    s.look(9_000)
    return s


def winner_of_two_groups(begin):
    s = begin("per_group", THREE, teams=TEAMS, on_timeout="end_session").start(0)
    s.switch(1_000)
    s.switch(2_000)
    s.look(9_000)
    return s


def no_winner_of_three(begin):
    s = begin("per_participant", THREE, on_timeout="end_session").start(0)
    s.look(9_000)
    return s


def banks_of_nothing(begin):
    s = begin("per_participant", {"A": 0, "B": 0, "C": 2_000}, on_timeout="skip_cycle").start(0)
    s.look(9_000)
    return s


def group_without_members(begin):
    s = begin("per_group", SHORT, groups={"X": 5_000, "Y": 4_000, "Z": 3_000}, teams=TEAMS, on_timeout="end_session")
    s.start(0)
    s.switch(500)
    s.look(9_000)
    return s


def global_without_participants(begin):
    s = begin("global", {}, total_time_ms=8_000, warn_at=[2_000]).start(0)
    s.switch(2_000)
    s.pause(3_000)
    s.add(3_500, "A")
    s.resume(4_000)
    s.switch(5_000)
    s.switch(12_000)
    s.complete(13_000)
    return s


def global_clock_past_its_end(begin):
    s = begin("global", "A B C", total_time_ms=60_000).start(0)
    s.switch(20_000)
    s.switch(50_000)
    s.pause(65_000)
    s.resume(66_000)
    s.switch(67_000)
    return s


def counting_up_without_end(begin):
    s = begin("count_up", "A B", warn_at=[500]).start(0)
    s.switch(4_000)
    s.pause(5_000)
    s.resume(9_000)
    s.switch(86_400_000)
    return s


def counting_up_without_participants(begin):
    s = begin("count_up", {}, max_time_ms=5_000, warn_at=[1_000], on_timeout="end_session").start(0)
    s.pause(1_000)
    s.resume(2_000)
    s.look(9_000)
    return s


def clock_of_the_store_steps_back(begin):
    s = begin("per_participant", SHORT, at=3_000).start(2_000)
    s.switch(5_000)
    s.switch(4_000)
    s.pause(1_000)
    return s


def _crowd(begin, mode, **fields):
    return begin(mode, dict.fromkeys(CROWD, 3_000), indexes={name: 3 * i for i, name in enumerate(CROWD)}, **fields)


def twenty_participants(begin):
    s = _crowd(begin, "per_participant", on_timeout="skip_cycle", increment_ms=250, opener="P18")
    s.start(0)
    s.switch(1_000)
    s.switch(1_800, "P7")
    s.look(6_000)
    s.adjust(6_500, "P9", by=2_000)
    s.complete(7_000)
    return s


def twenty_participants_in_cycles(begin):
    s = _crowd(begin, "per_cycle", time_per_cycle_ms=15_000, on_timeout="auto_action", auto_advance=True)
    s.start(0)
    s.switch(2_000)
    s.look(40_000)
    return s


def twenty_members_of_four_groups(begin):
    s = _crowd(begin, "per_group", teams={name: "WXYZ"[i % 4] for i, name in enumerate(CROWD)}, increment_ms=100)
    s.start(0)
    s.switch(1_000)
    s.switch(1_500, "P19")
    s.switch(6_000)
    return s
