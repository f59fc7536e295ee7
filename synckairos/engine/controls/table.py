"""The table of time controls, one row each. A stage may hold each of them but the stages themselves (stages.py)."""

from __future__ import annotations

from synckairos.engine.controls.bronstein import Bronstein
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.nhk import Nhk
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.time_bank import TimeBank

TABLE = (
    SuddenDeath,
    Fischer,
    Bronstein,
    Delay,
    TimeBank,
    PerTurn,
    ByoYomi,
    Canadian,
    Hourglass,
    Overtime,
    Nhk,
)
