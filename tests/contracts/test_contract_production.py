"""What production refuses and what can be switched there; and that neither an image nor a repository takes a secret."""

from __future__ import annotations

import fnmatch
import os
import secrets
import socket
import subprocess
import sys
from contextlib import nullcontext
from http.cookies import SimpleCookie

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.test import Client
from marshmallow.exceptions import ValidationError as Unacceptable
from pathspec import GitIgnoreSpec

from config import environment, safety
from deploy import check
from synckairos.auth.signing_keys import InvalidKey, generate_pem, key_ring
from synckairos.redis.client import StoreUrl
from tests import servers
from tests.servers import ROOT

SECRETS = [
    *("production.env", ".env", ".env.production", "deploy/staging.env", "deploy/.env"),
    *("signing.pem", "deploy/tls/privkey.pem", "server.key", "var/signing_key", "var/secret_key", "deploy/var/x"),
    "var/synckairos.sqlite3",
]


@pytest.mark.parametrize("path", SECRETS)
def test_no_secret_of_an_operator_ends_in_the_repository(path):
    assert GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text().splitlines()).match_file(path)


def ignored_by_docker(path):
    """Whether the last pattern that matches a path, or a directory above it, leaves it out."""
    parts = path.split("/")
    above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    is_ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        patterns = [pattern, pattern.removeprefix("**/")]
        if any(name.count("/") == one.count("/") and fnmatch.fnmatch(name, one) for name in above for one in patterns):
            is_ignored = not line.startswith("!")
        if pattern.startswith("**/") and any(fnmatch.fnmatch(part, patterns[1]) for part in parts):
            is_ignored = not line.startswith("!")
    return is_ignored


@pytest.mark.parametrize("path", SECRETS)
def test_no_secret_of_an_operator_ends_in_the_image(path):
    assert ignored_by_docker(path)


def test_but_the_product_does():
    for path in ("manage.py", "config/environment.py", "requirements/base.txt", "deploy/prepare.py"):
        assert not ignored_by_docker(path), path


def started(**changes):
    """What reading the environment of production says."""
    env = {"PATH": os.environ["PATH"], "SYNCKAIROS_ENV": "production", **check.REQUIRED, **changes}
    command = [sys.executable, "-c", "import config.environment"]
    return subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)


def key_file(tmp_path, mode):
    path = tmp_path / f"key-{mode:o}"
    path.write_text(generate_pem())
    path.chmod(mode)
    return str(path)


def test_production_does_not_start_with_what_is_open_to_others(tmp_path):
    unsafe = {
        "REDIS_URL": ("redis://state.example.com:6379/0", "password"),
        "SYNCKAIROS_BROKER_URL": ("redis://state.example.com:6379/1", "password"),
        "DATABASE_URL": ("sqlite:////srv/clock.sqlite3", "SYNCKAIROS_ALLOW_SQLITE"),
        "SYNCKAIROS_SIGNING_KEYS": (key_file(tmp_path, 0o644), "every user of this machine"),
        "SYNCKAIROS_SECRET_KEY_FALLBACKS": ("short", "50 characters"),
        "SYNCKAIROS_HSTS_PRELOAD": ("1", "SYNCKAIROS_HSTS_SUBDOMAINS"),
        "SYNCKAIROS_METRICS_HOST": ("everywhere", "127.0.0.1"),
        "SYNCKAIROS_LOG_ADDRESSES": ("none", "hashed, whole"),
    }
    start = started(**{name: value for name, (value, _) in unsafe.items()})
    assert start.returncode != 0
    (line,) = start.stderr.splitlines()
    for name, (_, says) in unsafe.items():
        assert says in line.partition(f" {name}:")[2].partition("\\n")[0], name
    assert str(tmp_path) not in line  # it might be a key with a slip in it


