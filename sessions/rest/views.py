"""REST endpoints of sessions (docs/protocol.md): each reads the request, calls the service and responds."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from msgspec.structs import astuple
from rest_framework.request import Request
from rest_framework.response import Response

from sessions import schemas, weights
from sessions.apidocs import openapi, openapi_history
from sessions.commands import COMMAND_BY_VERB, CommandType
from sessions.preconditions import matches
from sessions.presentation import present_summary
from sessions.requests import bodies
from sessions.rest import lists
from sessions.rest.base import (
    SessionEndpoint,
    answer,
    body_of,
    caller_of,
    principal_of,
    uuid_of,
)
from sessions.rest.past_reads import moment_of, read_archived, read_if_live, read_past
from sessions.schemas import StateView
from sessions.services import presence_queries
from sessions.services import sessions as service
from sessions.services.audit_queries import run_query
from synckairos.auth.permissions import person_of_list
from synckairos.engine import commands
from synckairos.errors import ValidationFailed
from synckairos.http.parameters import query_parameters
from synckairos.ratelimit import limits
from synckairos.redis.procedures import in_parallel, run_from_thread


class SessionsView(SessionEndpoint):
    """List sessions, and create one, whose owner the caller becomes."""

    @openapi_history.list_sessions
    def get(self, request: Request) -> Response:
        self.count()
        person = person_of_list(principal_of(request))
        return Response({"data": run_query(partial(lists.list_of, request.query_params.dict(), person))})

    def check_query(self, request: Request) -> None:
        """Raise ValidationFailed for query parameters that are unknown or repeated."""
        allowed = lists.LIST_PARAMETERS if request.method == "GET" else ()
        query_parameters(request.META["QUERY_STRING"], allowed)

    @openapi.create
    def post(self, request: Request) -> Response:
        given = request.data if isinstance(request.data, dict) else {}
        weight = weights.of_creation(given.get("participants"), given.get("groups"))
        self.count(1 + weight)
        body = body_of(request, bodies.CreateSessionRequest)
        counting = self.limiter.consume_procedure(limits.create(principal_of(request)))
        creation = service.create(body.command(principal_of(request).subject), body.session_id, caller_of(request))
        outcome = run_from_thread(in_parallel(counting, creation))
        return answer(outcome, status=201)


class SessionView(SessionEndpoint):
    """Read or delete one session."""

    parameters = ("fields", "at", "sequence")

    @openapi.get
    def get(self, request: Request, session_id: str) -> Response:
        fields, moment = _selected(request.query_params.get("fields")), moment_of(request.query_params)
        parsed, reader = uuid_of(session_id), principal_of(request)
        live = read_if_live(self, parsed, reader)
        outcome = live or read_archived(parsed, reader) if moment is None else read_past(parsed, reader, moment, live)
        self.charge_for(request, outcome.state, events=outcome.events_read)
        tag = outcome.tag
        if matches(request.headers.get("If-None-Match"), tag):
            return Response(status=304, headers={"ETag": tag})
        if fields is None:
            return answer(outcome)
        view = msgspec.to_builtins(outcome.shown)
        return answer(outcome, {name: view[name] for name in fields if name in view})

    @openapi.delete
    def delete(self, request: Request, session_id: str) -> Response:
        parsed = uuid_of(session_id)
        body_of(request, bodies.EmptyRequest)
        self.execute(request, parsed, partial(service.delete, parsed))
        return Response(status=204)


class CommandView(SessionEndpoint):
    """Apply a command to a session."""

    row: ClassVar[CommandType]

    def apply(self, request: Request, session_id: str) -> Response:
        """Apply the command of the row."""
        parsed = uuid_of(session_id)
        command = self.row.command(astuple(body_of(request, self.row.body)))
        outcome = self.execute(request, parsed, partial(service.execute, parsed, command))
        return answer(outcome, outcome.switched if isinstance(command, commands.Switch) else None)


def _view_of(row: CommandType) -> type[CommandView]:
    def apply(self: CommandView, request: Request, session_id: str) -> Response:  # of its own, for its documentation
        return self.apply(request, session_id)

    members: dict[str, Any] = {"row": row, row.method.lower(): apply}
    return openapi.command(row)(type(f"{row.kind.__name__}View", (CommandView,), members))


COMMAND_VIEWS = {verb: _view_of(row) for verb, row in COMMAND_BY_VERB.items()}


class ParticipantsView(SessionEndpoint):
    """Add participants to a session."""

    @openapi.add_participant
    def post(self, request: Request, session_id: str) -> Response:
        command = body_of(request, bodies.AddParticipantRequest).command()
        return _apply(self, request, session_id, command)


class ParticipantView(SessionEndpoint):
    """Change one participant; for the owner and staff."""

    @openapi.adjust
    def patch(self, request: Request, session_id: str, participant_id: str) -> Response:
        body = body_of(request, bodies.AdjustTimeRequest)
        command = body.command(uuid_of(participant_id, "participant_id"))
        return _apply(self, request, session_id, command)


class SummaryView(SessionEndpoint):
    """Read the summary of one session."""

    @openapi.summary
    def get(self, request: Request, session_id: str) -> Response:
        outcome = self.read(service.get(uuid_of(session_id), principal_of(request)))
        self.charge_for(request, outcome.state)
        return answer(outcome, present_summary(outcome.state, outcome.at_ms))


class PresenceView(SessionEndpoint):
    """Read the presence list of one session."""

    @openapi.presence
    def get(self, request: Request, session_id: str) -> Response:
        parsed = uuid_of(session_id)
        present = self.read(presence_queries.get(parsed, principal_of(request)))
        clients = present.client_counts.participants
        view = schemas.PresenceView(
            session_id=parsed,
            connected=present.connected,
            participants=[schemas.ConnectedView(participant_id=UUID(i), sockets=n) for i, n in clients.items()],
            viewers=present.client_counts.viewers,
        )
        return Response({"data": view})


class BatchView(SessionEndpoint):
    """Read many sessions in one request."""

    @openapi.batch
    def post(self, request: Request) -> Response:
        wanted = body_of(request, bodies.ReadSessionsRequest).session_ids
        self.count()
        self.count(1 + weights.of_batch(len(wanted)))
        outcomes, missing = self.read(service.get_many(wanted, principal_of(request)))
        self.charge_for(request, *[outcome.state for outcome in outcomes])
        view = schemas.BatchView(sessions=[outcome.shown for outcome in outcomes], missing=[*missing])
        return Response({"data": view})


def _apply(view: SessionEndpoint, request: Request, session_id: str, command: commands.Command) -> Response:
    """Apply a command, and return the response with the state."""
    parsed = uuid_of(session_id)
    return answer(view.execute(request, parsed, partial(service.execute, parsed, command)))


def _selected(fields: str | None) -> list[str] | None:
    """Return the selected top-level fields. Raises ValidationFailed with each unknown one."""
    if fields is None:
        return None
    names = [name.strip() for name in fields.split(",") if name.strip()]
    unknown = [name for name in names if name not in StateView.__struct_fields__]
    if unknown or not names:
        raise ValidationFailed([("fields", f"Unknown field: {name}") for name in unknown or ["(none)"]])
    return names
