"""A batch costs a handful of statements, however many commits it holds."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.drain import drain_all
from synckairos.engine import commands as cmd
from tests.outboxes import History, post, tables, waiting

pytestmark = pytest.mark.django_db


def statements(entries):
    """The statements of one drain, by verb and table; those that one insert is split into (SQLite) count once."""
    post(*entries)
    with CaptureQueriesContext(connection) as captured:
        drain_all()
    found = [query["sql"].split(" (")[0][:60] for query in captured if "audit_" in query["sql"]]
    return [sql for number, sql in enumerate(found) if number == 0 or found[number - 1] != sql]


def last_commits(sessions, commits):
    histories = [History().played(3) for _ in range(sessions)]
    post(*(entry for history in histories for entry in history.entries))
    drain_all()
    return [
        entry for history in histories for _ in range(commits) for entry in history.do(cmd.Switch(), 10).entries[-1:]
    ]


def test_a_batch_of_known_sessions_takes_five_statements():
    found = statements(last_commits(50, 8))
    print("\nknown sessions:", *found, sep="\n  ")
    assert len(found) == 5


def test_a_batch_with_new_sessions_takes_nine():
    histories = [History().played(4) for _ in range(100)]
    found = statements([entry for history in histories for entry in history.entries])
    print("\nnew sessions:", *found, sep="\n  ")
    assert len(found) <= 9


def test_a_batch_that_comes_again_is_only_looked_at():
    entries = [entry for _ in range(50) for entry in History().played(10).entries]
    post(*entries)
    drain_all()
    expected = tables()
    found = statements(entries)
    assert (tables(), waiting()) == (expected, 0)
    assert len(found) == 4
    assert all(sql.startswith("SELECT") for sql in found)
