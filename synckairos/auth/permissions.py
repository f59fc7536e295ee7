"""Who may do what with a session: one table, which the service asks for every door (docs/access.md).

A role is worked out from the session's own state, which every command reads anyway: no right costs a round trip, and a
revoked token and a command cannot pass each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from synckairos.auth.grants import Role, SessionGrant
from synckairos.auth.principal import Principal
from synckairos.engine import commands as cmd
from synckairos.engine.state import NO_PERSON, Access, State
from synckairos.engine.units import Visibility
from synckairos.errors import Forbidden, SessionNotFound, Unauthenticated
from synckairos.ids import parse_uuid


class Action(StrEnum):
    """What can be done with a session that exists."""

    READ = "read"
    """The state, its summary, who is there; sockets, streams and polls."""
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    SWITCH = "switch"
    COMPLETE = "complete"
    CANCEL = "cancel"
    ADD_PARTICIPANT = "add_participant"
    """Without naming a person for the seat: that is `ASSIGN_SEAT`."""
    ADJUST_TIME = "adjust_time"
    ASSIGN_SEAT = "assign_seat"
    """Say which person a participant is, or that it is none: what a session token cannot give, nor take back."""
    DELETE = "delete"
    SHARE = "share"
    """Give out session tokens, and revoke them."""


_OWNERS = frozenset({Role.STAFF, Role.OWNER})
_COMMANDERS = _OWNERS | {Role.CONTROLLER}
_PLAYERS = _COMMANDERS | {Role.PARTICIPANT}

ALLOWED_ROLES: Mapping[Action, frozenset[Role]] = MappingProxyType(
    {
        Action.READ: frozenset(Role),
        Action.START: _COMMANDERS,
        Action.PAUSE: _COMMANDERS,
        Action.RESUME: _COMMANDERS,
        Action.SWITCH: _PLAYERS,  # a participant its own turn only: `restrict`
        Action.COMPLETE: _COMMANDERS,
        Action.CANCEL: _COMMANDERS,
        Action.ADD_PARTICIPANT: _COMMANDERS,
        Action.ADJUST_TIME: _OWNERS,
        Action.ASSIGN_SEAT: _OWNERS,
        Action.DELETE: _OWNERS,
        Action.SHARE: _OWNERS,
    }
)
"""Which roles may do what. Everybody else may not, and who has no role at all does not even learn that it exists."""

PARTICIPANT_PERMISSIONS = (Action.PAUSE, Action.RESUME)
"""What a session's own `permissions` may allow its participants besides."""

ACTION_BY_COMMAND: Mapping[type[cmd.Command], Action] = MappingProxyType(
    {
        cmd.Start: Action.START,
        cmd.Pause: Action.PAUSE,
        cmd.Resume: Action.RESUME,
        cmd.Switch: Action.SWITCH,
        cmd.Complete: Action.COMPLETE,
        cmd.Cancel: Action.CANCEL,
        cmd.AddParticipant: Action.ADD_PARTICIPANT,
        cmd.AdjustTime: Action.ADJUST_TIME,
        cmd.AssignSeat: Action.ASSIGN_SEAT,
        cmd.Delete: Action.DELETE,
        cmd.RevokeAccess: Action.SHARE,
    }
)


class ParticipantLike(Protocol):
    """A participant, as far as rights go."""

    @property
    def participant_id(self) -> UUID: ...
    @property
    def user_id(self) -> str | None: ...


class SessionAccess(Protocol):
    """A session, as far as rights go: a whole state, or `AccessSnapshot`."""

    @property
    def session_id(self) -> UUID: ...
    @property
    def epoch(self) -> str: ...
    @property
    def access(self) -> Access: ...
    @property
    def participants(self) -> Iterable[ParticipantLike]: ...


class ParticipantIdentity(Struct, frozen=True, array_like=True):
    """A participant on the guest list."""

    participant_id: UUID
    user_id: str | None


class AccessSnapshot(Struct, frozen=True, array_like=True):
    """What a process that only shows a session has to know to tell who may look on."""

    session_id: UUID
    epoch: str
    access: Access
    participants: tuple[ParticipantIdentity, ...]


def access_snapshot(state: State) -> AccessSnapshot:
    """The guest list of a state."""
    guests = tuple(ParticipantIdentity(p.participant_id, p.user_id) for p in state.participants)
    return AccessSnapshot(state.session_id, state.epoch, state.access, guests)


