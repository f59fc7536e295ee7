"""Rate limits for REST views: counting, and header fields of the response."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from synckairos.errors import Unauthenticated
from synckairos.http import client_address, parameters
from synckairos.ratelimit import limits
from synckairos.telemetry import log_context


class RateLimitedView(APIView):
    """A view with rate limits: `self.consume(limits.general(principal))`."""

    metadata_class = None  # DRF's answer to OPTIONS would show docstrings
    http_method_names = tuple(name for name in APIView.http_method_names if name != "options")  # nor in Allow
    parameters: ClassVar[tuple[str, ...]] = ()
    """Query parameters that the view accepts."""

    limiter: limits.RateLimiter

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Start with a limiter that has counted nothing."""
        super().setup(request, *args, **kwargs)
        match = request.resolver_match
        log_context.bind(route="other" if match is None else f"/{match.route}")
        self.limiter = limits.RateLimiter()

    def consume(self, bucket: limits.Bucket, cost: int = 1, counted: int = 0) -> None:
        """Count the request, or its cost beyond what has been `counted`, against a limit. Raises RateLimitExceeded."""
        self.limiter.consume(bucket, cost, counted)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count a request without valid credentials against its address."""
        try:
            super().initial(request, *args, **kwargs)
        except (Unauthenticated, NotAuthenticated):
            self.consume(limits.unauthenticated(client_address.of_request(request)))
            raise

    def check_query(self, request: Request) -> None:
        """Raise ValidationFailed for query parameters that are unknown or repeated."""
        parameters.query_parameters(request.META["QUERY_STRING"], self.parameters)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Add the rate limit fields to every response."""
        response = super().finalize_response(request, response, *args, **kwargs)
        set_rate_limit_headers(response, self.limiter)
        _release_body(request)
        return response


def _release_body(request: Request) -> None:
    """Release the decoded body, which is not used after the response.

    Request, view and response refer to each other and wait for the garbage collector. It runs after a number of
    objects, however large they are: hundreds of large bodies would wait with them.
    """
    attributes = vars(request)
    data = attributes.get("_data")
    if type(data) is dict or type(data) is list:
        data.clear()  # also for a serializer that refers to it
    attributes.update(_data={}, _full_data={})


def set_rate_limit_headers(response: HttpResponse, limiter: limits.RateLimiter) -> None:
    """Add the state of all limits that the request met to its response."""
    for name, value in limiter.header_fields().items():
        response[name] = value


_FIELDS = {
    "RateLimit-Policy": "The limits that this request has met, when they are on.",
    "RateLimit": "How much is left of each, and for how long.",
}
_RETRY = {"429", "503"}


def document_rate_limit_headers(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Add the rate limit fields to the responses of limited operations (a drf-spectacular hook)."""
    for operation in (operation for path in result["paths"].values() for operation in path.values()):
        if "429" not in operation["responses"]:
            continue
        for status, answer in operation["responses"].items():
            fields = {name: {"description": text, "schema": {"type": "string"}} for name, text in _FIELDS.items()}
            if status in _RETRY:
                fields["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
            answer["headers"] = {**answer.get("headers", {}), **fields}
    return result
