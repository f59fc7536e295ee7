"""`/ready` reports readiness. A process without its database still switches clocks."""

from __future__ import annotations

import socket

import httpx
import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from synckairos.auth.principal import REFRESH, mint, new_claims
from synckairos.conf import conf
from synckairos.ops import database
from tests import servers
from tests.conftest import client_of
from tests.talk import at, created, done, refused


@pytest.mark.django_db
def test_ready_reports_its_stores_and_other_faults():
    answer = Client().get("/ready")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["status"], body["state_store"], body["audit_store"], body["timekeeper"]) == (
        "ready",
        "ok",
        "ok",
        "absent",
    )


@pytest.fixture(scope="module")
def without_database():
    """A moderator's client of a web process whose database is away."""
    away = f"postgres://nobody@127.0.0.1:{servers.free_port()}/nothing"
    server = servers.web(DATABASE_URL=away).wait_ready()
    with client_of(server, mint("moderator", is_staff=True)) as client:
        yield client
    server.stop()


def test_without_the_database_ready_is_200_and_reports_it(without_database):
    answer = without_database.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["audit_store"] == "unreachable"
    running = done(without_database.post(at(created(without_database), "start")))
    assert done(without_database.post(at(running, "switch")))["version"] == 3


@pytest.mark.parametrize(
    ("door", "body"),
    [("token", {"username": "carol", "password": "correct horse"}), ("token/refresh", {}), ("token/revoke", {})],
)
def test_without_the_database_token_views_answer_503_with_retry_after(without_database, door, body):
    token = conf().signing_keys.sign(new_claims(REFRESH, "carol"))
    answer = without_database.post(f"/v1/{door}", json=body or {"refresh": token}, headers={"Authorization": ""})
    error = refused(answer, 503, "SERVICE_UNAVAILABLE")
    assert answer.headers["retry-after"] == str(error["retry_after_seconds"])


def test_without_the_database_the_admin_shows_a_plain_page(without_database):
    with httpx.Client(base_url=without_database.base_url, verify=False) as browser:
        form = browser.get("/admin/login/")
        assert form.status_code == 200
        login = {"username": "root", "password": "x", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        staff = {"Cookie": "sessionid=somebodys"}
        pages = [
            browser.post("/admin/login/", data=login),
            browser.get("/admin/", headers=staff),
            browser.get("/admin/audit/syncsession/", headers=staff),
        ]
    for page in pages:
        assert page.status_code == 503
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["retry-after"]
        assert "database cannot serve" in page.text
        assert "Traceback" not in page.text


def test_a_database_that_hangs_does_not_block_the_check():
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and says nothing
        server = servers.web(DATABASE_URL=f"postgres://nobody@127.0.0.1:{mute.getsockname()[1]}/nothing").wait_ready()
        try:
            answers = [httpx.get(f"{server.url}/ready", timeout=30, verify=False) for _ in range(3)]
        finally:
            server.stop()
    assert [answer.json()["audit_store"] for answer in answers] == ["unreachable"] * 3


def test_a_database_without_migrations_makes_the_process_unready(tmp_path):
    server = servers.web(DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3").wait_ready()
    try:
        answer = httpx.get(f"{server.url}/ready", verify=False)
    finally:
        server.stop()
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not_ready",
        "error": "audit_store has unapplied migrations",
        "state_store": "ok",
        "audit_store": "unmigrated",
    }


@pytest.mark.django_db
def test_one_missing_migration_makes_the_process_unready(monkeypatch):
    monkeypatch.setattr(database.MigrationExecutor, "migration_plan", lambda *_: [("audit", "9999_next")])
    monkeypatch.setattr(database, "_release_migrations", lambda: {("audit", "9999_next")})
    assert Client().get("/ready").status_code == 503


@pytest.mark.django_db(transaction=True)
def test_a_database_of_a_newer_release_is_accepted():
    recorder = MigrationRecorder(connection)
    recorder.record_applied("audit", "9999_next")
    try:
        assert Client().get("/ready").json()["audit_store"] == "ok"
    finally:
        recorder.record_unapplied("audit", "9999_next")
