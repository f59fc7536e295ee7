"""Lists of sessions from the audit: filters, pages, labels, and the instant up to which they are complete."""

from datetime import timedelta
from itertools import combinations
from uuid import uuid4

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from audit import outbox_reader
from audit.completeness import complete_until
from audit.labels import labels_of
from audit.listing import Filters, cursor_of, page_of_sessions, position_of
from audit.models import SyncLabel, SyncParticipant, SyncSession
from synckairos import outbox
from synckairos.engine import commands as cmd
from synckairos.engine.state import Access
from synckairos.engine.units import Status, SyncMode
from synckairos.instants import as_datetime, from_datetime
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import T0, History, drained, post

pytestmark = pytest.mark.django_db

MODES = (SyncMode.PER_PARTICIPANT, SyncMode.COUNT_UP)


def seats(*people):
    return tuple(cmd.Seat(uuid4(), 60_000, user_id=person) for person in people)


def made(at, people, metadata=None, mode=SyncMode.PER_PARTICIPANT, owner="alice", **more):
    create = cmd.Create.of(sync_mode=mode, participants=seats(*people), metadata=metadata, access=Access(owner=owner))
    return History(create, at=at, **more)


@pytest.fixture
def many(configure):
    """Thirty sessions, two in each millisecond, of three owners, in two modes and three statuses, with labels."""
    configure(metadata_index=("room", "round"))
    histories = []
    for n in range(30):
        people = ("bob", f"u{n % 4}") if n % 3 == 0 else (f"u{n % 4}", f"u{n % 4}")
        metadata = {"room": f"r{n % 2}", "round": n % 5, "note": "x"}
        history = made(T0 + n // 2, people, metadata, MODES[n % 2], owner=("alice", "bob", "eve")[n % 3])
        if n % 3:
            history.do(cmd.Start())
        if n % 3 == 2:
            history.do(cmd.Complete())
        histories.append(history)
    post(*(entry for history in histories for entry in history.entries))
    drained()
    return histories


def listed(filters, person=None, limit=100):
    """All pages of a list, as primary keys."""
    found, after = [], None
    while True:
        page = page_of_sessions(filters, person, after, limit)
        assert len(page.sessions) <= limit
        found += [session.pk for session in page.sessions]
        if page.last is None:
            return found
        assert len(page.sessions) == limit
        after = position_of(cursor_of(page.last))


def with_relations():
    return list(
        SyncSession.objects.filter(deleted_at=None)
        .order_by("-created_at", "-pk")
        .prefetch_related("participants", "labels")
    )


def expected(filters, person=None, rows=None):
    """The same by plain comparison."""

    def fits(session):
        people = {p.user_id for p in session.participants.all()}
        labels = {(label.key, label.value) for label in session.labels.all()}
        return all(
            (
                person is None or person == session.owner or person in people,
                filters.status is None or filters.status == session.status,
                filters.mode is None or filters.mode == session.sync_mode,
                filters.created_from is None or session.created_at >= filters.created_from,
                filters.created_to is None or session.created_at < filters.created_to,
                filters.user_id is None or filters.user_id in people,
                filters.label is None or filters.label in labels,
            )
        )

    return [session.pk for session in rows or with_relations() if fits(session)]


CONDITIONS = {
    "status": Status.RUNNING,
    "mode": SyncMode.COUNT_UP,
    "created_from": as_datetime(T0 + 3),
    "created_to": as_datetime(T0 + 12),
    "user_id": "bob",
    "label": ("room", "r0"),
}


@pytest.mark.parametrize("person", [None, "bob", "u1", "nobody"])
def test_every_combination_of_filters_lists_the_sessions_that_fit(many, person):
    rows = with_relations()
    for size in range(len(CONDITIONS) + 1):
        for names in combinations(CONDITIONS, size):
            filters = Filters(**{name: CONDITIONS[name] for name in names})
            page = page_of_sessions(filters, person, None, 100)
            assert [session.pk for session in page.sessions] == expected(filters, person, rows), names


@pytest.mark.parametrize("limit", [1, 4])
@pytest.mark.parametrize("person", [None, "u1"])
def test_pages_of_any_size_make_the_same_list(many, person, limit):
    for filters in (Filters(), Filters(mode=SyncMode.COUNT_UP), Filters(label=("room", "r1")), Filters(user_id="bob")):
        assert listed(filters, person, limit) == expected(filters, person)


def test_a_deleted_session_is_in_no_list(many):
    many[0].do(cmd.Delete())
    post(many[0].entries[-1])
    drained()
    assert len(listed(Filters())) == 29
    assert many[0].state.session_id not in {
        session.session_id for session in page_of_sessions(Filters(), "alice", None, 100).sessions
    }


def test_a_session_that_came_late_is_in_its_place(many):
    late = made(T0 + 4, ("bob", "late"))
    post(*late.entries)
    drained()
    assert listed(Filters(), limit=4) == expected(Filters())


@pytest.mark.parametrize(
    "text", ["", "x", "12", "1-", "-1", "1-2-3", "A-1", "٣-1", "1-1\n", "f" * 15 + "-1", "1-" + "f" * 16]
)
def test_a_text_that_is_no_cursor_is_refused(text):
    with pytest.raises(ValueError, match="no cursor"):
        position_of(text)


def test_a_cursor_is_exact_to_the_microsecond():
    moment = as_datetime(T0) + timedelta(microseconds=123)
    assert position_of(cursor_of((moment, 5))) == (moment, 5)


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), ("", ""), (7, "7"), (1.5, "1.5"), (True, "true"), (None, None), ([1], None), ({"a": 1}, None)],
)
def test_texts_numbers_and_booleans_are_labels(configure, value, text):
    configure(metadata_index=("room",))
    assert labels_of({"room": value, "other": "y"}) == (() if text is None else (("room", text),))


