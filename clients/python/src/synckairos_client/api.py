"""The REST interface: one method for each request, with retries across network errors and server restarts."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import httpx

from synckairos_client.backoff import Backoff
from synckairos_client.errors import ApiError, SyncKairosError, Unreachable
from synckairos_client.frames import State
from synckairos_client.tokens import TokenProvider, TokenSource

_RETRIED_STATUSES = {429, 502, 503, 504}
_UNAUTHENTICATED = 401
_NO_CONTENT = 204


class Api:
    """A client of one server. Use it as an async context manager, or call `aclose`.

    Every request ends within `deadline_s`, with a result or an exception: ApiError is an answer of the server,
    Unreachable means that there was none. Network errors, 429, 502, 503 and 504 are retried until then, POST and PATCH
    with one `Idempotency-Key`, so that they are applied at most once.
    """

    def __init__(
        self,
        base_url: str,
        token: str | TokenProvider | TokenSource,
        *,
        deadline_s: float = 15.0,
        request_timeout_s: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, timeout=request_timeout_s, transport=transport)
        self._tokens = token if isinstance(token, TokenSource) else TokenSource(token)
        self._deadline_s = deadline_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the client."""
        await self._http.aclose()

    async def create(self, body: dict[str, Any], *, idempotency_key: str | None = None) -> State:
        """Create a session, and return its state. A key of your own survives a restart of your program."""
        return await self._data("POST", "/v1/sessions", body, idempotency_key)

    async def get(self, session_id: str | UUID) -> State:
        """Return the current state of a session."""
        return await self._data("GET", f"/v1/sessions/{session_id}")

    async def summary(self, session_id: str | UUID) -> dict[str, Any]:
        """Return the few fields that a list of sessions needs."""
        return await self._data("GET", f"/v1/sessions/{session_id}/summary")

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
    ) -> dict[str, Any]:
        """Pass the turn to the next participant, and return a SwitchResult."""
        return await self._command(
            session_id,
            "switch",
            next_participant_id=None if next_participant_id is None else str(next_participant_id),
            current_participant_id=None if current_participant_id is None else str(current_participant_id),
            expected_version=expected_version,
        )

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
        return await self._data("PATCH", f"/v1/sessions/{session_id}/participants/{participant_id}", _present(fields))

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
        fields = {"user_id": user_id} | _present({"reason": reason, "expected_version": expected_version})
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
        seat = None if participant_id is None else str(participant_id)
        fields = {"role": role, "participant_id": seat, "lifetime_ms": lifetime_ms}
        return await self._data("POST", f"/v1/sessions/{session_id}/tokens", _present(fields))

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
        return await self._data("POST", f"/v1/sessions/{session_id}/{name}", _present(fields))

    async def _data(
        self, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None
    ) -> dict[str, Any]:
        headers = {} if body is None else {"Idempotency-Key": key or str(uuid4())}
        data: dict[str, Any] = (await self._json(method, path, body, headers))["data"]
        return data

    async def _json(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._request(method, path, body, headers)).json()
        return answer

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response:
        backoff = Backoff()
        ends_s = time.monotonic() + self._deadline_s
        failure: SyncKairosError = Unreachable(f"no answer within {self._deadline_s:g} s")
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    wait_s = backoff.next_s()
                    try:
                        response = await self._send(method, path, body, headers)
                    except httpx.TransportError as fault:
                        failure = Unreachable(f"{type(fault).__name__}: {fault}")
                    else:
                        if response.is_success:
                            return response
                        failure = error = _error_of(response)
                        if response.status_code not in _RETRIED_STATUSES:
                            raise error
                        wait_s = max(wait_s, backoff.with_jitter_s(error.retry_after_s or 0.0))
                    if time.monotonic() + wait_s >= ends_s:
                        raise failure
                    await asyncio.sleep(wait_s)
        except TimeoutError:
            raise failure from None

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response:
        """Send a request; with a token provider, send it again after a renewal when the token is not accepted."""
        token = await self._tokens.current(time.time())
        response = await self._send_once(method, path, body, headers, token)
        if response.status_code == _UNAUTHENTICATED and self._tokens.can_renew:
            token = await self._tokens.renew(time.time())
            response = await self._send_once(method, path, body, headers, token)
        return response

    async def _send_once(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str], token: str
    ) -> httpx.Response:
        bearer = {**headers, "Authorization": f"Bearer {token}"}
        return await self._http.request(method, path, json=body, headers=bearer)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _error_of(response: httpx.Response) -> ApiError:
    after = response.headers.get("Retry-After", "")
    retry_after_s = float(after) if after.isdigit() else None
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        error = {"code": f"HTTP_{response.status_code}", "message": response.reason_phrase}
    return ApiError.of(error, status=response.status_code, retry_after_s=retry_after_s)
