"""Every way to change the rows of a chain is found, and what is no fault is told apart."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db.models import F, Max
from msgspec.structs import replace
from redis.exceptions import ConnectionError as StoreAway

from audit import selectors, verification_rows
from audit.management.commands import audit_verify
from audit.models import SyncCommit, SyncEvent, SyncSession
from audit.retention_role import retention
from audit.verification import Fault, verify, verify_parts
from audit.verification_rows import portions
from synckairos import commit_chain, outbox
from synckairos.engine import commands as cmd
from synckairos.engine.units import SyncMode
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.forged_chains import rechain, unchain
from tests.outboxes import dead, drained, post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _may_change():
    """Whoever changes rows on PostgreSQL has to get past the trigger first."""
    with retention():
        yield


@pytest.fixture
def play(real):
    """Plays a session of eight commits, drained unless told otherwise."""

    def play(*, drain=True, **fields):
        seats = tuple(cmd.Seat(uuid4(), 60_000, user_id=f"u{n}") for n in range(2))
        create = cmd.Create.of(sync_mode=SyncMode.PER_PARTICIPANT, participants=seats, **fields)
        session_id = real(create).session_id
        for command in [cmd.Start(), *[cmd.Switch()] * 3, cmd.Pause(), cmd.Resume(), cmd.Switch()]:
            real(session_id, command)
        if drain:
            drained()
        return selectors.session_get(session_id)

    return play


@pytest.fixture
def session(play):
    """The row of a session of eight commits."""
    return play()


def found(session):
    session.refresh_from_db()
    finding = verify(session).finding
    return None if finding is None else (finding.fault, finding.version)


def event(session, sequence):
    return SyncEvent.objects.filter(session=session, sequence=sequence)


def commit(session, version):
    return SyncCommit.objects.filter(session=session, version=version)


def swap(rows, name, one, other):
    """Put two rows into each other's places by a number that is unique among them."""
    for old, new in ((one, 1_000), (other, one), (1_000, other)):
        rows.filter(**{name: old}).update(**{name: new})


ONE_MICROSECOND = timedelta(microseconds=1)
OF_EVENTS = {
    "sequence": 100,
    "version": F("version") + 1,
    "type": "session.completed",
    "at": F("at") + ONE_MICROSECOND,
    "committed_at": F("committed_at") + ONE_MICROSECOND,
    "principal": "alicf",
    "request_id": "r-2",
    "commit_version": 5,
}
OF_COMMITS = {
    "since_version": 2,
    "version": 100,
    "command_id": b"\0" * 16,
    "committed_at": F("committed_at") + ONE_MICROSECOND,
    "principal": "alicf",
    "role": "ownes",
    "door": "socket",
    "request_id": "r-2",
    "client_key": b"\1",
    "address": b"\1" * 16,
    "user_agent": b"\1" * 16,
    "previous": b"\1" * 32,
    "digest": b"\1" * 32,
    "body": b"SKC1",
    "salts": b"\1" * 32,
}


def test_the_tables_below_have_every_column():
    of_rows = {"id", "session"}
    assert {f.name for f in SyncEvent._meta.fields} == OF_EVENTS.keys() | of_rows | {"data"}
    assert {f.name for f in SyncCommit._meta.fields} == OF_COMMITS.keys() | of_rows


@pytest.mark.parametrize("column", OF_EVENTS)
def test_a_change_of_any_column_of_an_event_is_found(session, column):
    event(session, 4).update(**{column: OF_EVENTS[column]})
    assert found(session) == (Fault.MISSING if column == "sequence" else Fault.ALTERED, 4)


@pytest.mark.parametrize("column", OF_COMMITS)
def test_a_change_of_any_column_of_a_commit_is_found(session, column):
    commit(session, 4).update(**{column: OF_COMMITS[column]})
    assert found(session) == (Fault.MISSING if column == "version" else Fault.ALTERED, 4)


@pytest.mark.parametrize("column", ["previous", "digest", "body"])
def test_a_part_of_the_link_that_was_removed_is_found(session, column):
    commit(session, 1).update(**{column: None})
    assert found(session) == (Fault.ALTERED, 1)