@pytest.mark.parametrize("metadata", [None, {}, {"room": "x" * 201}, {"room": "a\0b"}])
def test_other_metadata_has_no_label(configure, metadata):
    configure(metadata_index=("room",))
    assert labels_of(metadata) == ()


def test_without_the_setting_no_label_is_written():
    post(*made(T0, ("bob",), {"room": "r"}).entries)
    drained()
    assert SyncLabel.objects.count() == 0


def test_a_creation_that_comes_again_or_late_sets_owner_and_labels_once(configure):
    configure(metadata_index=("room",))
    history = made(T0, ("bob", "carol"), {"room": "r"}).do(cmd.Start())
    post(history.entries[1])
    drained()
    assert SyncSession.objects.get().owner == ""
    for _ in range(2):
        post(history.entries[0])
        drained()
    row = SyncSession.objects.get()
    assert (row.owner, row.visibility, row.status) == ("alice", "private", "running")
    assert from_datetime(row.cycle_started_at) == history.state.cycle.started_ms
    assert [(label.key, label.value) for label in row.labels.all()] == [("room", "r")]
    assert {p.created_at for p in SyncParticipant.objects.all()} == {row.created_at}


def test_the_banks_of_groups_are_written_with_each_commit():
    one, two = uuid4(), uuid4()
    create = cmd.Create.of(
        sync_mode=SyncMode.PER_GROUP,
        participants=(cmd.Seat(uuid4(), 60_000, group_id=one), cmd.Seat(uuid4(), 60_000, group_id=two)),
        groups=(cmd.GroupBank(one, 60_000), cmd.GroupBank(two, 50_000)),
    )
    history = History(create).do(cmd.Start()).do(cmd.Switch(), 5_000)
    post(*history.entries)
    drained()
    row = SyncSession.objects.get()
    assert row.groups == [
        {"group_id": str(g.group_id), "total_time_ms": g.total_time_ms, "has_expired": False}
        for g in history.state.groups
    ]
    assert row.groups[0]["total_time_ms"] == 55_000


def test_an_empty_outbox_means_complete_until_now():
    before = redis_client.blocking_client().time()
    now = complete_until()
    assert now >= before[0] * 1000 + before[1] // 1000


def test_the_oldest_waiting_entry_says_how_far_the_audit_is_complete():
    entry = outbox.encode(History().entries[0])
    client = redis_client.blocking_client()
    client.xadd(keys.outbox(0), {"e": entry}, id="5000-1")
    client.xadd(keys.outbox(0), {"e": entry}, id="6000-1")
    assert complete_until() == 5000
    client.xadd(keys.outbox_refused(0, 1), {"e": entry, "id": "4000-7"})
    assert complete_until() == 4000


def test_without_the_store_nobody_knows_how_far_the_audit_is_complete(monkeypatch):
    def away():
        raise RedisConnectionError

    monkeypatch.setattr(outbox_reader, "now_ms", away)
    assert complete_until() is None
