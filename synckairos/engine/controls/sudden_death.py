"""Sudden death: one bank for all turns."""

from __future__ import annotations

from typing import ClassVar

from synckairos.engine.controls.base import MainTimeControl


class SuddenDeath(MainTimeControl, frozen=True, kw_only=True, tag="sudden_death"):
    """One bank for all turns; nothing is given back."""

    rewards_turns: ClassVar[bool] = False
