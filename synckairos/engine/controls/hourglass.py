"""Hourglass: the other clock gains the time that the running one loses."""

from __future__ import annotations

from typing import ClassVar

from synckairos.engine.controls.base import MainTimeControl


class Hourglass(MainTimeControl, frozen=True, kw_only=True, tag="hourglass"):
    """Two clocks of which each gains the time that the other loses, so their sum is constant."""

    others_gain: ClassVar[bool] = True
    rewards_turns: ClassVar[bool] = False
