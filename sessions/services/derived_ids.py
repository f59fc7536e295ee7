"""The id of a session that is made under an Idempotency-Key: the same for every repeat, at whatever process.

It is a digest of the caller's name and key, keyed with a secret that the store has, so that nobody can work it out who
knows both. Keys and secrets that are rotated have no part in it: a repeat finds its session across any rotation.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from sessions.services.commits import idempotency_key
from sessions.services.outcome import Caller
from sessions.store import store
from sessions.store.lua import FOLDER
from sessions.store.store import Snapshot
from synckairos import ids
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure
from synckairos.redis.scripts import Call, Pipeline, Script

_SCRIPT = Script(FOLDER / "secret.lua", allow_oom=True)

_known: bytes | None = None
"""The secret, as the store last told this process."""


def load_derived(caller: Caller, key: str) -> Procedure[tuple[UUID, Snapshot]]:
    """The id for this caller and Idempotency-Key, and what is there.

    One round trip, which also asks whether the secret is still the one that this process knows. A store that has lost
    it with all its data is given it back; when another process was first, its secret counts, and the id is another.
    """
    global _known  # noqa: PLW0603 - one for each process
    secret = _known or secrets.token_bytes(ids.SECRET_BYTES)
    while True:
        session_id = ids.derived_session_id(secret, caller.principal.subject, key)
        agreed, loaded = yield Pipeline(_agreed(secret), store.load(session_id, idempotency_key(session_id, caller)))
        _known = agreed
        if agreed == secret:
            return session_id, loaded
        secret = agreed


def _agreed(secret: bytes) -> Call[bytes]:
    """What all processes use: this, if there is none yet."""
    return Call(_SCRIPT, [keys.id_secret()], [secret], bytes)
