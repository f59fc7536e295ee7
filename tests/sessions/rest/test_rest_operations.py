"""What load balancers, Prometheus and clocks ask."""

from __future__ import annotations

import re

import pytest

from synckairos.redis import client as redis_client
from tests.talk import at, created, done


def test_health_is_exactly_this(api):
    answer = api.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"
    assert api.head("/health").content == b""


def test_time_is_the_stores_own_without_an_envelope(api, other_api):
    for client in (api, other_api):
        before = redis_client.blocking_client().time()
        body = client.get("/v1/time").json()
        after = redis_client.blocking_client().time()
        assert (body["server_version"], body["drift_tolerance_ms"]) == ("2.0.0", 50)
        assert isinstance(body["timestamp_ms"], int)
        low, high = (seconds * 1000 + micros // 1000 for seconds, micros in (before, after))
        assert low - 50 <= body["timestamp_ms"] <= high + 50


def test_requests_are_counted_by_route_and_status(api):
    def count(route, status):
        sample = f'synckairos_http_requests_total{{method="POST",route="{route}",status="{status}"}}'
        found = re.search(rf"^{re.escape(sample)} (\S+)$", api.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    route = "/v1/sessions/<str:session_id>/start"
    before = count(route, 200), count(route, 400)
    state = created(api)
    done(api.post(at(state, "start")))
    api.post(at(state, "start"))
    assert (count(route, 200), count(route, 400)) == (before[0] + 1, before[1] + 1)


def test_metrics_are_prometheus_text_and_hold_no_ids(api):
    state = created(api)
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    for name in (
        "http_requests_total",
        "http_request_seconds_bucket",
        "store_seconds_bucket",
        "events_total",
        "sockets",
    ):
        assert f"\nsynckairos_{name}" in answer.text
    assert state["session_id"] not in answer.text


def test_unknown_paths_and_methods_share_one_label(api):
    api.get("/one/unknown/path")
    api.request("PROPFIND", "/another")
    text = api.get("/metrics").text
    assert "unknown/path" not in text
    assert "PROPFIND" not in text


def test_the_page_of_the_document_is_html_and_comes_from_here(api):
    answer = api.get("/api-docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for source in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert source.startswith("/"), source
        assert api.get(source).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/v1/time", "/v1/sessions"])
def test_no_cookie_is_ever_set(api, path):
    assert "set-cookie" not in api.get(path).headers
