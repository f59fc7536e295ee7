"""View of `GET /v1/time`: the clock that all sessions run on."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from synckairos import version
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import log_context

SERVER_VERSION = version.PROTOCOL
"""The protocol that existing clients expect to read here."""
DRIFT_TOLERANCE_MS = 50


class TimeView(APIView):
    """Open to all, never limited."""

    authentication_classes = ()
    permission_classes = ()
    metadata_class = None
    http_method_names = ("get", "head")

    @extend_schema(
        operation_id="getTime",
        tags=["time"],
        summary="The server's clock",
        auth=[],
        responses={
            200: {
                "type": "object",
                "required": ["timestamp_ms", "server_version", "drift_tolerance_ms"],
                "properties": {
                    "timestamp_ms": {"type": "integer"},
                    "server_version": {"type": "string"},
                    "drift_tolerance_ms": {"type": "integer"},
                },
            }
        },
    )
    def get(self, request: Request) -> Response:
        log_context.bind(route="/v1/time")
        store_clock.probe()
        return Response(
            {
                "timestamp_ms": store_clock.now_ms(),
                "server_version": SERVER_VERSION,
                "drift_tolerance_ms": DRIFT_TOLERANCE_MS,
            }
        )
