"""`manage.py audit_export`: every format holds every event once, in constant memory, and is safe to open."""

import csv
import io
import json
import re
import stat
from datetime import timedelta

import httpx
import pytest
from django.core.management import CommandError, call_command

from audit.exports import influx_server, source
from audit.exports.csv_lines import safe
from audit.exports.influx_lines import line
from audit.exports.parquet import ROW_GROUP
from audit.exports.source import COLUMNS, ExportedEvent, Selection, Source
from audit.listing import Filters
from audit.models import SyncCommit, SyncEvent, SyncSession
from audit.retention_role import retention
from synckairos.engine import commands as cmd
from synckairos.engine.units import Status, SyncMode
from synckairos.instants import as_datetime, as_iso
from tests.outboxes import T0, History, creation, drained, full_history, post

pytestmark = pytest.mark.django_db

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]


@pytest.fixture
def histories():
    """Three sessions, one with every kind of event."""
    made = [full_history(), History(at=T0 + 10_000).played(6), History(creation(sync_mode=SyncMode.COUNT_UP))]
    post(*(entry for history in made for entry in history.entries))
    drained()
    return made


def exported(tmp_path, *args, **options):
    path = tmp_path / "out"
    call_command("audit_export", *map(str, args), output=str(path), **options)
    return path


def rows_of_csv(path):
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def stored():
    """The events as the database has them, in the order of an export."""
    rows = SyncEvent.objects.order_by("session_id", "sequence").select_related("session")
    return [(str(row.session.session_id), row.session.epoch, row.sequence, row.type, row.data) for row in rows]


def test_csv_has_every_event_once_with_its_commit(histories, tmp_path):
    with retention():
        SyncCommit.objects.update(role="owner", door="rest")
    rows = rows_of_csv(exported(tmp_path))
    assert [
        (row["session_id"], row["epoch"], int(row["sequence"]), row["type"], json.loads(row["data"])) for row in rows
    ] == stored()
    assert list(rows[0]) == list(COLUMNS)
    assert {row["at"] for row in rows if row["type"] == "session.created"} == {as_iso(T0), as_iso(T0 + 10_000)}
    assert {(row["principal"], row["role"], row["door"]) for row in rows} == {
        ("alice", "owner", "rest"),
        ("bob", "owner", "rest"),
        ("timekeeper", "", "timekeeper"),
    }


def test_csv_ends_its_lines_as_the_standard_says(histories, tmp_path):
    data = exported(tmp_path).read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == len(stored()) + 1


@pytest.mark.parametrize("text", FORMULAS, ids=["equals", "plus", "minus", "at", "tab", "carriage return"])
def test_no_cell_is_a_formula(text, tmp_path):
    assert safe(text) == f"'{text}"
    history = History()
    post(*history.entries)
    drained()
    with retention():
        SyncEvent.objects.update(principal=text)
    (row,) = rows_of_csv(exported(tmp_path))
    assert row["principal"] == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "'=1", "{}", "1"])
def test_other_cells_stay_as_they_are(text):
    assert safe(text) == text


def test_json_lines_have_the_data_as_objects(histories, tmp_path):
    lines = [json.loads(text) for text in exported(tmp_path, format="jsonl").read_text().splitlines()]
    assert [(row["session_id"], row["epoch"], row["sequence"], row["type"], row["data"]) for row in lines] == stored()
    assert all(list(row) == list(COLUMNS) for row in lines)


