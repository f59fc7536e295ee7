"""Permissions: one table of the roles that may take each action, used by the services for every request
(docs/access.md).

The role follows from the state of the session, which every command loads anyway. So a permission costs no round trip,
and a command cannot overtake the revocation of its token.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType
from typing import TypeAlias
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
    """Actions on a session that exists."""

    READ = auto()
    """Read the state, the summary and the presence list; open sockets, streams and polls."""
    START = auto()
    PAUSE = auto()
    RESUME = auto()
    SWITCH = auto()
    COMPLETE = auto()
    CANCEL = auto()
    ADD_PARTICIPANT = auto()
    """Add a participant without a person. With a person it is `ASSIGN_SEAT`."""
    ADJUST_TIME = auto()
    """Adjust a bank, or the clock that runs."""
    UNDO = auto()
    """Take the last switch back."""
    ASSIGN_TURN = auto()
    """Set whose turn it is."""
    ASSIGN_SEAT = auto()
    """Name the person of a participant, or remove it. A session token can neither give nor remove this."""
    DELETE = auto()
    SHARE = auto()
    """Issue session tokens, and revoke them."""


_OWNERS = frozenset({Role.STAFF, Role.OWNER})
_COMMANDERS = _OWNERS | {Role.CONTROLLER}
_PLAYERS = _COMMANDERS | {Role.PARTICIPANT}

ALLOWED_ROLES: Mapping[Action, frozenset[Role]] = MappingProxyType(
    {
        Action.READ: frozenset(Role),
        Action.START: _COMMANDERS,
        Action.PAUSE: _COMMANDERS,
        Action.RESUME: _COMMANDERS,
        Action.SWITCH: _PLAYERS,  # participants end their own turns only: `restrict`
        Action.COMPLETE: _COMMANDERS,
        Action.CANCEL: _COMMANDERS,
        Action.ADD_PARTICIPANT: _COMMANDERS,
        Action.ADJUST_TIME: _OWNERS,
        Action.UNDO: _COMMANDERS,
        Action.ASSIGN_TURN: _COMMANDERS,
        Action.ASSIGN_SEAT: _OWNERS,
        Action.DELETE: _OWNERS,
        Action.SHARE: _OWNERS,
    }
)
"""Roles that may take each action. Other roles are refused; a principal without a role does not even learn that the
session exists."""

GRANTABLE: Mapping[Action, Role] = MappingProxyType(
    {Action.PAUSE: Role.PARTICIPANT, Action.RESUME: Role.PARTICIPANT, Action.ADJUST_TIME: Role.CONTROLLER}
)
"""Actions that the `permissions` of a session may add, each with the role that gets it."""


class ParticipantIdentity(Struct, frozen=True, array_like=True):
    """A participant of an `AccessSnapshot`."""

    participant_id: UUID
    user_id: str | None


class AccessSnapshot(Struct, frozen=True, array_like=True):
    """The part of a state that decides who may read the session, for processes that only deliver its frames."""

    session_id: UUID
    epoch: str
    access: Access
    participants: tuple[ParticipantIdentity, ...]


SessionAccess: TypeAlias = State | AccessSnapshot
"""A session as far as permissions depend on it."""


def access_snapshot(state: State) -> AccessSnapshot:
    """Return the access snapshot of a state."""
    participants = tuple(ParticipantIdentity(p.participant_id, p.user_id) for p in state.participants)
    return AccessSnapshot(state.session_id, state.epoch, state.access, participants)


def token_epoch(session: SessionAccess) -> str:
    """Return the epoch that the session's tokens name, which a restored session has from its parent."""
    return session.access.token_epoch or session.epoch


class SessionRole(Struct, frozen=True):
    """The role of a principal in a session, and the participants that the principal is."""

    role: Role
    seats: tuple[UUID, ...] = ()


SeatsBySubject: TypeAlias = Mapping[str, tuple[UUID, ...]]
"""Participant ids of each person, by subject."""


