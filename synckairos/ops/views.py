"""Views for supervisors and Prometheus: `/health` and `/metrics`. `/ready` is in readiness.py."""

from __future__ import annotations

from hmac import compare_digest

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST

from synckairos.auth.principal import bearer_token
from synckairos.conf import conf
from synckairos.errors import NotFound, Unauthenticated
from synckairos.http.django_views import json_error_response, read_only
from synckairos.ops import scrape


@read_only
def health(request: HttpRequest) -> HttpResponse:
    """Answer that the process runs, without any other check."""
    return JsonResponse({"status": "ok"})


@read_only
def prometheus(request: HttpRequest) -> HttpResponse:
    """Answer with all metrics."""
    if not _may_read_metrics(request):
        return json_error_response(NotFound() if conf().metrics_token is None else Unauthenticated())
    return HttpResponse(scrape.exposition(), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    """Return true for the metrics token, which is no token of a person, or in development without a token."""
    expected = conf().metrics_token
    if expected is None:
        return conf().metrics_open
    token = bearer_token(request.headers.get("Authorization")) or ""
    return compare_digest(token.encode(), expected.encode())
