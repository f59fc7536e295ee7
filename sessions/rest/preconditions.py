"""Conditional requests (RFC 9110, section 13): `If-Match` for commands, `If-None-Match` for reads."""

from __future__ import annotations

import re

from rest_framework.request import Request

from sessions.entity_tags import read_tag
from sessions.services.outcome import Precondition
from synckairos.errors import ValidationFailed

_ITEM = re.compile(r'[ \t]*+(?:(?P<weak>W/)?"(?P<tag>[!\x23-\x7e\x80-\xff]*+)"[ \t]*+)?(?:,|\Z)')
"""One element of a list of entity tags, which may be empty; tags may hold commas."""


def precondition_of(request: Request) -> Precondition | None:
    """What `If-Match` asks for; None without one. Raises ValidationFailed for a malformed header.

    The comparison is strong: weak tags, and tags that are none of ours, match no version. `"v7"` is that version of any
    epoch.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return None
    if header.strip(" \t") == "*":
        return Precondition(None)
    ours = (read_tag(tag) for is_weak, tag in _tags(header) if not is_weak)
    return Precondition(frozenset(tagged for tagged in ours if tagged is not None))


def _tags(header: str) -> list[tuple[bool, str]]:
    """The entity tags of a list, at least one, each with whether it is weak. Raises ValidationFailed."""
    tags = []
    position = 0
    while position < len(header):
        item = _ITEM.match(header, position)
        if item is None:
            break
        if item["tag"] is not None:
            tags.append((item["weak"] is not None, item["tag"]))
        position = item.end()
    if position < len(header) or not tags:
        raise ValidationFailed([("If-Match", 'Expected *, or tags such as "v3-1a2b3c4d", separated by commas.')])
    return tags


def matches(if_none_match: str | None, tag: str) -> bool:
    """RFC 9110, 13.1.2: weak comparison with a list of tags, or `*`."""
    if if_none_match is None:
        return False
    offered = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return "*" in offered or tag in offered
