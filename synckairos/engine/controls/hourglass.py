"""Hourglass: what one clock loses the other one gains."""

from __future__ import annotations

from typing import ClassVar

from synckairos.engine.controls.base import MainTimeControl


class Hourglass(MainTimeControl, frozen=True, kw_only=True, tag="hourglass"):
    """What one of the two clocks loses, the other gains: their sum is constant."""

    others_gain: ClassVar[bool] = True
    rewards_turns: ClassVar[bool] = False
