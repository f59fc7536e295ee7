"""Waits between attempts, with exponential backoff."""

from __future__ import annotations

import random

BASE_S = 0.25
CAP_S = 10.0


class Backoff:
    """Exponential backoff with full jitter: a random wait below a bound that doubles, so that clients do not return at
    once.

    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, base_s: float = BASE_S, cap_s: float = CAP_S, rng: random.Random | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self.tries = 0
        """Number of waits since the last reset."""

    def next_s(self) -> float:
        """Return the wait before the next attempt, in seconds."""
        bound_s = min(self._cap_s, self._base_s * 2 ** min(self.tries, 30))
        self.tries += 1
        return self._rng.uniform(0, bound_s)

    def with_jitter_s(self, asked_s: float) -> float:
        """Return a given wait, with up to 0.1 s added."""
        return asked_s + self._rng.uniform(0, 0.1)

    def reset(self) -> None:
        """Begin with short waits again, after a success."""
        self.tries = 0
