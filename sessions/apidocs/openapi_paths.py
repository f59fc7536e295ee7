"""OpenAPI paths of the endpoints that are no DRF views: operations, long poll and event streams."""

from __future__ import annotations

from typing import Any

from sessions.apidocs.openapi import COMMON_ERRORS, COMPONENTS, ERROR_SCHEMA, ERRORS, response_schema
from sessions.schemas import StateView
from synckairos.auth import jwks
from synckairos.http.openapi import get_path, json_answer
from synckairos.ops import readiness


def _status(description: str, *statuses: str) -> dict[str, Any]:
    properties = {"status": {"type": "string", "enum": list(statuses)}, "error": {"type": "string"}}
    return json_answer(description, {"type": "object", "required": ["status"], "properties": properties})


_METRICS = {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
_OPERATIONS: dict[str, Any] = {
    "/health": get_path("getHealth", "operations", "The process runs", {"200": _status("It does.", "ok")}),
    "/metrics": get_path("getMetrics", "operations", "All metrics", {"200": _METRICS}),
}


def _asgi_path(
    name: str, summary: str, parameters: list[dict[str, Any]], good: dict[str, Any], *errors_of_its_own: int
) -> dict[str, Any]:
    """Return the path item of an endpoint in front of Django (sessions/realtime/long_poll_and_sse.py)."""
    named = {"name": "session_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    statuses = sorted((400, *errors_of_its_own, *COMMON_ERRORS))
    responses = good | {str(status): json_answer(ERRORS[status], ERROR_SCHEMA) for status in statuses}
    return get_path(name, "sessions", summary, responses, parameters=[named, *parameters], security=[{"bearer": []}])


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_ASGI_PATHS: dict[str, Any] = {
    "/v1/sessions/{session_id}/poll": _asgi_path(
        "pollSession",
        "Wait for another version of a session",
        [
            _query("since_version", "The version that is known; without one the answer comes at once.", type="integer"),
            _query("wait_ms", "How long to wait.", type="integer", minimum=0, maximum=30_000, default=30_000),
            _query("epoch", "The epoch that is known: a session made anew under the same id is news.", type="string"),
        ],
        {
            "200": json_answer("A state of another version.", response_schema(StateView)),
            "304": {"description": "None in that time; ask again."},
        },
        404,
    ),
    "/v1/sessions/{session_id}/stream": _asgi_path(
        "streamSession",
        "The frames of a WebSocket as server-sent events",
        [
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The id of the last event, as given: goes on from there when it can be proved complete.",
                "schema": {"type": "string"},
            },
            _query(
                "lastEventId", "The same, from clients that cannot send the header, which counts first.", type="string"
            ),
            _query("ticket", "A one-time ticket of `POST /v1/ws-tickets`, instead of a token.", type="string"),
            _query("token", "The bearer token, for browsers, whose EventSource sends no headers.", type="string"),
        ],
        {
            "200": {
                "description": "Events without an end; each `data` is a frame as in `/asyncapi.json`.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
    ),
}


def add_components(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Add the components, and the endpoints that are no DRF views (drf-spectacular postprocessing hook)."""
    components = COMPONENTS | readiness.COMPONENTS | jwks.COMPONENTS
    result.setdefault("components", {}).setdefault("schemas", {}).update(components)
    result["paths"].update(_OPERATIONS | readiness.OPERATIONS | _ASGI_PATHS | jwks.OPERATIONS)
    for operations in result["paths"].values():
        for operation in operations.values():
            operation.setdefault("security", [])  # or the document's own, which asks for a token, holds
    return result