def role_of(principal: Principal, session: SessionAccess, seats: SeatsBySubject | None = None) -> SessionRole | None:
    """Return the role of a principal in a session, or None without any. `seats` of the session save work for many
    principals.

    Raises Unauthenticated for a session token that is not, or no longer, valid for this life of this session.
    """
    if principal.grant is not None:
        return _role_of_grant(principal.grant, session)
    own = _seats_of(principal.subject, session) if seats is None else seats.get(principal.subject, ())
    role = _commanding_role(principal, session)
    if role is not None:
        return SessionRole(role, own)
    if own:
        return SessionRole(Role.PARTICIPANT, own)
    return None if session.access.visibility is Visibility.PRIVATE else SessionRole(Role.VIEWER)


def seats_by_subject(session: SessionAccess) -> SeatsBySubject:
    """Return the seats of each person: the participants with its name as `user_id`, or without a `user_id` and with its
    name as id."""
    found: dict[str, tuple[UUID, ...]] = {}
    for p in session.participants:
        subject = str(p.participant_id) if p.user_id is None else p.user_id
        found[subject] = (*found.get(subject, ()), p.participant_id)
    return found


def _seats_of(subject: str, session: SessionAccess) -> tuple[UUID, ...]:
    """Return one person's seats, without a text for each of a thousand ids."""
    own_id = parse_uuid(subject)
    if own_id is not None and str(own_id) != subject:
        own_id = None  # another spelling of the id is another name
    return tuple(
        p.participant_id
        for p in session.participants
        if (p.participant_id == own_id if p.user_id is None else p.user_id == subject)
    )


def check_scope(principal: Principal, session_id: UUID) -> None:
    """Raise Unauthenticated for a session token of another session, before this session is loaded."""
    if principal.grant is not None and principal.grant.session_id != session_id:
        raise Unauthenticated


def authorize(principal: Principal, action: Action, session: SessionAccess) -> SessionRole:
    """Return the role of a principal that may take this action.

    Raises SessionNotFound for a principal without a role, which must not learn that the session exists; Forbidden for a
    role that may not take the action; Unauthenticated for a session token that is not valid.
    """
    role = _commanding_role(principal, session)  # needs no search for seats, in most commands
    found = role_of(principal, session) if role is None else SessionRole(role)
    if found is None:
        raise SessionNotFound(session.session_id)
    if found.role not in ALLOWED_ROLES[action] and not _has_permission(found, action, session.access):
        raise Forbidden
    return found


def person_of_list(principal: Principal) -> str | None:
    """Return the person whose sessions a principal may list: its own subject; None for staff, who may list all.

    Raises Forbidden for a session token, which is good for one session.
    """
    if principal.grant is not None:
        raise Forbidden
    return None if principal.is_staff else principal.subject


def check_export(principal: Principal) -> None:
    """Raise Forbidden for a principal that may not export the audit: only staff may."""
    if principal.grant is not None or not principal.is_staff:
        raise Forbidden


def restrict(command: cmd.Command, by: SessionRole) -> cmd.Command:
    """Return the command within the limits of a role.

    A participant's switch ends one of its own turns and passes the turn to another. A role that may not assign seats
    adds participants without a person, since an id can be a person's name too. Raises Forbidden.
    """
    if isinstance(command, cmd.Switch) and by.role is Role.PARTICIPANT:
        return replace(command, by=frozenset(by.seats))
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
    return action in access.permissions and GRANTABLE.get(action) is by.role


def _role_of_grant(grant: SessionGrant, session: SessionAccess) -> SessionRole:
    access = session.access
    is_of_this_life = grant.session_id == session.session_id and grant.epoch == token_epoch(session)
    is_revoked = grant.generation != access.generation or any(r.token_id == grant.token_id for r in access.revoked)
    if not is_of_this_life or is_revoked:
        raise Unauthenticated
    return SessionRole(grant.role, () if grant.participant_id is None else (grant.participant_id,))
