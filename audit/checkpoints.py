"""Checkpoints: from time to time the heads of all chains that moved go into a signed Merkle tree outside the database.

Whoever can change the database can write it anew from the first row; then its chains differ from the checkpoints. What
is deleted is found too, the last commits of a session and whole sessions (audit/checkpoint_verification.py).
"""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Struct

from audit import checkpoint_log, write_barrier
from audit.checkpoint_log import CheckpointLog, Leaf
from audit.models import SyncCommit
from synckairos.conf import conf
from synckairos.telemetry import logs

_COMMITS = 5_000
"""Number of commits that are read at once."""

log = logs.get_logger(__name__)


class Made(Struct, frozen=True):
    """The result of one run."""

    leaves: int
    """Number of heads that were added."""
    checkpoint: str | None
    """The signed note; None if nothing has changed."""
    is_complete: bool
    """True when no commit was left for another run."""


def make(directory: Path, max_duration_s: float | None = None) -> Made | None:
    """Add the heads that have moved, and write a checkpoint; None while another process does it.

    Raises OSError, checkpoint_log.LogDamaged or DatabaseError.
    """
    ends_at_s = None if max_duration_s is None else time.monotonic() + max_duration_s
    with checkpoint_log.locked(directory, conf().issuer) as opened:
        if opened is None:
            return None
        before = opened.state.size
        is_complete = _add_heads(opened, ends_at_s)
        note = opened.sign(conf().signing_keys.keys[0])
        if note is not None:
            log.info("checkpoint of the audit", checkpoint=note)
        return Made(opened.state.size - before, note, is_complete)


def _add_heads(opened: CheckpointLog, ends_at_s: float | None) -> bool:
    last = write_barrier.settled_id()
    if last < opened.state.commit_id:
        log.warning("the audit has fewer commits than its checkpoints: all heads are added again")
        opened.append([], 0)
    while opened.state.commit_id < last:
        leaves, upto = _heads(opened.state.commit_id, last)
        opened.append(leaves, upto)
        if ends_at_s is not None and time.monotonic() > ends_at_s:
            break
    return opened.state.commit_id >= last


def _heads(after: int, last: int) -> tuple[list[Leaf], int]:
    """Return the newest commit of each session among the next commits, and the primary key of the last of these."""
    rows = list(
        SyncCommit.objects.filter(pk__gt=after, pk__lte=last)
        .order_by("pk")
        .values_list("pk", "session__session_id", "session__epoch", "version", "digest")[:_COMMITS]
    )
    heads: dict[tuple[object, str], Leaf] = {}
    for _, session_id, epoch, version, digest in rows:
        known = heads.get((session_id, epoch))
        if digest is not None and (known is None or known.version < version):
            heads[session_id, epoch] = Leaf(session_id, epoch, version, bytes(digest))
    return list(heads.values()), rows[-1][0] if len(rows) == _COMMITS else last
