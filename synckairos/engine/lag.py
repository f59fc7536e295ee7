"""Lag compensation: the part of a turn that the network took is not charged, within a quota.

The rule is that of scalachess (LagTracker): a quota that each turn renews a little, sized by the expected length of the
game. Here one turn gets no more than the lag that the server has measured itself.
"""

from __future__ import annotations

from msgspec import Struct

from synckairos.engine.units import Duration

QUOTA_GAINS = 3
"""A quota begins with this many gains."""
MAX_QUOTA_GAINS = 7
MAX_GAIN_MS = 1_000
BASE_GAIN_MS = 150
MEASURED_MARGIN_MS = 140
"""A turn renews the quota by at most the measured lag and this much."""
MAX_GRACE_MS = 2_000
"""Longest time for which an expiry waits for a switch that may be under way."""


class LagAccount(Struct, frozen=True, array_like=True):
    """The lag of one participant."""

    gain_ms: Duration
    """The time that a turn adds to the quota."""
    quota_ms: Duration
    average_ms: Duration | None = None
    """The average of the measured round trips; the latest weighs a tenth."""
    granted_ms: Duration = 0
    """All that was not charged."""
    uncompensated_ms: Duration = 0
    """All lag that was charged."""

    @property
    def grace_ms(self) -> Duration:
        """Return how long an expiry waits for a switch that may be under way."""
        return min(self.quota_ms, MAX_GRACE_MS)


class Lag(Struct, frozen=True, array_like=True):
    """The lag of one turn, as its event tells it."""

    claimed_ms: Duration | None
    """Length of the turn less the client's own thinking time; None when the client did not say."""
    measured_ms: Duration | None
    """The round trip that the server measured; None when it could not."""
    granted_ms: Duration
    """The part of the turn that is not charged."""
    account: LagAccount
    """The account of the participant afterwards."""


def open_account(expected_ms: Duration) -> LagAccount:
    """Return the account of a participant that is expected to use this time in a game."""
    gain_ms = min(MAX_GAIN_MS, expected_ms // 1_000 * 2 // 5 * 10 + BASE_GAIN_MS)
    return LagAccount(gain_ms, QUOTA_GAINS * gain_ms)


def compensate(
    account: LagAccount,
    turn_ms: Duration,
    think_ms: Duration | None,
    measured_ms: Duration | None,
    *,
    limit_ms: Duration,
) -> Lag:
    """Return the lag of a turn, with the account after it. At most `limit_ms` is granted.

    Without `think_ms` the lag is the average that was measured.
    """
    average_ms = _average(account.average_ms, measured_ms)
    claimed_ms = None if think_ms is None else max(0, turn_ms - think_ms)
    lag_ms = min(turn_ms, average_ms or 0) if claimed_ms is None else claimed_ms
    granted_ms = min(lag_ms, account.quota_ms, limit_ms)
    gain_ms = account.gain_ms if average_ms is None else min(account.gain_ms, average_ms + MEASURED_MARGIN_MS)
    quota_ms = min(account.quota_ms + gain_ms - granted_ms, MAX_QUOTA_GAINS * account.gain_ms)
    after = LagAccount(
        account.gain_ms,
        quota_ms,
        average_ms,
        account.granted_ms + granted_ms,
        account.uncompensated_ms + lag_ms - granted_ms,
    )
    return Lag(claimed_ms, measured_ms, granted_ms, after)


def _average(average_ms: Duration | None, measured_ms: Duration | None) -> Duration | None:
    if average_ms is None or measured_ms is None:
        return measured_ms if average_ms is None else average_ms
    return average_ms + (measured_ms - average_ms) // 10
