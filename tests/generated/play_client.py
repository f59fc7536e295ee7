"""Plays a short game by the client that openapi-python-client has made. Prints what it has seen, as JSON.

Run by test_generated_clients.py in the generators' environment, with the client's package in the path.
"""

from __future__ import annotations

import json
import os
from uuid import UUID

from made import AuthenticatedClient
from made.api.sessions import create_session, get_session, start_session, switch_session
from made.models import (
    ByoYomi,
    CommandRequest,
    CreateSessionRequest,
    ErrorResponse,
    JsonObject,
    PartialStateResponse,
    ParticipantRequest,
    Stages,
    StateResponse,
    SwitchRequest,
    SwitchResponse,
    SyncMode,
)

WHITE = UUID("aaaaaaaa-0000-4000-8000-000000000001")
BLACK = UUID("bbbbbbbb-0000-4000-8000-000000000002")

client = AuthenticatedClient(base_url=os.environ["URL"], token=os.environ["TOKEN"])
made = create_session.sync(
    client=client,
    body=CreateSessionRequest(
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=[ParticipantRequest(participant_id=seat, total_time_ms=60_000) for seat in (WHITE, BLACK)],
        metadata=JsonObject.from_dict({"title": "python", "rounds": [1, 2]}),
    ),
)
assert isinstance(made, StateResponse)
session_id = made.data.session_id
started = start_session.sync(session_id, client=client, body=CommandRequest(expected_version=1))
assert isinstance(started, StateResponse)
switched = switch_session.sync(
    session_id, client=client, body=SwitchRequest(current_participant_id=WHITE), idempotency_key="python"
)
assert isinstance(switched, SwitchResponse)
read = get_session.sync(session_id, client=client)
assert isinstance(read, StateResponse)
part = get_session.sync(session_id, client=client, fields="status,version")
assert isinstance(part, PartialStateResponse)
assert part.data.version == read.data.version
refused = start_session.sync(session_id, client=client, body=CommandRequest())
assert isinstance(refused, ErrorResponse)


def control_of(time_control: ByoYomi | str) -> ByoYomi | Stages:
    """The time control of a session that is created with this one."""
    players = [ParticipantRequest(participant_id=seat) for seat in (WHITE, BLACK)]
    creation = CreateSessionRequest(sync_mode=SyncMode.PER_PARTICIPANT, participants=players, time_control=time_control)
    answer = create_session.sync(client=client, body=creation)
    assert isinstance(answer, StateResponse)
    control = answer.data.time_control
    assert isinstance(control, ByoYomi | Stages)
    return control


byo_yomi = control_of(ByoYomi(type_="byo_yomi", main_time_ms=60_000, periods=3, period_ms=30_000))
stages = control_of("40/5400+30:1800+30")
assert isinstance(byo_yomi, ByoYomi)
assert isinstance(stages, Stages)
print(
    json.dumps(
        {
            "started": started.data.status.value,
            "active": str(switched.data.active_participant_id),
            "version": read.data.version,
            "metadata": read.data.metadata.to_dict() if isinstance(read.data.metadata, JsonObject) else None,
            "refused": refused.error.code,
            "periods": byo_yomi.periods,
            "turns": stages.stages[0].turns,
        }
    )
)
