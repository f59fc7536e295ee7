"""Reasons for which the engine refuses a command. Each has an error in the catalogue (synckairos/error_mapping.py)."""

from __future__ import annotations

from uuid import UUID

from synckairos.engine.units import Status


class Refusal(Exception):
    """The command cannot be applied to this state; nothing has changed."""


class WrongStatus(Refusal):
    """The command does not fit the session's status."""

    def __init__(self, verb: str, status: Status, allowed: frozenset[Status]) -> None:
        super().__init__(f"cannot {verb} a session that is {status}")
        self.verb = verb
        self.status = status
        self.allowed = allowed


class NoSuchParticipant(Refusal):
    """A participant named in the command is not in the session."""

    def __init__(self, participant_id: UUID) -> None:
        super().__init__(f"no participant {participant_id}")
        self.participant_id = participant_id


class NotActive(Refusal):
    """The participant that the command names as active is not active."""

    def __init__(self, claimed: UUID, active: UUID | None) -> None:
        super().__init__(f"{claimed} is not the active participant")
        self.claimed = claimed
        self.active = active


class NotTheirTurn(Refusal):
    """A switch in the name of participants none of which is active, or to one of them."""

    def __init__(self, active: UUID | None) -> None:
        super().__init__(f"the turn is {active}'s")
        self.active = active


class VersionMismatch(Refusal):
    """The session is not at the version the command expects."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"expected version {expected}, the session is at {actual}")
        self.expected = expected
        self.actual = actual


class PreconditionFailed(Refusal):
    """The session is at none of the versions at which the command may be applied."""

    def __init__(self, accepted: frozenset[int], actual: int) -> None:
        super().__init__(f"accepted versions {sorted(accepted)}, the session is at {actual}")
        self.accepted = accepted
        self.actual = actual


class Problems(Refusal):
    """The rules that the values of the command break: all of them, as (field, message)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))
        self.problems = problems


class NothingToUndo(Refusal):
    """The last thing that happened in the session is no switch by command, or the switch was taken back already."""

    def __init__(self) -> None:
        super().__init__("there is no switch to undo")


class Unsettled(Refusal):
    """More deadlines are due than one decision applies: commit `observe` until none is due, then decide again."""

    def __init__(self) -> None:
        super().__init__("too many deadlines are due")