@pytest.mark.parametrize("sequence", [1, 4])
def test_any_change_of_the_data_of_an_event_is_found(session, sequence):
    [row] = event(session, sequence)
    truth = dict(row.data)
    changed = [{**truth, "added": None}]
    for name, value in truth.items():
        others = {key: item for key, item in truth.items() if key != name}
        changed += [{**others, name: [value]}, {**others, f"{name}_": value}]
    for data in changed:
        event(session, sequence).update(data=data)
        assert found(session) == (Fault.ALTERED, sequence), data
    event(session, sequence).update(data=truth)
    assert found(session) is None


def test_two_events_in_each_others_places_are_told_so(session):
    swap(SyncEvent.objects.filter(session=session), "sequence", 4, 5)
    assert found(session) == (Fault.REORDERED, 4)


def test_two_commits_in_each_others_places_are_told_so(session):
    swap(SyncCommit.objects.filter(session=session), "version", 4, 5)
    assert found(session) == (Fault.REORDERED, 4)


def test_a_commit_that_was_written_anew_is_a_fork(session):
    last = SyncCommit.objects.filter(session=session).aggregate(last=Max("version"))["last"]
    kept = {row.version: row for row in SyncCommit.objects.filter(session=session)}
    rechain(session, 4, request_id="r-2")
    for version in range(5, last + 1):
        kept[version].save()
    assert found(session) == (Fault.FORKED, 5)


def test_rows_that_nobody_can_read_are_altered_and_no_traceback(session):
    [row] = commit(session, 4)
    body = b"SKC1" + b"\xff" * 200
    commit(session, 4).update(body=body, digest=commit_chain.digest(bytes(row.previous), body))
    assert found(session) == (Fault.ALTERED, 4)


def test_a_session_whose_rows_are_all_gone_is_truncated(session):
    SyncEvent.objects.filter(session=session).delete()
    SyncCommit.objects.filter(session=session).delete()
    assert found(session) == (Fault.TRUNCATED, 0)


def test_a_session_whose_row_was_taken_back_is_found(session):
    SyncSession.objects.filter(pk=session.pk).update(version=5)
    assert found(session) == (Fault.ALTERED, 6)


def test_commits_after_the_version_that_was_read_first_are_left_to_the_next_time(session, real):
    read_before = selectors.session_get(session.session_id)
    for _ in range(3):
        real(session.session_id, cmd.Switch())
    drained()
    result = verify(read_before)
    assert (result.events, result.finding) == (8, None)


@pytest.mark.parametrize("with_rows", [True, False], ids=["with commit rows", "without"])
def test_a_session_that_lived_at_the_upgrade_is_right(session, with_rows):
    unchain(session, 3, with_rows=with_rows)
    result = verify(session)
    assert (result.events, result.unchained, result.finding) == (5, 3, None)
    event(session, 2).delete()
    assert found(session)[0] is Fault.MISSING


def test_a_commit_between_the_upgrade_and_the_chain_is_missed(session):
    unchain(session, 3, with_rows=False)
    event(session, 3).delete()
    assert found(session) == (Fault.MISSING, 4)


@pytest.mark.parametrize("version", [2, 4, 8])
def test_a_commit_whose_link_was_removed_hides_no_change(session, version):
    commit(session, version).update(digest=None, previous=None, body=None)
    event(session, version).update(data={})
    assert found(session) == (Fault.ALTERED, version)


def test_commits_of_an_older_release_amid_a_chain_are_right_if_the_next_one_says_so(session):
    """During a rolling upgrade both releases commit; the newer one then begins the chain again."""
    commit(session, 4).update(digest=None, previous=None, body=None)
    rechain(session, 5, begins=True)
    result = verify(session)
    assert (result.events, result.unchained, result.finding) == (7, 1, None)


def test_a_chain_that_begins_twice_is_a_fork(session):
    rechain(session, 4, begins=True)
    assert found(session) == (Fault.FORKED, 4)


def test_numbers_that_a_database_writes_otherwise_keep_their_commitment(play):
    numbers = [1e16, -0.0, 1.5, 1e300, 1e19, -1e19, 1.2345678901234567e18, 5e-324, 2**63 - 1, True, 0.1]
    assert found(play(metadata={"numbers": numbers})) is None


