"""Entries that are not written now, each whole in a stream beside the outbox, with the reason noted beside it.

Dead letters stay until staff send them again or delete them; the others are taken up again by the drain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from audit import outbox_reader
from audit.event_writer import Diverged
from audit.failure_reasons import reason_of
from audit.outbox_reader import Received
from synckairos.redis import keys
from synckairos.telemetry import logs, metrics

AGAIN_AFTER_MS = (10_000, 60_000, 300_000, 900_000, 3_600_000)
"""How long after its first, second, … refusal an entry is tried again; after the last of these it is a dead letter."""

log = logs.get_logger(__name__)

Failed = Sequence[tuple[Received, Exception]]
"""Entries, and what was wrong with each."""


def bury(shard: int, key: str, failed: Failed) -> None:
    """Make dead letters of entries of a stream."""
    outbox_reader.move(key, keys.outbox_dead(shard), [(entry, _notes(entry, fault)) for entry, fault in failed])
    for entry, fault in failed:
        metrics.AUDIT_DEAD.inc()
        log.error(
            "outbox entry set aside",
            shard=shard,
            entry=f"{shard}/{entry.first_id}",
            session_id=str(entry.session_id or ""),
            error=type(fault).__name__,
            reason=reason_of(fault),
        )


def keep_for_newer(shard: int, key: str, entries: Sequence[Received]) -> None:
    """Let entries of a newer release wait for a worker that can read them."""
    if not entries:
        return
    log.warning("outbox entries of a newer release wait for its worker", shard=shard, entries=len(entries))
    outbox_reader.move(key, keys.outbox_newer(shard), [(entry, {"id": entry.first_id}) for entry in entries])


def keep_for_later(shard: int, key: str, times: int, failed: Failed, taken_ms: float) -> None:
    """Let entries that the database has refused, `times` times before, be tried again later.

    A refusal counts only if others have been taken since the one before (at `taken_ms` on the store's clock): while the
    database takes nothing, nothing dies.
    """
    dead: list[tuple[Received, Exception]] = []
    again: defaultdict[int, list[tuple[Received, Mapping[str, str]]]] = defaultdict(list)
    reasons: defaultdict[str, list[Received]] = defaultdict(list)
    for entry, fault in failed:
        reasons[reason_of(fault)].append(entry)
        so_far = times + (not times or taken_ms > entry.at_ms)
        if so_far > keys.REFUSALS or isinstance(fault, Diverged):
            dead.append((entry, fault))
        else:
            again[so_far].append((entry, _notes(entry, fault) | {"tries": str(so_far)}))
    for reason, entries in reasons.items():
        metrics.AUDIT_REFUSED.inc(len(entries))
        first = entries[0]
        log.warning(
            "audit store refused entries",
            shard=shard,
            entries=len(entries),
            first=f"{shard}/{first.first_id}",
            session_id=str(first.session_id or ""),
            reason=reason,
        )
    for so_far, moves in again.items():
        outbox_reader.move(key, keys.outbox_refused(shard, so_far), moves)
    bury(shard, key, dead)


def _notes(entry: Received, fault: Exception) -> dict[str, str]:
    session_id = entry.session_id
    return {
        "id": entry.first_id,
        "error": type(fault).__name__,
        "reason": reason_of(fault),
        "session": "" if session_id is None else str(session_id),
    }