def test_but_it_does_with_what_is_not(tmp_path):
    start = started(
        REDIS_URL="redis://:a-password@state.example.com:6379/0",
        SYNCKAIROS_BROKER_URL="redis://127.0.0.1:6379/1",
        DATABASE_URL="sqlite:////srv/clock.sqlite3",
        SYNCKAIROS_ALLOW_SQLITE="1",
        SYNCKAIROS_SIGNING_KEYS=key_file(tmp_path, 0o440),
        SYNCKAIROS_SECRET_KEY_FALLBACKS=f"{secrets.token_urlsafe(48)},{secrets.token_urlsafe(48)}",
        SYNCKAIROS_HSTS_PRELOAD="1",
        SYNCKAIROS_HSTS_SUBDOMAINS="1",
        SYNCKAIROS_METRICS_HOST="::",
        SYNCKAIROS_LOG_ADDRESSES="whole",
    )
    assert start.returncode == 0, start.stderr


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("redis://state.example.com:6379/0", False),
        ("redis://10.0.0.5/0", False),
        ("redis://somebody@10.0.0.5/0", False),
        ("redis+sentinel://a.example.com:26379,127.0.0.1:26379/clocks", False),
        ("redis+cluster://127.0.0.1:7000,10.0.0.5:7000", False),
        ("redis+cluster://:a-password@10.0.0.5:7000", True),
        ("redis://:a-password@state.example.com:6379/0", True),
        ("redis://state.example.com:6379/0?password=a-password", True),
        ("rediss://state.example.com:6379/0", True),
        ("redis://127.0.0.1:6379/0", True),
        ("redis://localhost/0", True),
        ("redis://[::1]:6379/0", True),
        ("unix:///run/valkey.sock", True),
    ],
)
def test_a_store_that_others_can_reach_has_a_password_or_tls(url, is_safe):
    safety.store(StoreUrl(url), in_production=False)
    with nullcontext() if is_safe else pytest.raises(Unacceptable):
        safety.store(StoreUrl(url), in_production=True)


@pytest.mark.parametrize(
    ("mode", "is_safe"), [(0o600, True), (0o400, True), (0o440, True), (0o644, False), (0o602, False)]
)
def test_a_key_file_is_for_its_owner_and_group(tmp_path, mode, is_safe):
    with nullcontext() if is_safe else pytest.raises(InvalidKey, match="every user"):
        key_ring(key_file(tmp_path, mode), check_file=safety.key_file)


@pytest.mark.parametrize(("environment", "arguments"), [("production", []), ("development", ["--help"])])
def test_a_signing_key_is_made_without_settings_and_without_leaving_anything(tmp_path, environment, arguments):
    data = tmp_path / "data"
    env = {"PATH": os.environ["PATH"], "SYNCKAIROS_ENV": environment, "SYNCKAIROS_DATA_DIR": str(data)}
    command = [sys.executable, str(ROOT / "manage.py"), "make_signing_key", *arguments]
    made = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")
    assert arguments or made.stdout.startswith("-----BEGIN PRIVATE KEY-----")
    assert list(tmp_path.iterdir()) == []


ADMIN = ("/admin/", "/admin/login/")
DOCUMENTS = ("/api-docs", "/api-docs.json", "/asyncapi.json")


def test_admin_and_documents_can_be_switched_off():
    web = servers.web(SYNCKAIROS_ADMIN="0", SYNCKAIROS_API_DOCS="0").wait_ready()
    try:
        for path in (*ADMIN, *DOCUMENTS):
            answer = httpx.get(f"{web.url}{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), path
        assert httpx.get(f"{web.url}/v1/time").status_code == 200
    finally:
        web.stop()


def test_hsts_speaks_for_subdomains_and_lists_only_when_told_to():
    told = {"SYNCKAIROS_HSTS_SUBDOMAINS": "1", "SYNCKAIROS_HSTS_PRELOAD": "1"}
    hosts = {"SYNCKAIROS_ALLOWED_HOSTS": "127.0.0.1", "SYNCKAIROS_TRUSTED_PROXIES": "127.0.0.1"}
    stores = {name: os.environ[name] for name in ("REDIS_URL", "DATABASE_URL")}
    web = servers.web(SYNCKAIROS_ENV="production", **{**check.REQUIRED, **hosts, **stores, **told}).wait_ready()
    try:
        answer = httpx.get(f"{web.url}/v1/time", headers={"X-Forwarded-Proto": "https"})
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains; preload"
    finally:
        web.stop()


def test_metrics_of_a_process_without_doors_are_shown_to_this_machine_only():
    port = servers.free_port()
    keeper = servers.managed("timekeeper", SYNCKAIROS_METRICS_PORT=str(port))
    try:

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        servers.wait_until(listens, servers.READY_WITHIN_S, keeper.output())
        with socket.socket() as taken:  # which the address of all would not leave free
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.2", port))
    finally:
        keeper.stop()


@pytest.mark.django_db
def test_who_has_logged_in_stays_so_while_the_old_secret_key_is_a_fallback(settings):
    user = get_user_model()(username="root", is_staff=True, is_superuser=True, password=make_password("secret"))
    user.save()
    browser = Client()
    browser.force_login(user)
    cookies = SimpleCookie(browser.cookies)
    old, settings.SECRET_KEY = settings.SECRET_KEY, secrets.token_urlsafe(48)
    assert settings.SECRET_KEY_FALLBACKS == environment.SECRET_KEY_FALLBACKS  # which the variable sets
    settings.SECRET_KEY_FALLBACKS = [old]
    browser.cookies = cookies
    assert browser.get("/admin/").status_code == 200