def test_parquet_has_typed_columns(histories, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(exported(tmp_path, format="parquet"))
    rows = table.to_pylist()
    assert [
        (row["session_id"], row["epoch"], row["sequence"], row["type"], json.loads(row["data"])) for row in rows
    ] == stored()
    assert {row["at"] for row in rows if row["sequence"] == 1} == {as_datetime(T0), as_datetime(T0 + 10_000)}
    assert table.schema.field("sequence").type == "int64"


def test_parquet_writes_row_groups_of_many_pages(histories, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert ROW_GROUP >= 64_000
    monkeypatch.setattr("audit.exports.parquet.ROW_GROUP", 10)
    monkeypatch.setattr("audit.exports.source.PAGE", 3)
    found = parquet.ParquetFile(exported(tmp_path, format="parquet")).metadata
    assert found.num_rows == len(stored())
    assert all(found.row_group(n).num_rows >= 10 for n in range(found.num_row_groups - 1))


def test_parquet_without_its_library_says_what_to_install(histories, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CommandError, match=r"requirements/parquet\.txt"):
        exported(tmp_path, format="parquet")
    assert list(tmp_path.iterdir()) == []


EVENT = ExportedEvent(
    *("b7e1f2b0-0000-4000-8000-000000000001", "00000001", "per_participant", 1_000_002, 7, 7, "cycle.switched"),
    *(T0, T0 + 4, 'a "b" \\ c\nd', "owner", "rest", "r", '{"turn_ms": 5, "on_timeout": true, "x": null, "big": 1e3}'),
)


def test_a_line_of_influx_escapes_texts_and_holds_numbers():
    assert line(EVENT) == (
        "synckairos_event,session=b7e1f2b0-0000-4000-8000-000000000001,mode=per_participant,type=cycle.switched "
        'sequence=1000002i,version=7i,epoch="00000001",principal="a \\"b\\" \\\\ c d",role="owner",door="rest",'
        f"turn_ms=5i,late_ms=4i {T0}000002"
    )


def test_influx_has_a_point_for_every_event(histories, tmp_path):
    lines = exported(tmp_path, format="influx").read_text().splitlines()
    points = {(text.split(" ")[0], text.rsplit(" ", 1)[1]) for text in lines}
    assert len(points) == len(lines) == len(stored())


def test_a_game_record_has_the_clock_after_each_turn(tmp_path):
    history = History().do(cmd.Start()).do(cmd.Switch(), 10_500).do(cmd.Switch(), 2_000)
    post(*history.entries, *History().entries)
    drained()
    text = exported(tmp_path, format="pgn").read_text()
    assert text.count("[Event ") == 1
    assert f'[Site "{history.state.session_id} 00000001"]' in text
    assert text.splitlines()[-4:] == [
        "1. {[%emt 0:00:10.5] [%clk 0:00:49.5]}",
        "2. {[%emt 0:00:02] [%clk 0:00:58]}",
        "*",
        "",
    ]


@pytest.mark.parametrize("page", [1, 2, 5, 1000])
def test_pages_of_any_size_hold_the_same_events(histories, page, monkeypatch):
    monkeypatch.setattr(source, "PAGE", page)
    monkeypatch.setattr(source, "_SESSIONS", 2)
    pages = list(Source(Selection()).pages())
    found = [
        (row.session_id, row.epoch, row.sequence, row.type, json.loads(row.data)) for rows in pages for row in rows
    ]
    assert found == stored()
    assert all(pages)


def test_sessions_and_periods_are_chosen(histories, tmp_path):
    _, second, third = histories
    rows = rows_of_csv(exported(tmp_path, second.state.session_id, third.state.session_id))
    assert {row["session_id"] for row in rows} == {str(one.state.session_id) for one in (second, third)}
    since, until = as_datetime(second.now), as_datetime(second.now + 100)
    rows = rows_of_csv(exported(tmp_path, since=since, until=until))
    assert rows
    assert all(as_iso(second.now) <= row["committed_at"] < as_iso(second.now + 100) for row in rows)
    assert len(rows) == SyncEvent.objects.filter(committed_at__gte=since, committed_at__lt=until).count()
    assert rows_of_csv(exported(tmp_path, since=as_datetime(T0) + timedelta(days=1))) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mode": SyncMode.COUNT_UP}, {2}),
        ({"user": "u2"}, {0}),
        ({"status": Status.PENDING}, {2}),
        ({"created_from": as_datetime(T0 + 1)}, {1}),
        ({"user": "nobody"}, set()),
    ],
    ids=["mode", "user", "status", "created", "nobody"],
)
def test_sessions_are_chosen_by_the_filters_of_lists(histories, tmp_path, options, expected):
    rows = rows_of_csv(exported(tmp_path, **options))
    assert {row["session_id"] for row in rows} == {str(histories[n].state.session_id) for n in expected}


def test_deleted_sessions_are_exported_too(histories):
    histories[1].do(cmd.Delete())
    post(histories[1].entries[-1])
    drained()
    assert SyncSession.objects.exclude(deleted_at=None).count() == 1
    assert sum(map(len, Source(Selection()).pages())) == len(stored())
    assert {s.session_id for s in Source(Selection(with_deleted=False, filters=Filters())).sessions()} == {
        one.state.session_id for one in (histories[0], histories[2])
    }


def test_a_file_is_whole_or_absent_and_for_its_owner_only(histories, tmp_path, failing):
    path = exported(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    with failing("audit_syncevent", RuntimeError("broken")), pytest.raises(RuntimeError):
        exported(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_lines_of_influx_are_sent_to_a_url(histories):
    with pytest.raises(CommandError, match="Only --format influx"):
        call_command("audit_export", format="csv", output="http://127.0.0.1:9/")


class Influx:
    """An InfluxDB that answers as it is told, then takes everything."""

    def __init__(self, *answers):
        self.answers, self.bodies, self.tokens, self.waits = list(answers), [], set(), []

    def __call__(self, request):
        answer = self.answers.pop(0) if self.answers else httpx.Response(204)
        self.tokens.add(request.headers.get("Authorization"))
        if isinstance(answer, Exception):
            raise answer
        if answer.is_success:
            self.bodies.append(request.content)
        return answer

    def send(self, *parts):
        transport = httpx.MockTransport(self)
        influx_server.send("http://influx/write?p=hidden", "t0ken", parts, wait=self.waits.append, transport=transport)


def test_batches_are_sent_in_order_and_again_while_the_server_is_busy():
    influx = Influx(httpx.Response(503), httpx.Response(429, headers={"Retry-After": "7"}), httpx.ConnectError("away"))
    influx.send(b"one\n", b"two\n")
    assert influx.bodies == [b"one\n", b"two\n"]
    assert influx.waits == [1.0, 7.0, 4.0]
    assert influx.tokens == {"Token t0ken"}


def test_a_refusal_is_no_reason_to_try_again_and_tells_no_secret():
    influx = Influx(httpx.Response(401, text="unauthorized access"))
    with pytest.raises(influx_server.Rejected) as caught:
        influx.send(b"one\n")
    assert influx.waits == []
    assert "401 unauthorized access" in str(caught.value)
    assert not re.search(r"t0ken|hidden", str(caught.value))


def test_a_server_that_stays_away_ends_the_export():
    influx = Influx(*[httpx.ConnectTimeout("away")] * influx_server.MAX_TRIES)
    with pytest.raises(influx_server.Rejected, match="ConnectTimeout"):
        influx.send(b"one\n")
    assert len(influx.waits) == influx_server.MAX_TRIES - 1
