"""A session driven by a script, for tests that read like the worked vectors of docs/clock.md."""

from uuid import NAMESPACE_OID, UUID, uuid5

import pytest

from synckairos.engine import (
    abandon,
    create_session,
    decide,
    next_deadline,
    observe,
    read,
    replay,
    restore,
    seats_left_ms,
)
from synckairos.engine import commands as cmd
from synckairos.engine.controls import MAIN
from synckairos.engine.units import OutagePolicy, SyncMode

NAMES = "ABCDXYZ"


def id_of(name):
    return None if name is None else uuid5(NAMESPACE_OID, name)


def creation(
    mode,
    seats="A B",
    *,
    indexes=None,
    teams=None,
    groups=None,
    controls=None,
    on_timeout=None,
    warn_at=(),
    opener=None,
    time_control=None,
    lag=False,
    **fields,
):
    """A creation; `seats` names participants, with banks when it is a dict, and `teams` puts them in groups.

    `controls` are the time controls of single participants or groups. `lag` asks for its compensation.
    """
    indexes, teams, groups, controls = indexes or {}, teams or {}, groups or {}, controls or {}
    bank_ms = 60_000 if time_control is None or time_control.main_ms is None else None
    banks = seats if isinstance(seats, dict) else dict.fromkeys(seats.split(), bank_ms)
    action = {"type": on_timeout} if isinstance(on_timeout, str) else on_timeout
    return cmd.Create.of(
        sync_mode=SyncMode(mode),
        participants=tuple(
            cmd.Seat(id_of(name), bank_ms, indexes.get(name), id_of(teams.get(name)), time_control=controls.get(name))
            for name, bank_ms in banks.items()
        ),
        groups=tuple(cmd.GroupBank(id_of(name), bank_ms, controls.get(name)) for name, bank_ms in groups.items()),
        action_on_timeout=action,
        warning_thresholds_ms=tuple(warn_at),
        active_participant_id=id_of(opener),
        time_control=time_control,
        compensates_lag=lag,
        **fields,
    )


class Session:
    """The current state, the names its ids stand for, and every event so far."""

    def __init__(self, create, at):
        made = create_session(create, session_id=UUID(int=1), epoch="e1", now=at)
        self.state, self.events = made.state, list(made.events)
        self.names = {id_of(name): name for name in NAMES}

    def name(self, identity):
        return None if identity is None else self.names[UUID(str(identity))]

    def do(self, command, at):
        decision = decide(self.state, command, at)
        self.state = decision.state
        self.events += decision.events
        return decision

    def look(self, at):
        decision = observe(self.state, at)
        self.state = decision.state
        self.events += decision.events
        return decision

    def start(self, at=0, **guards):
        self.do(cmd.Start(**guards), at)
        return self

    def pause(self, at, **guards):
        return self.do(cmd.Pause(**guards), at)

    def resume(self, at, **guards):
        return self.do(cmd.Resume(**guards), at)

    def complete(self, at, **guards):
        return self.do(cmd.Complete(**guards), at)

    def cancel(self, at, **guards):
        return self.do(cmd.Cancel(**guards), at)

    def delete(self, at, **guards):
        return self.do(cmd.Delete(**guards), at)

    def switch(self, at, to=None, *, claim=None, **guards):
        return self.do(cmd.Switch(id_of(to), id_of(claim), **guards), at)

    def add(self, at, name, bank_ms=60_000, *, team=None, index=None, **guards):
        return self.do(cmd.AddParticipant(cmd.Seat(id_of(name), bank_ms, index, id_of(team)), **guards), at)

    def restore(self, at, policy="charge", *, began=None):
        decision = restore(self.state, at, epoch="e2", policy=OutagePolicy(policy), outage_began_ms=began)
        self.state = decision.state
        self.events += decision.events
        return decision

    def adjust(self, at, name, *, by=None, to=None, reason=None, **guards):
        return self.do(cmd.AdjustTime(id_of(name), to, by, reason, **guards), at)

    def adjust_clock(self, at, *, by=None, to=None, at_least=None, reason=None, **guards):
        return self.do(cmd.AdjustClock(by, to, at_least, reason, **guards), at)

    def undo(self, at, reason=None, **guards):
        return self.do(cmd.UndoSwitch(reason, **guards), at)

    def assign_turn(self, at, name, reason=None, **guards):
        return self.do(cmd.AssignTurn(id_of(name), reason, **guards), at)

    def assign(self, at, name, user_id="", reason=None, **guards):
        return self.do(cmd.AssignSeat(id_of(name), user_id, reason, **guards), at)

    def revoke(self, at, token_id=None, longest_ms=1_000, **guards):
        return self.do(cmd.RevokeAccess(longest_ms, token_id, **guards), at)

    def grant(self, at, token_id, role, name=None, longest_ms=3_000):
        return self.do(cmd.GrantAccess(role, token_id, at + longest_ms, id_of(name)), at)

    def abandon(self, at):
        decision = abandon(self.state, at, idle_since_ms=self.state.updated_ms)
        self.state = decision.state
        self.events += decision.events
        return decision

    @property
    def version(self):
        return self.state.version

    @property
    def status(self):
        return self.state.status.value

    @property
    def active(self):
        seat = self.state.active_participant
        return None if seat is None else self.name(seat.participant_id)

    @property
    def order(self):
        return "".join(self.name(seat.participant_id) for seat in self.state.participants)

    @property
    def deadline(self):
        due = next_deadline(self.state)
        return None if due is None else (due.kind.value, due.at_ms)

    def seat(self, name):
        return self.state.participants[self.state.position_of(id_of(name))]

    def read(self, at):
        return read(self.state, at)

    def left(self, name, at):
        """Time left for one participant as every screen derives it."""
        position = self.state.position_of(id_of(name))
        return seats_left_ms(self.state, self.read(at).stretch_ms)[position]

    def used(self, name, at):
        running = self.read(at).stretch_ms if self.active == name else 0
        return self.seat(name).time_used_ms + running

    def bank(self, team):
        return next(group for group in self.state.groups if group.group_id == id_of(team))

    def progress(self, name):
        return self.seat(name).progress or MAIN

    def happened(self, *kinds):
        """(event name, instant) of all events after creation, or of the kinds named."""
        return [(e.name, e.at_ms) for e in self.events[1:] if not kinds or e.name in kinds]

    def last(self, kind):
        return next(event for event in reversed(self.events) if event.name == kind)

    def replayed(self):
        return replay(self.events)


@pytest.fixture
def session():
    """Makes a session in `pending`; `at` is the instant of its creation."""

    def make(mode, seats="A B", *, at=0, **fields):
        return Session(creation(mode, seats, **fields), at)

    return make


@pytest.fixture
def create():
    return creation


@pytest.fixture
def ident():
    return id_of
