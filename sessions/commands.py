"""The table of commands: each is declared once. Routes, frames, permissions and both documents derive from it.

The engine decides what a command does and in which statuses (synckairos/engine/decide.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct, structs

from sessions.requests.bodies import (
    AdjustClockRequest,
    AssignTurnRequest,
    Body,
    CommandRequest,
    EmptyRequest,
    SwitchRequest,
    UndoSwitchRequest,
)
from synckairos.auth.permissions import Action
from synckairos.engine import commands


class CommandType(Struct, frozen=True):
    """One command to a session."""

    kind: type[commands.Command]
    """The engine's command. It takes the values of the body's fields in their order."""
    action: Action
    """The row of the permissions table (synckairos/auth/permissions.py)."""
    verb: str = ""
    """The last part of its REST address, and in capitals the `type` of its frame. Empty for commands whose REST address
    is their own (sessions/rest/urls.py), and which sockets do not have."""
    body: type[Body] = EmptyRequest
    """Fields of the REST body and, with an `id`, of the frame."""
    summary: str = ""
    """For the documents. Sentences after the first are the frame's description."""
    method: str = "POST"
    """The method of its REST address."""
    frame_type: str = ""
    """The `type` of its frame, if that is not the verb."""
    operation: str = ""
    """The name of the operation in the OpenAPI document, if it is not made of the verb."""

    @property
    def frame(self) -> str:
        """Return the `type` of the frame."""
        return self.frame_type or self.verb.upper()

    @property
    def operation_id(self) -> str:
        """Return the name of the operation."""
        return self.operation or f"{self.verb}Session"

    @property
    def has_required_fields(self) -> bool:
        """Return true if the body has a field without a default."""
        return any(field.required for field in structs.fields(self.body))

    def command(self, values: tuple[Any, ...]) -> commands.Command:
        """Return the engine's command with the values of the body's fields."""
        return self.kind(*values)


COMMANDS = (  # in the order of a session's life, which is the order in the documents
    CommandType(commands.Start, Action.START, "start", CommandRequest, "Start a session that is pending"),
    CommandType(
        commands.Switch,
        Action.SWITCH,
        "switch",
        SwitchRequest,
        "End the running cycle and begin the next. `current_participant_id` refuses it unless that participant is the "
        "active one: a second press is then harmless.",
    ),
    CommandType(
        commands.UndoSwitch,
        Action.UNDO,
        "undo",
        UndoSwitchRequest,
        "Take the last switch back. The turn returns, and the time since the switch is the returned one's. It is "
        "refused with CONFLICT when anything else has happened since.",
        operation="undoSwitch",
    ),
    CommandType(commands.Pause, Action.PAUSE, "pause", CommandRequest, "Pause a session that is running"),
    CommandType(commands.Resume, Action.RESUME, "resume", CommandRequest, "Resume a session that is paused"),
    CommandType(
        commands.Complete,
        Action.COMPLETE,
        "complete",
        CommandRequest,
        "Complete a session that is pending, running or paused",
    ),
    CommandType(
        commands.Cancel, Action.CANCEL, "cancel", CommandRequest, "Cancel a session that is pending, running or paused"
    ),
    CommandType(
        commands.AdjustClock,
        Action.ADJUST_TIME,
        "clock",
        AdjustClockRequest,
        "Adjust the clock that runs. While the session is paused or pending, it is the clock that will run next. "
        "`at_least_ms` leaves a clock alone that has more: of many bids at once, none shortens what another has given.",
        method="PATCH",
        frame_type="ADJUST_CLOCK",
        operation="adjustClock",
    ),
    CommandType(
        commands.AssignTurn,
        Action.ASSIGN_TURN,
        "turn",
        AssignTurnRequest,
        "Set whose turn it is. The turn that this interrupts does not count as finished, and earns nothing.",
        frame_type="ASSIGN_TURN",
        operation="assignTurn",
    ),
    CommandType(commands.AddParticipant, Action.ADD_PARTICIPANT),
    CommandType(commands.AdjustTime, Action.ADJUST_TIME),
    CommandType(commands.AssignSeat, Action.ASSIGN_SEAT),
    CommandType(commands.Delete, Action.DELETE),
    CommandType(commands.GrantAccess, Action.SHARE),
    CommandType(commands.RevokeAccess, Action.SHARE),
)
COMMAND_BY_VERB: Mapping[str, CommandType] = MappingProxyType({row.verb: row for row in COMMANDS if row.verb})
ACTION_BY_COMMAND: Mapping[type[commands.Command], Action] = MappingProxyType(
    {row.kind: row.action for row in COMMANDS}
)
