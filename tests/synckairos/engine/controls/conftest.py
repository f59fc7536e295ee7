"""Turns under a time control in seconds, so that tests read like the tables of vectors in docs/clock.md.

A new control needs a file of tests beside this one, and nothing here.
"""

from typing import NamedTuple

import pytest

from synckairos.engine.controls import MAIN, SUDDEN_DEATH
from tests.synckairos.engine.conftest import Session, creation, id_of

FLAG = "flag"
HOUR = 3_600


class Shown(NamedTuple):
    """What A's clock shows: the time left in the phase, in seconds, and the progress in the time control."""

    left: float
    phase: str = "main"
    periods: int = 0
    turns: int = 0
    stage: int = 0
    in_reserve: float = 0


class Duel:
    """A plays under a time control. B has an hour, and answers each turn at once."""

    def __init__(self, mode, control, *, main=None, both=False, **fields):
        banks = {"A": _ms(main), "B": _ms(main) if both else HOUR * 1_000}
        controls = {} if both else {"B": SUDDEN_DEATH, "Y": SUDDEN_DEATH}
        if mode == "per_group":
            fields |= {"teams": {"A": "X", "B": "Y"}, "groups": {"X": banks["A"], "Y": banks["B"]}}
        kept = {name: one for name, one in controls.items() if (name in banks) == (mode == "per_participant")}
        self.session = Session(creation(mode, banks, time_control=control, controls=kept, **fields), 0).start(0)
        self.now = 0

    def thinks(self, seconds):
        """A's turn goes on for so long."""
        self.now += _ms(seconds)
        self.session.look(self.now)
        return self.shown()

    def finishes(self, seconds=0):
        """A's turn ends after so long, and A's next turn begins."""
        self.now += _ms(seconds)
        flagged = self.session.switch(self.now, "B", claim="A").expired_on_switch
        self.session.switch(self.now, "A", claim="B")
        return FLAG if flagged == id_of("A") else self.shown()

    def turns(self, *lengths):
        """A plays turns of these lengths, and is left so much after each."""
        shown = [self.finishes(seconds) for seconds in lengths]
        return [one if one == FLAG else one.left for one in shown]

    def pauses(self, seconds):
        """The session stands still for so long."""
        self.session.pause(self.now)
        self.now += _ms(seconds)
        self.session.resume(self.now)
        return self.shown()

    def presses_by_mistake(self, *, after):
        """A's turn ends at once, and the switch is taken back so much later."""
        self.session.switch(self.now, "B", claim="A")
        self.now += _ms(after)
        self.session.undo(self.now)
        return self.shown()

    def shown(self, name="A"):
        seat = self.session.seat(name)
        if seat.has_expired and self.session.deadline is None:
            return FLAG
        progress = seat.progress or MAIN
        left, reserve = self.session.left(name, self.now) / 1_000, progress.reserve_ms / 1_000
        return Shown(left, progress.phase, progress.periods, progress.turns, progress.stage, reserve)

    @property
    def last_turn(self):
        """Return the event of A's last turn that was finished."""
        own = (e for e in reversed(self.session.events) if getattr(e, "from_participant_id", None) == id_of("A"))
        return next(own)


def _ms(seconds):
    return None if seconds is None else round(seconds * 1_000)


@pytest.fixture(scope="session", params=["per_participant", "per_group"])
def duel(request):
    """Makes a duel, in each mode in which clocks have time controls."""
    return lambda control, **fields: Duel(request.param, control, **fields)
