"""What an error's message says: what is wrong, and what to do about it."""

from __future__ import annotations

import ast
from uuid import UUID

import pytest

from synckairos import error_mapping, errors
from synckairos.conf import conf
from synckairos.engine import refusals
from synckairos.engine.units import Status
from tests.contracts.test_architecture import ROOMS, ROOT

VALIDATION = "Request validation failed"
"""Clients of SyncKairos 2 know it like that; what to do is in the details."""
MADE = [
    errors.SessionNotFound(UUID(int=1)),
    errors.ParticipantNotFound(UUID(int=1)),
    errors.SessionAlreadyExists(UUID(int=1)),
    errors.SessionLimitExceeded("live", 1000),
    errors.PreconditionFailed(None, None),
    errors.CredentialsExpired(1),
    *(
        error_mapping.from_refusal(refusal)
        for refusal in (
            refusals.WrongStatus("pause", Status.PENDING, frozenset({Status.RUNNING})),
            refusals.NotActive(UUID(int=1), None),
            refusals.NotTheirTurn(None),
            refusals.VersionMismatch(3, 4),
            refusals.PreconditionFailed(frozenset({3}), 4),
        )
    ),
]
NAMED = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ApiError)]
TEXTS = {kind.message for kind in NAMED if "message" in vars(kind)} - {VALIDATION} | {error.text for error in MADE}


@pytest.mark.parametrize("text", sorted(TEXTS))
def test_a_message_says_what_is_wrong_and_then_what_to_do(text):
    wrong, _, to_do = text.partition(": ")
    assert wrong
    assert to_do
    assert "please" not in text.lower()


def test_every_kind_of_error_is_looked_at():
    shown = {type(error) for error in MADE}
    texts = [kind for kind in NAMED if "message" in vars(kind) or kind in shown]
    assert set(NAMED) - set(texts) == {errors.InternalError, errors.InvalidStateTransition} - shown


def test_nobody_is_told_to_retry_without_being_told_how():
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert "please retry" not in node.value, path


def test_a_command_on_a_version_that_is_over_is_told_both_versions_and_to_read_again(api, game):
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    error = api.post(f"/v1/sessions/{session_id}/start", json={"expected_version": 7}).json()["error"]
    assert error["code"] == "CONFLICT"
    assert error["message"].startswith("The session is at version 1, not 7: read it")


def test_the_bounds_in_messages_are_those_that_hold():
    assert f"{conf().max_body_bytes // 1024} KiB" in errors.PayloadTooLarge.message
    assert f"{conf().max_address_bytes // 1024} KiB" in errors.AddressTooLong.message
    assert f"{conf().max_headers} and {conf().max_head_bytes // 1024} KiB" in errors.HeadersTooLarge.message