class SessionRole(Struct, frozen=True):
    """Somebody's role in a session, and the participants that they are."""

    role: Role
    seats: tuple[UUID, ...] = ()


SeatsBySubject: TypeAlias = Mapping[str, tuple[UUID, ...]]
"""The participants that each person is, by subject."""


def role_of(principal: Principal, session: SessionAccess, seats: SeatsBySubject | None = None) -> SessionRole | None:
    """Who somebody is to a session; None for a stranger. For many at once, `seats` of the session save work.

    Raises Unauthenticated for a session token that is not (or no longer) good for this life of this session.
    """
    if principal.grant is not None:
        return _role_of_grant(principal.grant, session)
    mine = _seats_of(principal.subject, session) if seats is None else seats.get(principal.subject, ())
    role = _commanding_role(principal, session)
    if role is not None:
        return SessionRole(role, mine)
    if mine:
        return SessionRole(Role.PARTICIPANT, mine)
    return None if session.access.visibility is Visibility.PRIVATE else SessionRole(Role.VIEWER)


def seats_by_subject(session: SessionAccess) -> SeatsBySubject:
    """Everybody's seats: a person is the participants with its name as `user_id`, or else those whose id it is."""
    found: dict[str, tuple[UUID, ...]] = {}
    for p in session.participants:
        subject = str(p.participant_id) if p.user_id is None else p.user_id
        found[subject] = (*found.get(subject, ()), p.participant_id)
    return found


def _seats_of(subject: str, session: SessionAccess) -> tuple[UUID, ...]:
    """One person's seats, without making text of a thousand ids."""
    own_id = parse_uuid(subject)
    if own_id is not None and str(own_id) != subject:
        own_id = None  # another spelling is another name
    return tuple(
        p.participant_id
        for p in session.participants
        if (p.participant_id == own_id if p.user_id is None else p.user_id == subject)
    )


def check_scope(principal: Principal, session_id: UUID) -> None:
    """Before a session is looked for: a session token is no credential at any other. Raises Unauthenticated."""
    if principal.grant is not None and principal.grant.session_id != session_id:
        raise Unauthenticated


def authorize(principal: Principal, action: Action, session: SessionAccess) -> SessionRole:
    """Somebody's standing, when it lets them do this.

    Raises SessionNotFound for a stranger, who must not learn that the session exists; Forbidden for whom it is no
    secret; Unauthenticated for a session token that is no good.
    """
    role = _commanding_role(principal, session)  # who needs no seat: most commands, and of any number of participants
    found = role_of(principal, session) if role is None else SessionRole(role)
    if found is None:
        raise SessionNotFound(session.session_id)
    if found.role not in ALLOWED_ROLES[action] and not _has_permission(found, action, session.access):
        raise Forbidden
    return found


def restrict(command: cmd.Command, by: SessionRole) -> cmd.Command:
    """The command as somebody may give it: a participant's switch ends a turn of its own, and passes it on; and who may
    assign no seat adds one that is nobody's, for an id names a person too. Raises Forbidden."""
    if isinstance(command, cmd.Switch) and by.role is Role.PARTICIPANT:
        return cmd.Switch(
            command.next_participant_id, command.current_participant_id, command.expected_version, frozenset(by.seats)
        )
    if isinstance(command, cmd.AddParticipant) and by.role not in ALLOWED_ROLES[Action.ASSIGN_SEAT]:
        if command.seat.user_id is not None:
            raise Forbidden
        return replace(command, seat=replace(command.seat, user_id=NO_PERSON))
    return command


def _commanding_role(principal: Principal, session: SessionAccess) -> Role | None:
    if principal.grant is not None:
        return None
    if principal.is_staff:
        return Role.STAFF
    return Role.OWNER if principal.subject == session.access.owner else None


def _has_permission(by: SessionRole, action: Action, access: Access) -> bool:
    return by.role is Role.PARTICIPANT and action in PARTICIPANT_PERMISSIONS and action in access.permissions


def _role_of_grant(grant: SessionGrant, session: SessionAccess) -> SessionRole:
    access = session.access
    is_revoked = grant.generation != access.generation or any(r.token_id == grant.token_id for r in access.revoked)
    if grant.session_id != session.session_id or grant.epoch != session.epoch or is_revoked:
        raise Unauthenticated
    return SessionRole(grant.role, () if grant.participant_id is None else (grant.participant_id,))
