"""How long to wait before trying again."""

from __future__ import annotations

import random

BASE_S = 0.25
CAP_S = 10.0


class Backoff:
    """Exponential with full jitter: a random wait below a bound that doubles, so that clients do not come all at once.

    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, base_s: float = BASE_S, cap_s: float = CAP_S, rng: random.Random | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self.tries = 0
        """How many waits in a row."""

    def next_s(self) -> float:
        """The wait before the next try, in seconds."""
        bound_s = min(self._cap_s, self._base_s * 2 ** min(self.tries, 30))
        self.tries += 1
        return self._rng.uniform(0, bound_s)

    def soon_s(self, asked_s: float) -> float:
        """The wait that somebody asked for, a little more than it."""
        return asked_s + self._rng.uniform(0, 0.1)

    def reset(self) -> None:
        """All is well: begin with short waits again."""
        self.tries = 0
