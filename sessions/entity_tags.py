"""The entity tag of a session: `"v7-1a2b3c4d"`, its version and the epoch, so that no two states of an id share one.

A state that was read from the audit has a third part, a digest: it is shown otherwise than the store's state of this
version, and an erasure changes it.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from synckairos.ids import EPOCH_CHARS

Tagged: TypeAlias = tuple[int, str]
"""A version of one life of a session id: with its epoch, which is empty where a caller has left it open."""

VERSION_FORM = "v[1-9][0-9]{0,15}"
EPOCH_FORM = f"[0-9a-f]{{{EPOCH_CHARS}}}"
_OURS = re.compile(f"({VERSION_FORM})(?:-({EPOCH_FORM}))?")


def entity_tag(epoch: str, version: int, digest: str = "") -> str:
    """The strong validator of a state, with its quotation marks. Only states from the audit have a digest."""
    return f'"v{version}-{epoch}-{digest}"' if digest else f'"v{version}-{epoch}"'


def read_tag(opaque: str) -> Tagged | None:
    """Return the version and epoch of a tag without its quotation marks; None for a tag of another form. `v7` alone
    matches any epoch."""
    match = _OURS.fullmatch(opaque)
    return None if match is None else (int(match[1][1:]), match[2] or "")
