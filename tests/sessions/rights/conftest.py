"""Sessions with people in them."""

from __future__ import annotations

import httpx
import pytest

from tests.sessions.rights.cast import Stage


@pytest.fixture
def stage(api: httpx.Client) -> Stage:
    """A pending private session."""
    return Stage(api)


@pytest.fixture
def public(api: httpx.Client) -> Stage:
    """A pending public session."""
    return Stage(api, {"visibility": "public"})
