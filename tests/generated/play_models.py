"""Plays a short game by the models that datamodel-codegen has made. Prints what it has seen, as JSON.

Run by test_generated_clients.py in the generators' environment, with the module in the path.
"""

from __future__ import annotations

import json
import os
from uuid import UUID

import httpx
from made_models import (
    ByoYomi,
    CreateSessionRequest,
    ErrorResponse,
    ParticipantRequest,
    Stages,
    StateResponse,
    SwitchRequest,
    SwitchResponse,
    SyncMode,
    TimeControl,
)
from pydantic import BaseModel

WHITE = UUID("aaaaaaaa-0000-4000-8000-000000000001")
BLACK = UUID("bbbbbbbb-0000-4000-8000-000000000002")


def sent(address: str, body: BaseModel | None = None) -> httpx.Response:
    """The answer to a POST of a model."""
    text = "" if body is None else body.model_dump_json(exclude_unset=True)
    return client.post(address, content=text, headers={"Content-Type": "application/json"})


def control_of(time_control: TimeControl | str) -> ByoYomi | Stages:
    """The time control of a session that is created with this one."""
    players = [ParticipantRequest(participant_id=seat) for seat in (WHITE, BLACK)]
    creation = CreateSessionRequest(sync_mode=SyncMode.per_participant, participants=players, time_control=time_control)
    answer = StateResponse.model_validate_json(sent("/v1/sessions", creation).text)
    assert answer.data.time_control is not None
    control = answer.data.time_control.root
    assert isinstance(control, ByoYomi | Stages)
    return control


with httpx.Client(base_url=os.environ["URL"], headers={"Authorization": f"Bearer {os.environ['TOKEN']}"}) as client:
    creation = CreateSessionRequest(
        sync_mode=SyncMode.per_participant,
        participants=[ParticipantRequest(participant_id=seat, total_time_ms=60_000) for seat in (WHITE, BLACK)],
        metadata={"title": "pydantic", "rounds": [1, 2]},
    )
    made = StateResponse.model_validate_json(sent("/v1/sessions", creation).text)
    address = f"/v1/sessions/{made.data.session_id}"
    started = StateResponse.model_validate_json(sent(f"{address}/start").text)
    body = SwitchRequest(current_participant_id=WHITE)
    switched = SwitchResponse.model_validate_json(sent(f"{address}/switch", body).text)
    read = StateResponse.model_validate_json(client.get(address).text)
    refused = ErrorResponse.model_validate_json(sent(f"{address}/start").text)
    byo_yomi = control_of(TimeControl(ByoYomi(type="byo_yomi", main_time_ms=60_000, periods=3, period_ms=30_000)))
    stages = control_of("40/5400+30:1800+30")

assert isinstance(byo_yomi, ByoYomi)
assert isinstance(stages, Stages)

print(
    json.dumps(
        {
            "started": started.data.status.value,
            "active": str(switched.data.active_participant_id),
            "version": read.data.version,
            "metadata": None if read.data.metadata is None else read.data.metadata.model_dump(),
            "refused": refused.error.code,
            "periods": byo_yomi.periods,
            "turns": stages.stages[0].turns,
        }
    )
)
