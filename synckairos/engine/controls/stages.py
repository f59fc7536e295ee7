"""Stages: after so many turns of one's own (or when its time is over) another time and another control are in force."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias, Union

from msgspec import Meta, Struct
from msgspec.structs import replace

from synckairos.engine.controls.base import MAIN, Bank, Count, Problem, Progress, Time, TimeControl
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.table import TABLE
from synckairos.engine.units import Duration

MAX_STAGES = 8

if TYPE_CHECKING:
    StageControl: TypeAlias = TimeControl
else:
    StageControl = Union[TABLE]  # noqa: UP007 - made from the table


class Until(StrEnum):
    """The values of `until`: what ends a stage."""

    TURNS = "turns"
    TIME = "time"


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage: its time is added when it begins, and its control holds until the next."""

    time_ms: Time
    turns: Count | None = None
    """Number of the owner's own turns after which the next stage begins; the last stage begins again. Without it the
    stage is the last, or ends by `until`: `time`."""
    control: StageControl = SuddenDeath()
    carries_over: bool = True
    """True if the time left of the stage before is kept."""
    until: Until = Until.TURNS


class Stages(TimeControl, frozen=True, kw_only=True, tag="stages"):
    """Several stages one after the other, as in 40 turns in 90 minutes, then 30 minutes for the rest."""

    has_phases: ClassVar[bool] = True

    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=MAX_STAGES)]

    @property
    def main_ms(self) -> Duration | None:
        return self.stages[0].time_ms

    def initial(self, main_ms: Duration) -> Bank:
        bank = self.stages[0].control.initial(main_ms)
        return Bank(bank.left_ms, self._counted(bank.progress, 0))

    def lead_in_ms(self, progress: Progress) -> Duration:
        return self._control(progress).lead_in_ms(progress)

    def after_end(self, progress: Progress) -> Bank | None:
        following = self._control(progress).after_end(progress)
        stage = self.stages[progress.stage]
        if following is None and stage.until is Until.TIME and progress.stage + 1 < len(self.stages):
            return self._entered(progress.stage + 1, 0)
        return following

    def earned(self, bank: Bank, turn_ms: Duration) -> Bank:
        stage = self.stages[bank.progress.stage]
        bank = stage.control.earned(bank, turn_ms)
        if stage.turns is None:
            return bank
        if bank.progress.turns > 1:
            return Bank(bank.left_ms, replace(bank.progress, turns=bank.progress.turns - 1))
        return self._entered(min(bank.progress.stage + 1, len(self.stages) - 1), bank.left_ms)

    def renewed(self, bank: Bank) -> Bank:
        return self._control(bank.progress).renewed(bank)

    def renews_after_expiry(self, progress: Progress) -> bool:
        return self._control(progress).renews_after_expiry(progress)

    def penalty_points(self, bank: Bank) -> int:
        return self._control(bank.progress).penalty_points(bank)

    def expected_ms(self, main_ms: Duration) -> Duration:
        return self.stages[0].control.expected_ms(main_ms)

    def problems(self) -> list[Problem]:
        found: list[Problem] = []
        last = len(self.stages) - 1
        for position, stage in enumerate(self.stages):
            field = f"stages.{position}"
            found += [(f"{field}.control.{name}", message) for name, message in stage.control.problems()]
            if stage.control.others_gain:
                found.append((f"{field}.control", "An hourglass has no stages."))
            if getattr(stage.control, "main_time_ms", None) is not None:
                found.append((f"{field}.control.main_time_ms", "A stage has its time in time_ms."))
            if stage.turns is not None and stage.until is Until.TIME:
                found.append((f"{field}.turns", "A stage ends either after its turns or with its time."))
            if position < last and stage.turns is None and stage.until is Until.TURNS:
                found.append((f"{field}.turns", "Required, unless the stage is the last or ends with its time."))
            if stage.control.has_phases and (position < last or stage.turns is not None):
                found.append((f"{field}.control", "Only the last stage, without turns, has a control with phases."))
        return found

    def _control(self, progress: Progress) -> TimeControl:
        return self.stages[progress.stage].control

    def _entered(self, position: int, left_ms: Duration) -> Bank:
        stage = self.stages[position]
        bank = stage.control.entered(stage.time_ms + (left_ms if stage.carries_over else 0), MAIN)
        return Bank(bank.left_ms, self._counted(bank.progress, position))

    def _counted(self, progress: Progress, position: int) -> Progress:
        """Return the progress at the beginning of a stage."""
        turns: Any = self.stages[position].turns
        return replace(progress, stage=position, turns=progress.turns if turns is None else turns)
