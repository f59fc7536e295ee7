"""The second verification of what looks wrong: an erasure or a prune may have written between the rows that were read.

A prune writes the tombstone before it deletes rows, so tombstones are looked for at last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from audit.models import SyncSession
from audit.row_mapping import SessionKey
from audit.tombstones import pruned_ends
from audit.verification import Waiting, verify_parts
from audit.verification_faults import Fault, Finding, Verified
from audit.verification_rows import Part

_OF_REMOVAL = {Fault.MISSING, Fault.TRUNCATED}
"""The faults of a chain of which some rows are deleted already."""
_GONE = "its row has gone, and no tombstone tells of a removal"


def verified_again(
    parts: Collection[Part], waiting: Mapping[SessionKey, Mapping[int, Waiting]] | None = None
) -> dict[int, Verified]:
    """Verify parts once more, with the rows of their sessions as they are now; return the results by these rows'
    primary keys. A session that a prune has removed, or is removing, has no finding.

    `waiting` are commits that are not written yet, by session and by the version that each follows.
    """
    rows = SyncSession.objects.in_bulk([part.session for part in parts])
    found = {part.session: Verified(part.session, 0, 0, _gone(part)) for part in parts}
    there = [_as_now(part, rows[part.session]) for part in parts if part.session in rows]
    if waiting is None:
        found |= {result.session: result for result in (verify_parts(there) if there else [])}
    else:
        for part in there:
            found[part.session] = verify_parts([part], waiting.get((part.session_id, part.epoch)))[0]
    doubtful = {(part.session_id, part.epoch): part.session for part in parts if _may_be_removed(found[part.session])}
    for key in pruned_ends(doubtful):
        found[doubtful[key]] = replace(found[doubtful[key]], finding=None, is_removed=True)
    return found


def _gone(part: Part) -> Finding:
    return Finding(str(part.session_id), part.epoch, part.version, Fault.MISSING, _GONE)


def _as_now(part: Part, row: SyncSession) -> Part:
    until = row.version if part.is_last else part.until
    return replace(part, version=row.version, until=until, parent_epoch=row.parent_epoch)


def _may_be_removed(result: Verified) -> bool:
    return result.finding is not None and result.finding.fault in _OF_REMOVAL
