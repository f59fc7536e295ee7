"""Entries that cannot be written now: each moves whole to another stream, with the reason in its notes.

Dead letters stay until staff send them again or delete them; the drain retries the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from audit import outbox_reader
from audit.event_writer import FINAL_FAULTS
from audit.failure_reasons import reason_of
from audit.outbox_reader import StreamEntry
from synckairos.redis import keys
from synckairos.telemetry import logs, metrics

RETRY_DELAYS_MS = (10_000, 60_000, 300_000, 900_000, 3_600_000)
"""Delays after the first, second, … refusal; an entry that is refused after the last of them is a dead letter."""

log = logs.get_logger(__name__)

Failures = Sequence[tuple[StreamEntry, Exception]]
"""Entries, each with its error."""


def add_dead_letters(shard: int, key: str, failed: Failures) -> None:
    """Make dead letters of entries of a stream."""
    outbox_reader.move(key, keys.outbox_dead(shard), [(entry, _notes(entry, fault)) for entry, fault in failed])
    for entry, fault in failed:
        metrics.AUDIT_DEAD.inc()
        log.error(
            "outbox entry set aside",
            shard=shard,
            entry=f"{shard}/{entry.original_id}",
            session_id=str(entry.session_id or ""),
            error=type(fault).__name__,
            reason=reason_of(fault),
        )


def defer_to_newer_release(shard: int, key: str, entries: Sequence[StreamEntry]) -> None:
    """Keep entries of a newer release for a worker that can read them."""
    if not entries:
        return
    log.warning("outbox entries of a newer release wait for its worker", shard=shard, entries=len(entries))
    outbox_reader.move(key, keys.outbox_newer(shard), [(entry, {"id": entry.original_id}) for entry in entries])


def schedule_retries(shard: int, key: str, refusals: int, failed: Failures, last_write_ms: float) -> None:
    """Keep entries that the database has refused for a later retry; `refusals` is the number of earlier refusals.

    A refusal counts only if other entries were written since the one before (at `last_write_ms` on the store's clock):
    while the database accepts nothing, no entry becomes a dead letter.
    """
    dead: list[tuple[StreamEntry, Exception]] = []
    moves_by_count: defaultdict[int, list[tuple[StreamEntry, Mapping[str, str]]]] = defaultdict(list)
    reasons: defaultdict[str, list[StreamEntry]] = defaultdict(list)
    for entry, fault in failed:
        reasons[reason_of(fault)].append(entry)
        count = refusals + (not refusals or last_write_ms > entry.added_ms)
        if count > keys.MAX_DATABASE_REFUSALS or isinstance(fault, FINAL_FAULTS):
            dead.append((entry, fault))
        else:
            moves_by_count[count].append((entry, _notes(entry, fault) | {"tries": str(count)}))
    for reason, entries in reasons.items():
        metrics.AUDIT_REFUSED.inc(len(entries))
        first = entries[0]
        log.warning(
            "audit store refused entries",
            shard=shard,
            entries=len(entries),
            first=f"{shard}/{first.original_id}",
            session_id=str(first.session_id or ""),
            reason=reason,
        )
    for count, moves in moves_by_count.items():
        outbox_reader.move(key, keys.outbox_refused(shard, count), moves)
    add_dead_letters(shard, key, dead)


def _notes(entry: StreamEntry, fault: Exception) -> dict[str, str]:
    session_id = entry.session_id
    return {
        "id": entry.original_id,
        "error": type(fault).__name__,
        "reason": reason_of(fault),
        "session": "" if session_id is None else str(session_id),
    }
