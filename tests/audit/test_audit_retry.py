"""`manage.py audit_retry`: what was set aside is listed with reasons, and tried again on demand."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from audit.drain import drain_all
from audit.models import SyncEvent
from synckairos.engine import commands as cmd
from tests.outboxes import History, dead, post, refused, waiting

pytestmark = pytest.mark.django_db


def retry(*arguments):
    out = StringIO()
    call_command("audit_retry", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def both(failing):
    """One entry that can never be read, and the last one of a session that the database has refused once."""
    history = History().do(cmd.Start(), 5, "mallory")
    post(b"\xc1poison", *history.entries)
    with failing("mallory", IntegrityError("no")):
        drain_all()
    assert (len(dead()), refused()) == (1, [1])
    return history


def test_without_arguments_all_are_listed_with_reasons_and_nothing_moves(both):
    text = retry()
    assert "DecodeError" in text
    assert "IntegrityError" in text
    assert "dead letters: 1; tried again by themselves: 1 refused by the database" in text
    assert (len(dead()), refused(), waiting()) == (1, [1], 0)
    assert {json.loads(line)["state"] for line in retry("--json").splitlines()} == {"dead", "refused"}


def test_all_are_tried_again_at_once_each_shown_with_its_reason(both):
    first, second, total = retry("--all").splitlines()
    assert "DecodeError" in first
    assert str(both.state.session_id) in second
    assert total == "sent again: 2"
    assert (dead(), refused(), waiting()) == ([], [], 2)
    drain_all()
    assert SyncEvent.objects.count() == both.state.sequence
    assert len(dead()) == 1, "what cannot be read comes back"


def test_one_or_those_of_a_session_are_tried_again(both):
    assert "sent again: 1" in retry("--session", str(both.state.session_id))
    assert (len(dead()), refused(), waiting()) == (1, [], 1)
    (letter,) = map(json.loads, retry("--json").splitlines())
    assert "sent again: 1" in retry(letter["id"])
    assert (len(dead()), waiting()) == (0, 2)
    with pytest.raises(CommandError, match="Not there"):
        retry(letter["id"])
