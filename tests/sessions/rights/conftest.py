"""Clients that live for the whole run, as in the tests of the REST doors."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from synckairos.principal import mint
from tests.servers import Web
from tests.sessions.rest.talk import client_of
from tests.sessions.rights.cast import Stage


@pytest.fixture(scope="session")
def api(webs: list[Web]) -> Iterator[httpx.Client]:
    """Alice, who owns the sessions here."""
    with client_of(webs[0], mint("alice", is_staff=False)) as client:
        yield client


@pytest.fixture(scope="session")
def other_api(webs: list[Web]) -> Iterator[httpx.Client]:
    """Alice at the second web process."""
    with client_of(webs[1], mint("alice", is_staff=False)) as client:
        yield client


@pytest.fixture
def stage(api: httpx.Client) -> Stage:
    """A pending private session."""
    return Stage(api)


@pytest.fixture
def public(api: httpx.Client) -> Stage:
    """A pending public session."""
    return Stage(api, {"visibility": "public"})
