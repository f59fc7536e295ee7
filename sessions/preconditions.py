"""Conditional requests (RFC 9110, section 13): `If-Match` for commands, `If-None-Match` for reads."""

from __future__ import annotations

import re

from msgspec import Struct

from sessions.entity_tags import Tagged, read_tag
from synckairos.errors import ValidationFailed

_ITEM = re.compile(r'[ \t]*+(?:(?P<weak>W/)?"(?P<tag>[!\x23-\x7e\x80-\xff]*+)"[ \t]*+)?(?:,|\Z)')
"""One element of a list of entity tags, which may be empty; tags may hold commas."""


class Precondition(Struct, frozen=True):
    """The versions at which a command may be applied to a session, which has to exist; None for any version."""

    tagged: frozenset[Tagged] | None

    @property
    def versions(self) -> frozenset[int] | None:
        """Return the versions of all epochs."""
        return None if self.tagged is None else frozenset(version for version, _ in self.tagged)

    def accepts(self, epoch: str) -> frozenset[int] | None:
        """Return the versions that apply to a session of this epoch; None for any version."""
        if self.tagged is None:
            return None
        return frozenset(version for version, wanted in self.tagged if wanted in {"", epoch})


def precondition_in(if_match: str | None) -> Precondition | None:
    """Return the precondition of an `If-Match` header; None without one. Raises ValidationFailed for a malformed one.

    The comparison is strong: weak tags, and tags that are none of ours, match no version. `"v7"` is that version of any
    epoch.
    """
    if if_match is None:
        return None
    if if_match.strip(" \t") == "*":
        return Precondition(None)
    ours = (read_tag(tag) for is_weak, tag in _tags(if_match) if not is_weak)
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
