"""A session from the audit counts for the events from which it is made, which snapshots keep few."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client

from audit.models import SyncSnapshot
from sessions.services import sessions
from sessions.services.commits import SNAPSHOT_EVERY
from synckairos.auth.principal import mint
from synckairos.conf import Rate
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from tests import servers
from tests.conftest import bearer, client_of
from tests.outboxes import ALICE, creation, drained
from tests.talk import at

pytestmark = pytest.mark.django_db(transaction=True)
HOUR_MS = 3_600_000


@pytest.fixture
def played():
    """A session of Alice with more than two hundred events, all of them in the audit."""
    state = run_blocking(sessions.create(creation(warning_thresholds_ms=()), None, ALICE)).state
    run_blocking(sessions.execute(state.session_id, cmd.Start(), ALICE))
    while state.sequence < 2 * SNAPSHOT_EVERY + 40:
        state = run_blocking(sessions.execute(state.session_id, cmd.Switch(), ALICE)).state
    drained()
    return {"session_id": str(state.session_id)}


def left(answer):
    """What is left of the general limit."""
    assert answer.status_code == 200, answer.content
    scope, remaining, _ = answer.headers["RateLimit"].split(", ")[0].split(";")
    assert scope == '"general"'
    return int(remaining.removeprefix("r="))


@pytest.fixture
def cost(played, configure):
    """`cost(…)` is the number of requests for which a read with these query parameters counts."""
    client = Client(headers=bearer(mint("alice", is_staff=True)))
    configure(rate_general=Rate(1_000, HOUR_MS))
    before = 1_000

    def of(**query):
        nonlocal before
        now = left(client.get(at(played), query))
        used, before = before - now, now
        return used

    return of


@pytest.mark.parametrize("sequence", [1, SNAPSHOT_EVERY - 1, SNAPSHOT_EVERY, 2 * SNAPSHOT_EVERY - 1])
def test_a_past_state_counts_for_one_however_long_the_history_is(cost, sequence):
    assert cost(sequence=sequence) == 1


def test_without_snapshots_a_past_state_counts_for_one_more_with_each_hundred_events(cost):
    SyncSnapshot.objects.all().delete()
    assert [cost(sequence=sequence) for sequence in (100, 101, 200, 201)] == [1, 2, 2, 3]


@pytest.mark.parametrize(("has_snapshots", "counts_for"), [(True, 1), (False, 3)])
def test_an_archived_session_counts_likewise_at_the_view_and_on_the_fast_path(
    cost, played, audit_url, has_snapshots, counts_for
):
    run_blocking(sessions.execute(UUID(played["session_id"]), cmd.Complete(), ALICE))
    drained()
    redis_client.blocking_client().delete(keys.state(UUID(played["session_id"])))
    if not has_snapshots:
        SyncSnapshot.objects.all().delete()
    assert cost(fields="version") == counts_for
    web = servers.web(DATABASE_URL=audit_url, RATE_LIMIT_GENERAL="1000/h").wait_ready()
    try:
        with client_of(web, mint("moderator", is_staff=True)) as client:
            assert left(client.get(at(played))) == 1_000 - counts_for
    finally:
        web.stop()
