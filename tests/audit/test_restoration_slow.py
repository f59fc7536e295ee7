"""The store loses 500 running sessions under connected clients, and `restore_sessions` brings all of them back."""

from __future__ import annotations

import resource
import time
from contextlib import AsyncExitStack

import pytest

from audit import selectors
from audit.drain import drain_all
from audit.verification import verify
from sessions.services import sessions
from sessions.services.outcome import Caller
from synckairos.auth.principal import SYSTEM, Principal, mint
from synckairos.engine import commands as cmd
from synckairos.engine.state import Access
from synckairos.engine.units import Status
from synckairos.redis import client as redis_client
from synckairos.redis.procedures import run_blocking
from tests import servers
from tests.clients.watching import watching
from tests.outboxes import creation
from tests.restoring import in_thread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]

SESSIONS, SWITCHES, WATCHED = 500, 20, 100
ALICE = Caller(Principal("alice", is_staff=False, expires_s=2**40), request_id="r-1")
WITHIN_S = 10.0


def played():
    """A running session of alice."""
    state = run_blocking(sessions.create(creation(access=Access("alice")), None, ALICE)).state
    for command in (cmd.Start(), *[cmd.Switch()] * SWITCHES):
        state = run_blocking(sessions.execute(state.session_id, command, ALICE)).state
    return state


def now(session_id):
    return run_blocking(sessions.get(session_id, SYSTEM)).state


def restored(policy, database_url):
    """Run the command as operators do; return the seconds that it took, and those of processor time."""
    began_s, used_s = time.monotonic(), processor_s()
    command = servers.managed("restore_sessions", "--running", policy, DATABASE_URL=database_url)
    status = command.process.wait(servers.STOPS_WITHIN_S)
    assert status == 0, command.output()
    return time.monotonic() - began_s, processor_s() - used_s


def processor_s():
    """Seconds of processor time of all ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("policy", ["charge", "pause"])
async def test_500_running_sessions_are_back_within_ten_seconds(webs, audit_url, policy):
    before = await in_thread(lambda: [played() for _ in range(SESSIONS)])
    await in_thread(drain_all, 60)
    token = mint("alice", is_staff=False)
    async with AsyncExitStack() as stack:
        watchers = [
            await stack.enter_async_context(watching(webs[n % 2].url, str(state.session_id), token))
            for n, state in enumerate(before[:WATCHED])
        ]
        for watcher in watchers:
            await watcher.until(lambda update: update.is_connected and update.state)
        redis_client.blocking_client().flushall()
        for watcher in watchers:
            await watcher.until(lambda update: not update.is_connected)
        took_s, used_s = await in_thread(restored, policy, audit_url)
        after = await in_thread(lambda: [now(state.session_id) for state in before])
        for watcher, state in zip(watchers, after, strict=False):
            shown = await watcher.until(lambda update, epoch=state.epoch: update.state["epoch"] == epoch)
            assert shown.state["version"] == state.version
    began_ms = max(state.updated_ms for state in before)
    for old, new in zip(before, after, strict=True):
        charged_ms = began_ms - old.cycle.started_ms if policy == "pause" else 0
        assert new.status is (Status.PAUSED if policy == "pause" else Status.RUNNING)
        assert new.cycle.started_ms == (None if policy == "pause" else old.cycle.started_ms)
        left = [seat.total_time_ms - charged_ms * (place == old.active) for place, seat in enumerate(old.participants)]
        assert [seat.total_time_ms for seat in new.participants] == left
    await in_thread(drain_all, 60)
    rows = await in_thread(lambda: [selectors.session_get(state.session_id) for state in after])
    findings = await in_thread(lambda: [verify(row).finding for row in rows])
    assert findings == [None] * SESSIONS
    which = f"{SESSIONS} sessions of {SWITCHES + 2} commits ({policy})"
    print(f"{which} restored in {took_s:.1f} s, {used_s:.1f} s of processor time")
    assert used_s < WITHIN_S  # what it took depends on what else the machine does
