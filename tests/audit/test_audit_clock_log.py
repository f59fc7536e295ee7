"""`manage.py clock_log`: the clock log of a session, from the audit's rows."""

import csv
import io
import json
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from synckairos.engine import commands as cmd
from synckairos.engine.controls.byo_yomi import ByoYomi
from tests.outboxes import T0, History, creation, drained, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def played():
    """A game in byo-yomi whose second switch was taken back, written to the audit."""
    history = History(creation(time_control=ByoYomi(periods=5, period_ms=30_000)))
    for command, after_ms in [
        *((cmd.Start(), 0), (cmd.Switch(), 10_500), (cmd.Switch(), 2_000)),
        *((cmd.UndoSwitch("A wrong press."), 1_000), (cmd.Switch(), 500), (cmd.Switch(), 85_000)),
    ]:
        history.do(command, after_ms)
    post(*history.entries)
    drained()
    return history


def printed(capsys, *args):
    call_command("clock_log", *args)
    return capsys.readouterr().out


def test_each_turn_is_a_line(played, capsys):
    rows = list(csv.DictReader(io.StringIO(printed(capsys, str(played.state.session_id)))))
    found = [(row["used_ms"], row["left_ms"], row["phase"], row["periods_left"], row["is_undone"]) for row in rows]
    assert found == [
        ("10500", "49500", "main", "0", "False"),
        ("2000", "58000", "main", "0", "True"),
        ("3500", "56500", "main", "0", "False"),
        ("85000", "30000", "byo_yomi", "4", "False"),
    ]
    assert (rows[0]["clk"], rows[0]["emt"]) == ("0:00:49.5", "0:00:10.5")


def test_json_lines_hold_the_same(played, capsys):
    lines = printed(capsys, str(played.state.session_id), "--format", "jsonl").splitlines()
    first = json.loads(lines[0])
    assert (first["number"], first["ended_by"], first["left_ms"]) == (1, "switch", 49_500)
    assert len(lines) == 4


def test_comments_of_a_game_record_leave_out_what_was_taken_back(played, capsys):
    assert printed(capsys, str(played.state.session_id), "--format", "comments").splitlines() == [
        "1. {[%emt 0:00:10.5] [%clk 0:00:49.5]}",
        "2. {[%emt 0:00:03.5] [%clk 0:00:56.5]}",
        "3. {[%emt 0:01:25] [%clk 0:00:30]}",
    ]


def test_a_session_that_the_audit_does_not_have_is_an_error():
    with pytest.raises(CommandError, match="no such session"):
        call_command("clock_log", str(uuid4()))


def test_a_history_with_a_gap_is_an_error(capsys):
    history = History(creation(), at=T0).played(4)
    post(history.entries[0], history.entries[-1])
    drained()
    with pytest.raises(CommandError, match="not written yet"):
        call_command("clock_log", str(history.state.session_id))
