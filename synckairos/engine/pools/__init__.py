"""The table of modes: each has a pool. How the clocks in it run is a time control (synckairos/engine/controls)."""

from __future__ import annotations

from synckairos.engine.pools.base import Pool
from synckairos.engine.pools.cycle import CyclePool
from synckairos.engine.pools.group import GroupPool
from synckairos.engine.pools.participant import ParticipantPool
from synckairos.engine.pools.session import CountUpPool, GlobalPool
from synckairos.engine.state import State
from synckairos.engine.units import SyncMode

POOLS: dict[SyncMode, Pool] = {
    SyncMode.PER_PARTICIPANT: ParticipantPool(),
    SyncMode.PER_GROUP: GroupPool(),
    SyncMode.PER_CYCLE: CyclePool(),
    SyncMode.GLOBAL: GlobalPool(),
    SyncMode.COUNT_UP: CountUpPool(),
}


def pool_of(state: State) -> Pool:
    """Return the pool of a session."""
    return POOLS[state.config.sync_mode]
