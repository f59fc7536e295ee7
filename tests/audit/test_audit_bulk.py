"""Rows from plain values are the rows that Django's own bulk operations write, on whatever database this runs."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import DataError, IntegrityError, connection

from audit import bulk
from audit.models import SyncEvent, SyncParticipant, SyncSession
from audit.retention_role import retention
from synckairos.auth.names import MAX_NAME_LENGTH

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 9, 21, 14, 13, 20, 123_000, UTC)
DATA = {
    "text": '\N{SNOWMAN} \\u0000 "{},\\',
    "numbers": [1, -2.5, 2**63],
    "none": None,
    "deep": [[{"yes": True}]],
}
SESSION = {
    "session_id": UUID(int=1),
    "epoch": "00000001",
    "sync_mode": "per_participant",
    "status": "running",
    "version": 2**63 - 1,
    "cycle_number": 0,
    "total_time_ms": -(2**63),
    "running_ms": 5,
    "active_participant_id": UUID(int=2**128 - 1),
    "created_by": "\N{SNOWMAN}, \"quoted\" and 'quoted' {1,2} \\ %s NULL",
    "created_at": MOMENT,
    "updated_at": MOMENT.replace(microsecond=0),
    "started_at": MOMENT.replace(year=1970),
    "completed_at": MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))),
    "deleted_at": MOMENT.replace(year=9999),
}
NULLS = dict.fromkeys(("active_participant_id", "started_at", "completed_at", "deleted_at"))


def session(**changes):
    return SESSION | {"session_id": uuid4()} | changes


def event(pk, sequence, **changes):
    values = {"sequence": sequence, "version": 1, "type": "cycle.switched", "at": MOMENT, "committed_at": MOMENT}
    return {"session_id": pk, **values, "data": DATA, "principal": "p" * 255, "request_id": "", **changes}


def participant(pk, **changes):
    values = {"participant_index": 0, "group_id": uuid4(), "user_id": "", "total_time_ms": 1, "time_used_ms": 2}
    counts = {"cycle_count": 3, "has_expired": True, "version": 4}
    return {"session_id": pk, "participant_id": uuid4(), **values, **counts, **changes}


def raw(model):
    """Columns as the database has them, without the key that it gives."""
    names = [connection.ops.quote_name(field.column) for field in model._meta.fields if field.name != "id"]
    kinds = [f"typeof({name})" for name in names] if connection.vendor == "sqlite" else []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(names + kinds)} FROM {model._meta.db_table} ORDER BY id")  # noqa: S608
        return cursor.fetchall()


def plain(rows):
    """Rows as the drain has them: a JSON field is text."""
    return [tuple(json.dumps(value) if isinstance(value, dict) else value for value in row.values()) for row in rows]


def upserted(model, rows, unique, updated=()):
    names = [name if name in {f.name for f in model._meta.fields} else name.removesuffix("_id") for name in rows[0]]
    bulk.upsert(model, names, plain(rows), unique=unique, updated=updated)


@pytest.fixture
def pks():
    made = SyncSession.objects.bulk_create([SyncSession(**session()) for _ in range(3)])
    return [one.pk for one in made]


def sessions_of(pks):
    return [session(), session(**NULLS), session(epoch="2", created_by="")], ["session_id", "epoch"]


def events_of(pks):
    return [event(pk, 2**62 + pk, data=data) for pk in pks for data in ({}, DATA)][::2], ["session", "sequence"]


def participants_of(pks):
    changed = [
        {},
        {"group_id": None, "user_id": None},
        {"has_expired": False, "user_id": "\U0001f600" * MAX_NAME_LENGTH},
    ]
    return [participant(pk, **one) for pk, one in zip(pks, changed, strict=True)], ["session", "participant_id"]


@pytest.mark.parametrize(
    ("model", "rows_of"),
    [(SyncSession, sessions_of), (SyncEvent, events_of), (SyncParticipant, participants_of)],
)
def test_inserted_rows_are_those_of_bulk_create(pks, model, rows_of):
    rows, unique = rows_of(pks)
    if model is SyncSession:
        model.objects.all().delete()
    model.objects.bulk_create([model(**row) for row in rows])
    expected, read = raw(model), list(model.objects.order_by("id").values(*rows[0]))
    with retention():
        model.objects.all().delete()
    upserted(model, rows, unique)
    assert raw(model) == expected
    assert list(model.objects.order_by("id").values(*rows[0])) == read == rows


def test_any_model_and_any_type_of_field_will_do():
    fields = {"password": "x", "is_superuser": False, "is_staff": True, "is_active": True, "date_joined": MOMENT}
    people = [{"username": f"u{n}", "last_login": None, "email": f"{n}@example.com", **fields} for n in range(3)]
    people = [person | {"first_name": "", "last_name": ""} for person in people]
    User.objects.bulk_create([User(**person) for person in people])
    expected = raw(User)
    User.objects.all().delete()
    upserted(User, people, ["username"])
    assert raw(User) == expected
    user, kind = User.objects.first(), ContentType.objects.get_for_model(User)
    entry = {"action_time": MOMENT, "user_id": user.pk, "content_type_id": kind.pk, "object_id": "1"}
    entry |= {"object_repr": "r", "action_flag": 2, "change_message": "\N{SNOWMAN}"}
    LogEntry.objects.bulk_create([LogEntry(**entry)])
    upserted(LogEntry, [{"id": LogEntry.objects.get().pk + 1, **entry}], ["id"])
    first, second = raw(LogEntry)
    assert first == second


def test_a_row_that_is_there_stays_as_it_is(pks):
    upserted(SyncEvent, [event(pks[0], 1, principal="first")], ["session", "sequence"])
    rows = [event(pks[0], 1, principal="second"), event(pks[0], 2, principal="new")]
    upserted(SyncEvent, rows, ["session", "sequence"])
    assert list(SyncEvent.objects.order_by("sequence").values_list("principal", flat=True)) == ["first", "new"]


def test_a_row_that_is_there_takes_over_what_is_named(pks):
    old = participant(pks[0])
    new = old | {"user_id": None, "time_used_ms": 77, "has_expired": False, "cycle_count": 99}
    upserted(SyncParticipant, [old], ["session", "participant_id"])
    pk = SyncParticipant.objects.get().pk
    updated = ["user_id", "time_used_ms", "has_expired"]
    upserted(SyncParticipant, [new, participant(pks[1])], ["session", "participant_id"], updated)
    assert SyncParticipant.objects.count() == 2
    assert SyncParticipant.objects.filter(pk=pk).values(*old).get() == new | {"cycle_count": old["cycle_count"]}


def test_rows_are_updated_by_their_key(pks):
    news = [session(**NULLS), session(status="paused", created_by="x")]
    names = [name for name in SESSION if name not in {"version", "created_by"}]
    bulk.update(SyncSession, names, [(pk, *(new[name] for name in names)) for pk, new in zip(pks, news, strict=False)])
    for pk, new in zip(pks, news, strict=False):
        row = SyncSession.objects.filter(pk=pk).values(*SESSION).get()
        assert row == new | {"created_by": SESSION["created_by"]}
    assert SyncSession.objects.values_list("status", flat=True).get(pk=pks[2]) == "running"


def test_no_rows_are_nothing_to_do(django_assert_num_queries):
    with django_assert_num_queries(0):
        bulk.update(SyncSession, ["status"], [])
        bulk.upsert(SyncEvent, ["session"], [], unique=["session"])


def test_only_a_place_that_is_taken_is_passed_over(pks):
    with pytest.raises(IntegrityError):
        upserted(SyncEvent, [event(pks[0], 1, type=None)], ["session", "sequence"])


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no lengths")
def test_a_text_that_is_too_long_is_refused_not_cut(pks):
    with pytest.raises(DataError):
        upserted(SyncEvent, [event(pks[0], 1, principal="p" * (MAX_NAME_LENGTH + 1))], ["session", "sequence"])
