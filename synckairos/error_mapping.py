"""Mapping of the engine's refusals to errors of the API (errors.py)."""

from __future__ import annotations

from synckairos.engine import refusals
from synckairos.engine.refusals import Refusal
from synckairos.errors import (
    ApiError,
    Conflict,
    Forbidden,
    InternalError,
    InvalidStateTransition,
    ParticipantNotFound,
    PreconditionFailed,
    ValidationFailed,
)


def from_refusal(refusal: Refusal) -> ApiError:  # noqa: PLR0911 - one arm for each kind
    """Return the error of the API for a refusal of the engine."""
    match refusal:
        case refusals.WrongStatus(verb=verb, status=status, allowed=allowed):
            wanted = " or ".join(sorted(allowed))
            return InvalidStateTransition(f"Cannot {verb} this session (current status: {status}): it must be {wanted}")
        case refusals.NoSuchParticipant(participant_id=participant_id):
            return ParticipantNotFound(participant_id)
        case refusals.NotActive(claimed=claimed, active=active):
            return Conflict(
                f"Participant {claimed} is not the active one: the turn has passed on already, and nothing was done",
                details={"active_participant_id": None if active is None else str(active)},
            )
        case refusals.NotTheirTurn(active=active):
            return Forbidden(
                "It is not your turn, or would be yours again: wait until one of your seats is active",
                details={"active_participant_id": None if active is None else str(active)},
            )
        case refusals.VersionMismatch(expected=expected, actual=actual):
            return Conflict(
                f"The session is at version {actual}, not {expected}: read it, and decide again on what it is now",
                details={"expected_version": expected, "actual_version": actual},
            )
        case refusals.PreconditionFailed(accepted=accepted, actual=actual):
            return PreconditionFailed(accepted, actual)
        case refusals.NothingToUndo():
            return Conflict("There is no switch to undo: something else has happened since, or it was undone already")
        case refusals.Problems(problems=problems):
            return ValidationFailed(problems)
        case _:
            return InternalError()
