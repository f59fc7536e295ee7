"""Histories made by the engine, the outbox entries they leave, and what the audit's tables say."""

from __future__ import annotations

from uuid import uuid4

from audit.drain import drain_all
from audit.models import SyncEvent, SyncParticipant, SyncSession
from audit.retention_role import retention
from sessions.services.commits import _changed
from sessions.services.outcome import Caller
from synckairos import outbox
from synckairos.auth.principal import Principal
from synckairos.engine import commands as cmd
from synckairos.engine import create_session, decide
from synckairos.engine.units import SyncMode
from synckairos.redis import client as redis_client
from synckairos.redis import keys

T0 = 1_790_000_000_000
ALICE = Caller(principal=Principal("alice", is_staff=True, expires_s=2**40), request_id="r-1")


def creation(seats=2, **fields):
    given = {"sync_mode": SyncMode.PER_PARTICIPANT, "warning_thresholds_ms": (10_000,), "metadata": {"game": "chess"}}
    return cmd.Create.of(
        participants=tuple(cmd.Seat(uuid4(), 60_000, user_id=f"u{n}") for n in range(seats)), **given | fields
    )


class History:
    """A session and the outbox entry of each of its commits."""

    def __init__(self, create=None, session_id=None, epoch="00000001", at=T0):
        made = create_session(create or creation(), session_id=session_id or uuid4(), epoch=epoch, now=at)
        self.entries, self.now = [], at
        self._keep(None, made, "alice")

    def do(self, command, after_ms=1_000, principal="bob"):
        before, self.now = self.state, self.now + after_ms
        self._keep(before, decide(before, command, self.now), principal)
        return self

    def played(self, commits):
        """Started and switched, until there are that many commits."""
        self.do(cmd.Start())
        while len(self.entries) < commits:
            self.do(cmd.Switch(), 10)
        return self

    def _keep(self, before, decision, principal):
        self.state = decision.state
        self.entries.append(
            outbox.Entry(
                session_id=self.state.session_id,
                epoch=self.state.epoch,
                since_version=0 if before is None else before.version,
                version=self.state.version,
                committed_ms=self.now + 5,
                principal=principal,
                request_id="r-1",
                command_id=b"12345678",
                events=decision.events,
                summary=outbox.summarise(self.state),
                participants=_changed(before, self.state),
                due=decision.due,
                late=decision.late,
                format=outbox.FORMAT,
            )
        )


def full_history(**fields):
    """Every kind of commit, up to the end."""
    history = History(creation(3, **fields))
    for command, after_ms in [
        *((cmd.Start(), 500), (cmd.Switch(), 2_000), (cmd.Pause(), 700), (cmd.Resume(), 9_000)),
        (cmd.AddParticipant(cmd.Seat(uuid4(), 30_000)), 10),
        (cmd.AdjustTime(history.state.participants[0].participant_id, adjust_ms=5_000, reason="lag"), 10),
        (cmd.AssignSeat(history.state.participants[1].participant_id, "carol", "Bob had to leave."), 10),
        *((cmd.Switch(), 300), (cmd.UndoSwitch("a slip"), 200), (cmd.AdjustClock(adjust_ms=-2_000, reason="late"), 10)),
        *((cmd.AdjustClock(at_least_ms=58_000), 10), (cmd.AdjustClock(set_ms=57_000), 10)),
        (cmd.AssignTurn(history.state.participants[2].participant_id, "It is hers."), 10),
        (cmd.AssignTurn(history.state.participants[1].participant_id), 10),
        *((cmd.Switch(), 55_000), (cmd.Switch(), 70_000), (cmd.Complete(), 1_000)),
    ]:
        history.do(command, after_ms)
    return history


def post(*entries):
    """Put entries, or whatever bytes, on the outbox of shard 0."""
    pipe = redis_client.blocking_client().pipeline(transaction=False)
    for entry in entries:
        pipe.xadd(keys.outbox(0), {"e": entry if isinstance(entry, bytes) else outbox.encode(entry)})
    return pipe.execute()


def waiting():
    """How many entries the outbox holds."""
    return redis_client.blocking_client().xlen(keys.outbox(0))


def drained():
    """Drain as beat would, until the outbox is empty: a slow disk may interrupt one drain, as a lost reply does."""
    for _ in range(5):
        drain_all()
        if not waiting():
            return
    raise AssertionError(f"{waiting()} entries are still in the outbox")


def refused():
    """How often each entry that is to be tried again was refused."""
    streams = {times: keys.outbox_refused(0, times) for times in range(1, keys.MAX_DATABASE_REFUSALS + 1)}
    return [times for times, stream in streams.items() for _ in range(redis_client.blocking_client().xlen(stream))]


def newer():
    """How many entries wait for a worker of a newer release."""
    return redis_client.blocking_client().xlen(keys.outbox_newer(0))


def dead():
    """The fields of all entries set aside."""
    return [fields for _, fields in redis_client.blocking_client().xrange(keys.outbox_dead(0))]


def tables():
    """Everything written, without what the database numbers."""
    key = ("session__session_id", "session__epoch")
    own = [f.name for f in SyncSession._meta.fields if f.name != "id"]
    events = [f.name for f in SyncEvent._meta.fields if f.name not in {"id", "session"}]
    seats = [f.name for f in SyncParticipant._meta.fields if f.name not in {"id", "session"}]
    return (
        list(SyncSession.objects.order_by("session_id", "epoch").values(*own)),
        list(SyncEvent.objects.order_by(*key, "sequence").values(*key, *events)),
        list(SyncParticipant.objects.order_by(*key, "participant_id").values(*key, *seats)),
    )


def clear():
    """Empty the tables."""
    with retention():
        SyncSession.objects.all().delete()
