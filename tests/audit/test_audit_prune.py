"""Retention: sessions that ended long ago are removed whole, and what comes late does not bring them back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit import pruning, selectors
from audit.holds import set_hold
from audit.models import SyncCommit, SyncEvent, SyncHold, SyncParticipant, SyncPruned, SyncSession
from audit.verification import verify
from synckairos.engine import commands as cmd
from tests.outboxes import T0, History, dead, drained, post

pytestmark = pytest.mark.django_db
YEAR_MS = 365 * 86_400_000
NOW = T0 + 2 * YEAR_MS
"""Instant at which these tests prune what is older than a year."""


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    moment = timezone.now().replace(microsecond=0)
    moment += timedelta(milliseconds=NOW - int(moment.timestamp() * 1000))
    monkeypatch.setattr(timezone, "now", lambda: moment)


def ended(at=T0, **fields):
    return History(at=at, **fields).do(cmd.Start()).do(cmd.Switch()).do(cmd.Complete())


def written(*histories):
    for history in histories:
        post(*history.entries)
    drained()


def prune(*options):
    call_command("audit_prune", "--older-than", "365d", "--by", "ops", *options)


def left():
    return set(SyncSession.objects.values_list("session_id", flat=True))


def test_a_session_that_ended_long_ago_goes_with_all_its_rows_and_leaves_a_tombstone(capsys):
    old, recent, live = ended(), ended(at=NOW - YEAR_MS + 60_000), History().do(cmd.Start())
    written(old, recent, live)
    prune()
    assert left() == {recent.state.session_id, live.state.session_id}
    assert not SyncEvent.objects.filter(session__session_id=old.state.session_id)
    assert SyncParticipant.objects.count() == 4
    [stone] = SyncPruned.objects.all()
    assert (stone.session_id, stone.epoch, stone.version) == (old.state.session_id, old.state.epoch, old.state.version)
    assert (stone.pruned_by, stone.pruned_at) == ("ops", timezone.now())
    # 4 events, 4 commits, 2 participants
    assert "removed: 1 sessions, 10 other rows; under legal hold: 0" in capsys.readouterr().out


def test_a_tombstone_has_the_last_digest_of_the_chain(real):
    state = real(cmd.Create.of(sync_mode="per_participant", participants=(cmd.Seat(uuid4(), 60_000),)))
    real(state.session_id, cmd.Cancel())
    drained()
    last = SyncCommit.objects.order_by("-version").first()
    SyncSession.objects.update(completed_at=timezone.now() - timedelta(days=400))
    prune()
    assert bytes(SyncPruned.objects.get().digest) == bytes(last.digest)
    assert not left()


def test_a_deleted_session_goes_too():
    written(History().do(cmd.Start()).do(cmd.Delete()))
    prune()
    assert not left()


def test_a_dry_run_counts_and_removes_nothing(capsys):
    written(ended(), ended())
    prune("--dry-run", "--batch", "1")
    assert "would be removed: 2 sessions, 20 other rows" in capsys.readouterr().out
    assert len(left()) == 2
    assert not SyncPruned.objects.exists()


def test_a_session_under_legal_hold_stays_until_it_is_released(capsys):
    old = ended()
    written(old)
    session_id = old.state.session_id
    call_command("audit_hold", str(session_id), "--reason", "appeal 7", "--by", "arbiter")
    prune()
    assert "under legal hold: 1" in capsys.readouterr().out
    assert left() == {session_id}
    call_command("audit_hold", str(session_id), "--release", "--reason", "decided", "--by", "arbiter")
    prune()
    assert not left()
    decisions = SyncHold.objects.order_by("pk").values_list("session_id", "is_held", "reason", "by")
    assert list(decisions) == [(session_id, True, "appeal 7", "arbiter"), (session_id, False, "decided", "arbiter")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--reason", "x"), "no such session"),
        (("--release", "--reason", "x"), "no such session"),
        (("--reason", " "), "1 to 512"),
        (("--reason", "x", "--by", "timekeeper"), "--by must be a name"),
        (("--reason", "x", "--by", "operator"), "--by must be a name"),
    ],
    ids=["unknown", "unknown-release", "no-reason", "bad-name", "reserved-name"],
)
def test_a_hold_that_cannot_be_is_refused(options, message):
    with pytest.raises(CommandError, match=message):
        call_command("audit_hold", str(uuid4()), *options)


def test_a_hold_that_is_there_already_is_refused():
    old = ended()
    written(old)
    with pytest.raises(CommandError, match="not under legal hold"):
        call_command("audit_hold", str(old.state.session_id), "--release", "--reason", "x")


def test_all_epochs_of_a_session_go_together():
    session_id = uuid4()
    written(ended(session_id=session_id), ended(session_id=session_id, epoch="00000002", at=T0 + 60_000))
    prune("--batch", "1")
    assert not left()
    assert SyncPruned.objects.count() == 2


@pytest.mark.parametrize("state", ["live", "recent", "held"])
def test_a_session_stays_whole_while_one_epoch_of_it_must_stay(state):
    session_id = uuid4()
    first = ended(session_id=session_id)
    second = {
        "live": lambda: History(session_id=session_id, epoch="00000002", at=T0 + 60_000).do(cmd.Start()),
        "recent": lambda: ended(session_id=session_id, epoch="00000002", at=NOW - 60_000),
        "held": lambda: ended(session_id=session_id, epoch="00000002", at=T0 + 60_000),
    }[state]()
    written(first, second)
    if state == "held":
        SyncSession.objects.filter(epoch="00000002").update(legal_hold=True)
    prune()
    assert SyncSession.objects.count() == 2


def test_an_earlier_epoch_that_never_ended_does_not_keep_a_session():
    """Its store was lost, and a later epoch took its place."""
    session_id = uuid4()
    lost = History(session_id=session_id).do(cmd.Start())
    written(lost, ended(session_id=session_id, epoch="00000002", at=T0 + 60_000))
    prune()
    assert not left()


def test_a_run_that_was_killed_is_completed_by_the_next(monkeypatch):
    olds = [ended() for _ in range(3)]
    written(*olds)
    monkeypatch.setattr(pruning, "PORTION", 3)
    calls = []

    def killed(model, keys):
        calls.append(model)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return portions(model, keys)

    portions = pruning._delete_portions
    monkeypatch.setattr(pruning, "_delete_portions", killed)
    with pytest.raises(KeyboardInterrupt):
        prune("--batch", "2")
    assert SyncPruned.objects.count() == 2
    assert len(left()) == 3
    prune("--batch", "2")
    assert not left()
    assert SyncPruned.objects.count() == 3
    assert not SyncEvent.objects.exists()
    assert not SyncCommit.objects.exists()


def test_a_session_that_is_being_pruned_cannot_be_held():
    old = ended()
    written(old)
    pruning._write_tombstones([old.state.session_id], timezone.now(), "ops")
    with pytest.raises(Exception, match="being pruned"):
        set_hold(old.state.session_id, is_held=True, reason="late", by="arbiter")


def test_a_hold_that_comes_while_a_batch_waits_is_heeded():
    old = ended()
    written(old)
    [batch] = pruning.batches(timezone.now(), 10)
    set_hold(old.state.session_id, is_held=True, reason="in time", by="arbiter")
    assert pruning.prune(batch, timezone.now(), "ops") == pruning.Batch(0, 0)
    assert left() == {old.state.session_id}


def test_what_comes_again_of_a_pruned_session_is_dropped():
    old = ended()
    written(old)
    prune()
    written(old, other := History())
    assert left() == {other.state.session_id}
    assert dead() == []


def test_a_commit_of_a_pruned_session_that_was_never_written_is_a_dead_letter():
    old, other = ended(), History()
    post(*old.entries[:3])
    drained()
    SyncSession.objects.update(completed_at=SyncSession.objects.get().updated_at)
    prune()
    written(old, other)
    assert left() == {other.state.session_id}
    assert [fields[b"reason"] for fields in dead()] == [b"Pruned: the session was pruned"]


def test_a_commit_that_comes_while_its_session_is_being_pruned_goes_with_it(monkeypatch):
    old = ended()
    post(*old.entries[:3])
    drained()
    SyncSession.objects.update(completed_at=SyncSession.objects.get().updated_at)

    def then_drained(model, keys):
        number = portions(model, keys)
        post(old.entries[3])
        drained()
        return number

    portions = pruning._delete_portions
    monkeypatch.setattr(pruning, "_delete_portions", then_drained)
    [batch] = pruning.batches(timezone.now(), 10)
    pruning.prune(batch, timezone.now(), "ops")
    assert not left()
    assert not SyncEvent.objects.exists()


def test_sessions_that_may_still_be_in_the_store_are_not_pruned(configure):
    configure(finished_ttl_ms=7_200_000)
    with pytest.raises(CommandError, match="still be in the state store"):
        call_command("audit_prune", "--older-than", "1h")


def test_the_others_verify_afterwards(real):
    kept = real(cmd.Create.of(sync_mode="per_participant", participants=(cmd.Seat(uuid4(), 60_000, user_id="ann"),)))
    real(kept.session_id, cmd.Start())
    written(ended())
    prune()
    assert verify(selectors.session_get(kept.session_id)).finding is None
