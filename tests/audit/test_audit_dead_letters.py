"""`manage.py audit_dead_letters`: staff see what was not written and why, and send it again."""

import json
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from audit.drain import drain_all
from audit.models import SyncEvent
from synckairos import outbox
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.filling import full
from tests.outboxes import History, dead, post, refused, waiting
from tests.servers import free_port

pytestmark = pytest.mark.django_db


def command(*arguments, **options):
    out = StringIO()
    call_command("audit_dead_letters", *arguments, stdout=out, **options)
    return out.getvalue()


def listed(*arguments):
    return [json.loads(line) for line in command(*arguments, "--json").splitlines()]


def add_dead_letters(*entries):
    """These become dead letters with all that the drain notes; as if nothing were wrong with them now."""
    post(*entries)
    for entry in [*redis_client.blocking_client().xrange(keys.outbox(0))]:
        entry_id, fields = entry
        notes = {"id": entry_id, "error": "IntegrityError", "reason": "IntegrityError: CheckViolation 23514"}
        redis_client.blocking_client().xadd(keys.outbox_dead(0), fields | notes)
        redis_client.blocking_client().xdel(keys.outbox(0), entry_id)


def test_they_are_listed_with_reason_and_session_as_text_and_as_json():
    history = History()
    add_dead_letters(*history.entries)
    post(b"\xc1poison")
    drain_all()
    first, second = listed()
    assert first["session_id"] == str(history.state.session_id)
    assert first["reason"] == "IntegrityError: CheckViolation 23514"
    assert (second["session_id"], second["reason"]) == (None, "DecodeError")
    assert first["state"] == second["state"] == "dead"
    text = command()
    assert first["id"] in text
    assert "CheckViolation 23514" in text
    assert "dead letters: 2; tried again by themselves: 0 refused by the database, 0 of a newer release" in text


def test_all_are_sent_again_and_written():
    history = History().played(5)
    add_dead_letters(*history.entries)
    assert command("--send-again", "--all") == "sent again: 5\n"
    assert (dead(), waiting()) == ([], 5)
    assert [set(fields) for _, fields in redis_client.blocking_client().xrange(keys.outbox(0))] == [{b"e"}] * 5
    drain_all()
    assert SyncEvent.objects.count() == history.state.sequence


def test_one_is_sent_again_or_those_of_a_session():
    one, other = History().played(3), History().played(4)
    add_dead_letters(*one.entries, *other.entries)
    name = listed("--session", str(one.state.session_id))[0]["id"]
    assert command("--send-again", name) == "sent again: 1\n"
    assert command("--send-again", "--session", str(other.state.session_id)) == "sent again: 4\n"
    assert len(dead()) == 2
    drain_all()
    assert SyncEvent.objects.count() == 1 + other.state.sequence


def test_a_poisoned_letter_that_is_sent_again_comes_back_once_and_not_for_ever():
    post(b"\xc1poison")
    drain_all()
    assert command("--send-again", "--all") == "sent again: 1\n"
    drain_all()
    assert len(dead()) == 1


def test_nothing_is_deleted_unless_it_is_said_which():
    add_dead_letters(*History().played(3).entries)
    for wrong in (["--delete"], ["--send-again"], ["--delete", "--all", "0/1-1"], ["--delete", "--session", "x"]):
        with pytest.raises(CommandError):
            command(*wrong)
    with pytest.raises(CommandError, match="at least 1"):
        command("--limit", "0")
    assert len(dead()) == 3
    assert command("--delete", listed()[0]["id"]) == "deleted: 1\n"
    assert command("--delete", "--all") == "deleted: 2\n"
    assert (dead(), waiting()) == ([], 0)


def test_what_is_named_and_not_there_is_an_error():
    add_dead_letters(*History().entries)
    for action in ([], ["--send-again"], ["--delete"]):
        with pytest.raises(CommandError, match="Not there: 0/77-7"):
            command("0/77-7", *action)
    assert len(dead()) == 1


def test_those_from_before_the_store_s_clock_was_set_back_are_found_too():
    entry_id = f"{int(time.time() * 1000) + 3_600_000}-0"
    redis_client.blocking_client().xadd(
        keys.outbox_dead(0), {"e": outbox.encode(History().entries[0]), "error": "IntegrityError"}, id=entry_id
    )
    assert [one["id"] for one in listed()] == [f"0/{entry_id}"]
    assert command("--send-again", "--all") == "sent again: 1\n"


def test_many_are_listed_in_part_and_sent_again_in_full():
    pipe = redis_client.blocking_client().pipeline(transaction=False)
    for _ in range(3_000):
        pipe.xadd(keys.outbox_dead(0), {"e": b"\xc1", "error": "DecodeError"})
    pipe.execute()
    assert len(listed()) == 50
    assert "There are more" in command("--limit", "10")
    assert command("--send-again", "--all", "--limit", "100") == "sent again: 100\n"
    assert command("--send-again", "--all") == "sent again: 2900\n"
    assert (len(dead()), waiting()) == (0, 3_000)


def test_those_that_wait_for_the_next_try_are_shown_and_sent_at_once_on_demand(failing):
    history = History().do(cmd.Start(), 5, "mallory")
    post(*history.entries)
    with failing("mallory", IntegrityError("no")):
        drain_all()
    assert listed() == []
    (one,) = listed("--waiting")
    assert (one["state"], one["tries"], one["reason"]) == ("refused", 1, "IntegrityError")
    assert command("--send-again", "--all", "--waiting") == "sent again: 1\n"
    assert refused() == []
    drain_all()
    assert SyncEvent.objects.count() == history.state.sequence


def test_it_works_on_a_full_store_and_says_when_the_store_is_away(configure):
    add_dead_letters(*History().played(3).entries)
    with full():
        assert command("--send-again", "--all") == "sent again: 3\n"
    configure(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    for action in ([], ["--send-again", "--all"], ["--delete", "--all"]):
        with pytest.raises(CommandError, match="state store cannot be reached"):
            command(*action)
