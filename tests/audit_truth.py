"""What the audit of a stack says beside its store: `python -m tests.audit_truth SESSION_ID …` writes JSON lines."""

from __future__ import annotations

import json
import sys
from uuid import UUID

import django

if __name__ == "__main__":
    django.setup()

from audit import selectors
from audit.models import SyncCommit
from sessions.store import store
from synckairos.redis.scripts import send_blocking


def truth(session_id: UUID) -> dict[str, object]:
    """How the rows of a session agree with its live state."""
    live = send_blocking(store.load(session_id)).state
    row = selectors.session_get(session_id)
    assert live is not None
    assert row is not None
    return {
        "session_id": str(session_id),
        "committed": live.sequence,
        "version": live.version,
        "rows": selectors.session_events(row).count(),
        "commits": SyncCommit.objects.filter(session=row).count(),
        "row_version": row.version,
        "is_live_state": selectors.replayed_state(row) == live,
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps(truth(UUID(name))))
