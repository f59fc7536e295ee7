"""Tombstones of pruned sessions (SyncPruned): commits of such a session that come late do not bring it back.

An entry of the outbox can come again long after it was written, when a dead letter is sent again for example. One that
the tombstone covers was written before and is dropped; a later one was never written, and becomes a dead letter.
Verifications take tombstones at their word (docs/consistency.md#what-a-tombstone-proves).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from audit.models import SyncPruned
from audit.row_mapping import Commit, SessionKey


class Pruned(Exception):
    """The session of a commit was pruned before the commit came."""

    reason = "the session was pruned"


class End(NamedTuple):
    """The end of the chain of an epoch that was pruned."""

    version: int
    digest: bytes
    """The digest of the last commit; empty without a chain."""


def pruned_ends(keys: Iterable[SessionKey]) -> dict[SessionKey, End]:
    """Return where each of these epochs ended that was pruned."""
    wanted = set(keys)
    if not wanted:
        return {}
    rows = SyncPruned.objects.filter(session_id__in={session_id for session_id, _ in wanted})
    found = rows.values_list("session_id", "epoch", "version", "digest")
    return {
        (session_id, epoch): End(version, bytes(digest or b""))
        for session_id, epoch, version, digest in found
        if (session_id, epoch) in wanted
    }


def pruned_versions(keys: Iterable[SessionKey]) -> dict[SessionKey, int]:
    """Return the last version of each of these epochs that was pruned."""
    return {key: end.version for key, end in pruned_ends(keys).items()}


def check(commits: Iterable[Commit], pruned: dict[SessionKey, int]) -> None:
    """Raise Pruned when a commit of a pruned session was never written."""
    if any(commit.version > pruned.get(commit.key, commit.version) for commit in commits):
        raise Pruned
