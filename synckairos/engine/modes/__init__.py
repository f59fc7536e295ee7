"""The table of modes, one row each."""

from __future__ import annotations

from synckairos.engine.modes.base import Mode
from synckairos.engine.modes.per_cycle import PerCycle
from synckairos.engine.modes.per_group import PerGroup
from synckairos.engine.modes.per_participant import PerParticipant
from synckairos.engine.modes.whole_session import CountUp, Global
from synckairos.engine.state import State
from synckairos.engine.units import SyncMode

MODES: dict[SyncMode, Mode] = {
    SyncMode.PER_PARTICIPANT: PerParticipant(),
    SyncMode.PER_GROUP: PerGroup(),
    SyncMode.PER_CYCLE: PerCycle(),
    SyncMode.GLOBAL: Global(),
    SyncMode.COUNT_UP: CountUp(),
}


def mode_of(state: State) -> Mode:
    """Return the mode of a session."""
    return MODES[state.config.sync_mode]
