"""Tombstones of pruned sessions (SyncPruned): commits of such a session that come late do not bring it back.

An entry of the outbox can come again long after it was written, when a dead letter is sent again for example. One that
the tombstone covers was written before and is dropped; a later one was never written, and becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterable

from audit.models import SyncPruned
from audit.row_mapping import Commit, SessionKey


class Pruned(Exception):
    """The session of a commit was pruned before the commit came."""

    reason = "the session was pruned"


def pruned_versions(keys: Iterable[SessionKey]) -> dict[SessionKey, int]:
    """Return the last version of each of these epochs that was pruned."""
    wanted = set(keys)
    rows = SyncPruned.objects.filter(session_id__in={session_id for session_id, _ in wanted})
    found = rows.values_list("session_id", "epoch", "version")
    return {(session_id, epoch): version for session_id, epoch, version in found if (session_id, epoch) in wanted}


def check(commits: Iterable[Commit], pruned: dict[SessionKey, int]) -> None:
    """Raise Pruned when a commit of a pruned session was never written."""
    if any(commit.version > pruned.get(commit.key, commit.version) for commit in commits):
        raise Pruned
