"""The REST interface: one method for each request."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from synckairos_client.frames import State, present, text_of
from synckairos_client.rest_client import RestClient


def _address(session_id: str | UUID, part: str, **query: Any) -> str:
    """Return an address of a session, with those query parameters that are given."""
    text = urlencode(present(query))
    return f"/v1/sessions/{session_id}{part}" + (f"?{text}" if text else "")


class Api(RestClient):
    """A client of one server. Use it as an async context manager, or call `aclose`.

    Every request ends within `deadline_s`, with a result or an exception: ApiError is an answer of the server,
    Unreachable means that there was none. Network errors, 429, 502, 503 and 504 are retried until then, POST and PATCH
    with one `Idempotency-Key`, so that they are applied at most once.
    """

    async def create(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> State:
        """Create a session, and return its state. A key of your own survives a restart of your program."""
        return await self._data("POST", "/v1/sessions", body, idempotency_key)

    async def get(
        self, session_id: str | UUID, *, at: datetime | str | None = None, sequence: int | None = None
    ) -> State:
        """Return the state of a session: the current one, or that of an instant (aware, or ISO 8601 with an offset), or
        that after the event with a number. `archived` is in the current state of a session that has left the store."""
        moment = at.isoformat() if isinstance(at, datetime) else at
        return await self._data("GET", _address(session_id, "", at=moment, sequence=sequence))

    async def events(self, session_id: str | UUID, *, after: int = 0, limit: int | None = None) -> dict[str, Any]:
        """Return a page of events after a sequence number: `events`, and `next_after` for the next page. An empty page
        says that there is nothing more for now."""
        return await self._data("GET", _address(session_id, "/events", after=after, limit=limit))

    async def summary(self, session_id: str | UUID) -> dict[str, Any]:
        """Return the few fields that a list of sessions needs."""
        return await self._data("GET", f"/v1/sessions/{session_id}/summary")

    async def list_sessions(
        self,
        *,
        status: str | None = None,
        mode: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        user_id: str | None = None,
        label: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Return one page of the sessions that you own or take part in, for staff of all: `sessions`, the newest first,
        `next_cursor` for the next page (None on the last one), and `as_of`. `label` is `key:value`."""
        fields = {
            "status": status,
            "mode": mode,
            "created_from": created_from,
            "created_to": created_to,
            "user_id": user_id,
            "label": label,
            "limit": limit,
            "cursor": cursor,
        }
        query = urlencode(present(fields))
        return await self._data("GET", f"/v1/sessions?{query}" if query else "/v1/sessions")

    async def start(self, session_id: str | UUID, *, expected_version: int | None = None) -> State:
        """Start a session, and return its state."""
        return await self._command(session_id, "start", expected_version=expected_version)

    async def pause(self, session_id: str | UUID, *, expected_version: int | None = None) -> State:
        """Pause a session, and return its state."""
        return await self._command(session_id, "pause", expected_version=expected_version)

    async def resume(self, session_id: str | UUID, *, expected_version: int | None = None) -> State:
        """Resume a session, and return its state."""
        return await self._command(session_id, "resume", expected_version=expected_version)

    async def complete(self, session_id: str | UUID, *, expected_version: int | None = None) -> State:
        """End a session as completed, and return its state."""
        return await self._command(session_id, "complete", expected_version=expected_version)

    async def cancel(self, session_id: str | UUID, *, expected_version: int | None = None) -> State:
        """End a session as cancelled, and return its state."""
        return await self._command(session_id, "cancel", expected_version=expected_version)

    async def switch(
        self,
        session_id: str | UUID,
        *,
        next_participant_id: str | UUID | None = None,
        current_participant_id: str | UUID | None = None,
        expected_version: int | None = None,
        think_ms: int | None = None,
    ) -> dict[str, Any]:
        """Pass the turn to the next participant, and return a SwitchResult. Over REST, lag is not compensated, since
        the server cannot measure it; `think_ms` is noted."""
        return await self._command(
            session_id,
            "switch",
            next_participant_id=text_of(next_participant_id),
            current_participant_id=text_of(current_participant_id),
            expected_version=expected_version,
            think_ms=think_ms,
        )

    async def adjust_clock(
        self,
        session_id: str | UUID,
        *,
        adjust_ms: int | None = None,
        set_ms: int | None = None,
        at_least_ms: int | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
    ) -> State:
        """Adjust the clock that runs, or that will run next, and return the state: add `adjust_ms`, of either sign, or
        leave `set_ms`, or leave no less than `at_least_ms`."""
        fields = {
            "adjust_ms": adjust_ms,
            "set_ms": set_ms,
            "at_least_ms": at_least_ms,
            "reason": reason,
            "expected_version": expected_version,
        }
        return await self._data("PATCH", f"/v1/sessions/{session_id}/clock", present(fields))

    async def undo(
        self, session_id: str | UUID, *, reason: str | None = None, expected_version: int | None = None
    ) -> State:
        """Take back the last switch, and return the state; CONFLICT when something else has happened since."""
        return await self._command(session_id, "undo", reason=reason, expected_version=expected_version)

    async def assign_turn(
        self,
        session_id: str | UUID,
        participant_id: str | UUID,
        *,
        reason: str | None = None,
        expected_version: int | None = None,
    ) -> State:
        """Give the turn to a participant, and return the state. The turn that this interrupts earns nothing."""
        fields = {"participant_id": str(participant_id), "reason": reason, "expected_version": expected_version}
        return await self._command(session_id, "turn", **fields)

    async def delete(self, session_id: str | UUID) -> None:
        """Delete a session; it is no error when it does not exist."""
        await self._request("DELETE", f"/v1/sessions/{session_id}", None, {})

    async def add_participant(
        self, session_id: str | UUID, participant: dict[str, Any], *, expected_version: int | None = None
    ) -> State:
        """Add a participant, with the fields of one in a creation, and return the state."""
        return await self._command(session_id, "participants", **participant, expected_version=expected_version)

    async def adjust(
        self,
        session_id: str | UUID,
        participant_id: str | UUID,
        *,
        total_time_ms: int | None = None,
        adjust_ms: int | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
    ) -> State:
        """Set a bank (`total_time_ms`) or add to it (`adjust_ms`), and return the state; for the owner and staff."""
        fields = {
            "total_time_ms": total_time_ms,
            "adjust_ms": adjust_ms,
            "reason": reason,
            "expected_version": expected_version,
        }
        return await self._data("PATCH", f"/v1/sessions/{session_id}/participants/{participant_id}", present(fields))

    async def assign(
        self,
        session_id: str | UUID,
        participant_id: str | UUID,
        user_id: str | None,
        *,
        reason: str | None = None,
        expected_version: int | None = None,
    ) -> State:
        """Assign a seat to a user, or to none with None, and return the state; for the owner and staff."""
        fields = {"user_id": user_id} | present({"reason": reason, "expected_version": expected_version})
        return await self._data("PATCH", f"/v1/sessions/{session_id}/participants/{participant_id}", fields)

    async def ticket(self, session_id: str | UUID) -> dict[str, Any]:
        """Return a one-time `ticket` for a socket or event stream; it expires after some seconds, at `expires_at`."""
        return await self._data("POST", "/v1/ws-tickets", {"session_id": str(session_id)})

    async def issue_token(
        self,
        session_id: str | UUID,
        role: str,
        *,
        participant_id: str | UUID | None = None,
        lifetime_ms: int | None = None,
    ) -> dict[str, Any]:
        """Return a `token` for one session and its `token_id`, with the role `viewer`, `participant` or
        `controller`."""
        fields = {"role": role, "participant_id": text_of(participant_id), "lifetime_ms": lifetime_ms}
        return await self._data("POST", f"/v1/sessions/{session_id}/tokens", present(fields))

    async def revoke_token(self, session_id: str | UUID, token_id: str) -> None:
        """Revoke one session token; it is no error when it is revoked already."""
        await self._request("DELETE", f"/v1/sessions/{session_id}/tokens/{token_id}", None, {})

    async def revoke_tokens(self, session_id: str | UUID) -> None:
        """Revoke all tokens of a session that were issued so far."""
        await self._request("DELETE", f"/v1/sessions/{session_id}/tokens", None, {})

    async def time(self) -> dict[str, Any]:
        """Return `timestamp_ms`, `server_version` and `drift_tolerance_ms`."""
        return await self._json("GET", "/v1/time", None, {})

    async def _command(self, session_id: str | UUID, name: str, **fields: Any) -> dict[str, Any]:
        return await self._data("POST", f"/v1/sessions/{session_id}/{name}", present(fields))
