"""Fixtures that any test may use. The servers themselves are in tests/servers.py."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import hypothesis
import pytest
from django.db import connection
from msgspec.structs import replace

from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from tests import servers
from tests.clocked_web import WallClock

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _empty_store(request: pytest.FixtureRequest) -> None:
    """Every test begins with an empty store."""
    if "tests/synckairos/engine" not in str(request.path):
        redis_client.blocking_client().flushall()


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Change product settings of this process for one test: `configure(rate_switch=Rate(…))`."""

    def change(**values: Any) -> None:
        settings.SYNCKAIROS = replace(settings.SYNCKAIROS, **values)

    return change


@pytest.fixture
def token() -> str:
    """A person's bearer token."""
    return mint("alice", is_staff=False)


@pytest.fixture
def staff_token() -> str:
    """A moderator's bearer token."""
    return mint("moderator", is_staff=True)


def bearer(value: str) -> dict[str, str]:
    """Headers that carry a token."""
    return {"Authorization": f"Bearer {value}"}


def client_of(server: servers.Web, token: str) -> httpx.Client:
    """A client with credentials; nothing here is encrypted, so it needs no certificates."""
    return httpx.Client(base_url=server.url, headers=bearer(token), timeout=30, verify=False)


@pytest.fixture(scope="session")
def schema_url(django_db_setup: None) -> str:
    """The address of the test database, for processes that look at its schema only: what is in it changes."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    base, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{base}/{name}"


@pytest.fixture(scope="session")
def webs(schema_url: str) -> Iterator[list[servers.Web]]:
    """Two web processes on different ports with one store. They serve many tests, so nobody stops them."""
    both = [servers.web(DATABASE_URL=schema_url) for _ in range(2)]
    yield [server.wait_ready() for server in both]
    for server in both:
        server.stop()


@pytest.fixture(scope="module")
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.StoreServer]:
    """A running store of the module's own, which its tests may stop and configure."""
    server = servers.StoreServer(tmp_path_factory.mktemp("store"), port=servers.free_port()).start()
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def clocked_server() -> Iterator[tuple[servers.Web, WallClock]]:
    """A web process, and the wall clock by which it judges tokens."""
    clock = WallClock(servers.DATA_DIR / "wall-clock")
    web = servers.clocked_web(clock.path, SYNCKAIROS_AUTH_GRACE_S="600")
    yield web.wait_ready(), clock
    web.stop()


@pytest.fixture
def clocked_web(clocked_server: tuple[servers.Web, WallClock]) -> Iterator[tuple[servers.Web, WallClock]]:
    """A web process whose credentials expire when the test says so, with a grace of ten minutes; and its clock."""
    yield clocked_server
    clocked_server[1].reset()


@pytest.fixture(scope="session")
def api(webs: list[servers.Web]) -> Iterator[httpx.Client]:
    """Alice at the first web process. These clients live for the whole run: making one costs more than a request."""
    with client_of(webs[0], mint("alice", is_staff=False)) as client:
        yield client


@pytest.fixture(scope="session")
def other_api(webs: list[servers.Web]) -> Iterator[httpx.Client]:
    """Alice at the second web process."""
    with client_of(webs[1], mint("alice", is_staff=False)) as client:
        yield client


@pytest.fixture(scope="session")
def staff_api(webs: list[servers.Web]) -> Iterator[httpx.Client]:
    """A moderator at the first web process."""
    with client_of(webs[0], mint("moderator", is_staff=True)) as client:
        yield client


@pytest.fixture(scope="session")
def bob_api(webs: list[servers.Web]) -> Iterator[httpx.Client]:
    """Another person at the first web process."""
    with client_of(webs[0], mint("bob", is_staff=False)) as client:
        yield client


@pytest.fixture
def game() -> dict[str, Any]:
    """A creation body: two players with a minute each."""
    return {
        "sync_mode": "per_participant",
        "participants": [{"participant_id": str(uuid4()), "total_time_ms": 60_000} for _ in range(2)],
    }


@pytest.fixture
def audit_url(transactional_db: None, schema_url: str) -> str:
    """The address of the test database, for processes that a test starts."""
    return schema_url