@pytest.mark.parametrize("fault", [None, "removed", "altered", "last removed"])
def test_a_long_session_is_verified_in_parts(session, monkeypatch, fault):
    monkeypatch.setattr(verification_rows, "PART_VERSIONS", 3)
    monkeypatch.setattr(verification_rows, "_PAGE", 2)
    if fault == "removed":
        event(session, 6).delete()
        commit(session, 6).delete()
    elif fault == "altered":
        event(session, 8).update(data={})
    elif fault == "last removed":
        SyncEvent.objects.filter(session=session, sequence__gte=7).delete()
        SyncCommit.objects.filter(session=session, version__gte=7).delete()
    some = list(portions(SyncSession.objects.all()))
    assert [(part.after, part.until) for [part] in some] == [(0, 3), (3, 6), (6, 8)]
    results = [result for portion in some for result in verify_parts(portion)]
    found = [(result.finding.fault, result.finding.version) for result in results if result.finding]
    assert (
        found
        == {
            None: [],
            "removed": [(Fault.MISSING, 7)],
            "altered": [(Fault.ALTERED, 8)],
            "last removed": [(Fault.TRUNCATED, 6)],
        }[fault]
    )
    assert fault or sum(result.events for result in results) == 8


def test_parts_of_a_session_that_a_former_release_served_for_a_moment_are_right(session, monkeypatch):
    """During an upgrade, both releases commit; the commits of the former one have no digests."""
    monkeypatch.setattr(verification_rows, "PART_VERSIONS", 3)
    commit(session, 6).update(digest=None, previous=None, body=None)
    rechain(session, 7, begins=True)
    results = [result for portion in portions(SyncSession.objects.all()) for result in verify_parts(portion)]
    assert [result.finding for result in [*results, verify(session)]] == [None] * 4
    assert sum(result.events for result in results) == 7


def test_sessions_are_verified_together_and_each_by_itself(play):
    sessions = [play() for _ in range(3)]
    event(sessions[1], 4).update(data={})
    [portion] = portions(SyncSession.objects.all())
    assert [(r.session, r.events, r.finding is None) for r in verify_parts(portion)] == [
        (sessions[0].pk, 8, True),
        (sessions[1].pk, 3, False),
        (sessions[2].pk, 8, True),
    ]


@pytest.fixture
def gap(play):
    """A session of which one commit waits in the outbox, and its entry."""
    play(drain=False)
    entries = redis_client.blocking_client().xrange(keys.outbox(0))
    entry_id, fields = entries[4]
    redis_client.blocking_client().xdel(keys.outbox(0), entry_id)
    drained()
    return SyncSession.objects.get(), fields[b"e"]


def test_what_waits_in_the_outbox_is_not_missing(gap, capsys):
    session, entry = gap
    assert found(session) == (Fault.MISSING, 6)
    post(entry)
    call_command("audit_verify")
    assert "events verified: 7; of releases without a chain: 0; commits that wait" in (said := capsys.readouterr().out)
    assert "in the outbox: 1; removed meanwhile: 0; sessions with faults: 0" in said
    event(session, 8).update(data={})
    with pytest.raises(SystemExit):
        call_command("audit_verify")
    assert "version 8: altered" in capsys.readouterr().out


def test_a_gap_is_told_with_a_warning_when_the_store_is_away(gap, capsys, monkeypatch):
    def away(_):
        raise StoreAway

    monkeypatch.setattr(audit_verify, "waiting_commits", away)
    with pytest.raises(SystemExit):
        call_command("audit_verify")
    said = capsys.readouterr()
    assert "version 6: missing" in said.out
    assert "what is missing may wait there" in said.err


def test_an_entry_with_facts_out_of_range_is_set_aside(play):
    play(drain=False)
    [(_, fields), *_] = redis_client.blocking_client().xrange(keys.outbox(0), count=1)
    redis_client.blocking_client().delete(keys.outbox(0))
    post(replace(outbox.decode(fields[b"e"]), due=70_000))
    drained()
    [letter] = dead()
    assert letter[b"error"] == b"ValueError"
