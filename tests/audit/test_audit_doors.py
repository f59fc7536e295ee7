"""Each commit tells by which door it came, in which role, and from which device."""

import asyncio

import pytest

from audit import selectors
from audit.models import SyncCommit
from audit.verification import verify
from synckairos.engine.commands import Pause
from synckairos.engine.units import SyncMode
from synckairos.keyed_hash import hashed
from tests.clocked import Clock
from tests.conftest import client_of
from tests.outboxes import drained
from tests.sockets import screen
from tests.talk import created

pytestmark = pytest.mark.django_db

SLOW = {"Content-Encoding": "identity"}
"""A request with a content coding is served by the view behind the fast path."""


def commits(session_id):
    drained()
    return list(SyncCommit.objects.filter(session__session_id=session_id).order_by("version"))


async def resumed(web, session_id, token):
    async with screen(web, session_id, token, user_agent_header="Screen/2.0") as client:
        await client.until("CONNECTED")
        await client.send(type="RESUME", id="r-1")
        await client.until("ACK")


def test_rest_and_sockets_tell_door_role_and_device(webs, api, token, staff_token, game):
    session_id = created(api, game)["session_id"]
    path = f"/v1/sessions/{session_id}"
    agent = {"User-Agent": "Board/1.0"}
    assert api.post(f"{path}/start", headers=agent).status_code == 200
    assert api.post(f"{path}/switch", headers=agent | SLOW | {"Idempotency-Key": "press-1"}).status_code == 200
    with client_of(webs[1], staff_token) as staff:
        assert staff.post(f"{path}/pause").status_code == 200
    asyncio.run(resumed(webs[0], session_id, token))
    rows = commits(session_id)
    assert [(row.door, row.role) for row in rows] == [
        *(("rest", "owner"), ("rest", "owner"), ("rest", "owner"), ("rest", "staff"), ("socket", "owner"))
    ]
    assert {bytes(row.address) for row in rows} == {hashed("127.0.0.1")}
    assert [bytes(row.user_agent) for row in rows[1:3]] == [hashed("Board/1.0")] * 2
    assert bytes(rows[4].user_agent) == hashed("Screen/2.0")
    assert [bytes(row.client_key) for row in rows] == [b"", b"", hashed("press-1"), b"", hashed("r-1")]
    result = verify(selectors.session_get(session_id))
    assert (result.events, result.unchained, result.finding) == (5, 0, None)


def test_deadlines_that_somebody_s_command_applied_are_in_its_commit_and_are_the_timekeeper_s():
    clock = Clock()
    session_id = clock.start(sync_mode=SyncMode.PER_CYCLE, time_per_cycle_ms=1_000, auto_advance=True)
    clock.now_ms += 2_500
    clock.do(session_id, Pause())
    *_, last = commits(session_id)
    events = list(last.session.events.filter(commit_version=last.version).order_by("sequence"))
    assert [event.principal for event in events] == ["timekeeper"] * 4 + [last.principal]
    assert verify(selectors.session_get(session_id)).finding is None
