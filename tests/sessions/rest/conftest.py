"""Clients that live for the whole run: these tests are many, and making a client costs more than a request."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from synckairos.principal import mint
from tests.servers import Web
from tests.sessions.rest.talk import client_of


@pytest.fixture(scope="session")
def api(webs: list[Web]) -> Iterator[httpx.Client]:
    """Alice at the first web process."""
    with client_of(webs[0], mint("alice", is_staff=False)) as client:
        yield client


@pytest.fixture(scope="session")
def other_api(webs: list[Web]) -> Iterator[httpx.Client]:
    """Alice at the second web process."""
    with client_of(webs[1], mint("alice", is_staff=False)) as client:
        yield client


@pytest.fixture(scope="session")
def staff_api(webs: list[Web]) -> Iterator[httpx.Client]:
    """A moderator at the first web process."""
    with client_of(webs[0], mint("moderator", is_staff=True)) as client:
        yield client


@pytest.fixture(scope="session")
def bob_api(webs: list[Web]) -> Iterator[httpx.Client]:
    """Another person at the first web process."""
    with client_of(webs[0], mint("bob", is_staff=False)) as client:
        yield client
