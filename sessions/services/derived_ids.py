"""Derived ids: a session created under an Idempotency-Key has the same id for every repeat, at every process
(docs/consistency.md#ids-that-come-of-a-key)."""

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
"""The secret, as the store has last returned it."""


def load_derived(caller: Caller, key: str) -> Procedure[tuple[UUID, Snapshot]]:
    """Return the id for this caller and Idempotency-Key, and the session that is there.

    The same round trip checks whether the secret is still the one that this process knows. A store that has lost it
    with all its data gets it back; when another process was first, its secret is used, and the id is another one.
    """
    global _known  # noqa: PLW0603 - one for each process
    secret = _known or secrets.token_bytes(ids.SECRET_BYTES)
    while True:
        session_id = ids.derived_session_id(secret, caller.principal.subject, key)
        agree = Call(_SCRIPT, [keys.id_secret()], [secret], bytes)  # sets this one, if the store has none yet
        agreed, loaded = yield Pipeline(agree, store.load(session_id, idempotency_key(session_id, caller)))
        _known = agreed
        if agreed == secret:
            return session_id, loaded
        secret = agreed
