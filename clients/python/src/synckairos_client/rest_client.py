"""Requests over HTTP, with retries across network errors and server restarts."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from synckairos_client.backoff import Backoff
from synckairos_client.errors import ApiError, SyncKairosError, Unreachable
from synckairos_client.tokens import TokenProvider, TokenSource

_RETRIED_STATUSES = {429, 502, 503, 504}
_UNAUTHENTICATED = 401


class RestClient:
    """The connections to one server, and the token. `Api` has the requests."""

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

    async def _data(
        self, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Return the data of the answer. A body is sent under one `Idempotency-Key` for all tries."""
        headers = {} if body is None else {"Idempotency-Key": key or str(uuid4())}
        data: dict[str, Any] = (await self._json(method, path, body, headers))["data"]
        return data

    async def _json(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        """Return the whole answer, a JSON object."""
        answer: dict[str, Any] = (await self._request(method, path, body, headers)).json()
        return answer

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response:
        """Return the answer after as many tries as it takes. Raises ApiError, or Unreachable at the deadline."""
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


def _error_of(response: httpx.Response) -> ApiError:
    after = response.headers.get("Retry-After", "")
    retry_after_s = float(after) if after.isdigit() else None
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        error = {"code": f"HTTP_{response.status_code}", "message": response.reason_phrase}
    return ApiError.of(error, status=response.status_code, retry_after_s=retry_after_s)
