"""Versions of protocol and product. Both are in docs/protocol.md and CHANGELOG.md, and a test compares them."""

from __future__ import annotations

from typing import Final

PROTOCOL: Final = "2.0.0"
"""Version of the protocol: `server_version` of `/v1/time`, and the version of the OpenAPI and AsyncAPI documents."""
PRODUCT: Final = "3.0.0.dev0"
"""Version of this code, as in pyproject.toml and the changelog."""
