"""Tombstones in the verification of checkpoints: what they excuse is counted, and told."""

import pytest
from django.core.management import call_command

from audit import checkpoints, selectors
from audit.checkpoint_log import read_leaf
from audit.checkpoint_verification import HeadComparison
from audit.models import SyncCommit
from audit.retention_role import retention
from audit.verification import Fault
from synckairos.engine import commands as cmd
from tests.forged_chains import delete, rechain, tombstone
from tests.outboxes import creation, drained

pytestmark = pytest.mark.django_db


@pytest.fixture
def play(real):
    """Plays a session of three commits, drained, and gives its row."""

    def play():
        session_id = real(creation()).session_id
        for command in [cmd.Start(), cmd.Switch()]:
            real(session_id, command)
        drained()
        return selectors.session_get(session_id)

    return play


def test_heads_that_tombstones_excuse_are_counted_and_told(tmp_path, play, capsys):
    session, _ = play(), play()
    checkpoints.make(tmp_path)
    tombstone(session, session.version + 1)
    with retention():
        delete(session)
    call_command("audit_verify", checkpoints=tmp_path)
    assert "checkpoint: 0; heads excused by tombstones: 1; faults: 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("further", "own_digest", "excused"),
    [(0, True, 1), (0, False, 0), (1, False, 1), (-1, True, 0)],
    ids=["ended there", "ended there otherwise", "ended later", "ended before"],
)
def test_a_tombstone_excuses_heads_up_to_its_version(tmp_path, play, further, own_digest, excused):
    session = play()
    checkpoints.make(tmp_path)
    [leaf] = map(read_leaf, (tmp_path / "leaves").read_bytes().splitlines())
    tombstone(session, session.version + further, *([leaf.digest] if own_digest else []))
    with retention():
        delete(session)
    comparison = HeadComparison()
    faults = [finding.fault for finding in comparison.findings(iter([leaf]))]
    assert (comparison.excused, faults) == (excused, [] if excused else [Fault.MISSING])


@pytest.mark.parametrize(("change", "fault"), [("anew", Fault.FORKED), ("unchained", Fault.ALTERED)])
def test_a_tombstone_excuses_no_commit_that_is_there_otherwise(tmp_path, play, change, fault):
    """A prune leaves no row, so whoever forges a tombstone must delete what he would rather change."""
    session = play()
    checkpoints.make(tmp_path)
    tombstone(session, session.version + 1)
    with retention():
        if change == "anew":
            rechain(session, 2, request_id="r-2")
        else:
            SyncCommit.objects.filter(session=session).update(digest=None, previous=None, body=None)
    comparison = HeadComparison()
    leaves = map(read_leaf, (tmp_path / "leaves").read_bytes().splitlines())
    assert [finding.fault for finding in comparison.findings(leaves)] == [fault]
    assert comparison.excused == 0


def test_many_heads_of_pruned_sessions_take_as_many_queries_as_one(tmp_path, play, django_assert_num_queries):
    sessions = [play() for _ in range(3)]
    checkpoints.make(tmp_path)
    leaves = list(map(read_leaf, (tmp_path / "leaves").read_bytes().splitlines()))
    with retention():
        for session in sessions:
            tombstone(session, session.version + 1)
            SyncCommit.objects.filter(session=session).delete()
    for some in (leaves[:1], leaves):
        comparison = HeadComparison()
        with django_assert_num_queries(3):
            assert list(comparison.findings(iter(some))) == []
        assert comparison.excused == len(some)
