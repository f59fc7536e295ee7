"""Access to /metrics: open in development, else with the metrics token only."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
TOKEN = "m" * 20 + "-secret-of-prometheus"


def scraped(**headers):
    return Client(headers=headers).get("/metrics")


def test_metrics_are_open_in_development(configure):
    configure(metrics_token=None, metrics_open=True)
    assert b"synckairos_http_requests_total" in scraped().content


def test_metrics_are_not_found_in_production_without_a_token(configure):
    configure(metrics_token=None, metrics_open=False)
    answer = scraped(Authorization=f"Bearer {TOKEN}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_metrics_are_served_with_their_token(configure):
    configure(metrics_token=TOKEN, metrics_open=False)
    answer = scraped(Authorization=f"Bearer {TOKEN}")
    assert answer.status_code == 200
    assert b"synckairos_http_requests_total" in answer.content


@pytest.mark.parametrize(
    "given", ["", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer é"]
)
def test_metrics_refuse_all_other_tokens(configure, token, given):
    configure(metrics_token=TOKEN, metrics_open=True)
    for header in (given, f"Bearer {token}"):
        answer = scraped(Authorization=header)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
        assert answer["WWW-Authenticate"] == "Bearer"
        assert b"synckairos_" not in answer.content
