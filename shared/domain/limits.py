"""The sliding window of a key: which limit applies, and how requests are counted.

The window has 61 one-second buckets: the current second, counted whole, and the 60 before it. Any
60 s touch at most 61 of them, so never more than the limit is admitted; what is lost is at most
one second in 61, under 2 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.accounts import RateState, Tier

WINDOW_S = 60
BUCKETS = WINDOW_S + 1


@dataclass(frozen=True, slots=True)
class TierLimits:
    """Requests per minute of each tier."""

    dev: int
    pro: int

    def of(self, tier: Tier) -> int:
        """Requests per minute of one tier."""
        return self.pro if tier is Tier.PRO else self.dev


@dataclass(frozen=True, slots=True)
class Balances:
    """What an account has and has set aside, nano-USD, at one moment."""

    credits_nano: int
    held_nano: int
    referral_nano: int
    referral_held_nano: int
    credits_expire_at: datetime | None = None

    def pays_by_referral(self, now: datetime) -> bool:
        """Whether the main credits are used up or expired, and referral credits are not."""
        expired = self.credits_expire_at is not None and self.credits_expire_at <= now
        main_nano = 0 if expired else self.credits_nano - self.held_nano
        return main_nano <= 0 < self.referral_nano - self.referral_held_nano


def limit_of(tier: Tier, account_rpm: int | None, key_rpm: int | None, tiers: TierLimits) -> int:
    """Requests per minute of a key: its own, else its account's, else its tier's."""
    if key_rpm is not None:
        return key_rpm
    if account_rpm is not None:
        return account_rpm
    return tiers.of(tier)


def rate_state(limit: int, used: int, oldest: int) -> RateState:
    """What a client is told about its window.

    Args:
        limit: Requests per 60 s.
        used: Requests counted in the window.
        oldest: Index of the oldest bucket that counts a request, -1 when none does.

    Returns:
        The state; `reset_s` is when the oldest counted request has left the window for sure.
    """
    return RateState(limit=limit, remaining=max(0, limit - used), reset_s=oldest + 1)


@dataclass(slots=True)
class SlidingWindow:
    """The window in memory, oldest bucket first; the last one is the second `sec`.

    The clock never goes back here: a step back of up to one window is waited out. A larger one is
    taken as the new time, and all that was counted is taken to have happened just now, which can
    only admit less.
    """

    sec: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    @property
    def used(self) -> int:
        """Requests in the window."""
        return sum(self.buckets)

    def admit(self, now_s: int, limit: int) -> bool:
        """Count one request at the second `now_s` if `limit` allows; a refused one never counts."""
        self._advance(now_s)
        admitted = self.used < limit
        if admitted:
            self.buckets[-1] += 1
        return admitted

    def state(self, limit: int) -> RateState:
        """The window as a client is told of it."""
        oldest = next((i for i, count in enumerate(self.buckets) if count), -1)
        return rate_state(limit, self.used, oldest)

    def _advance(self, now_s: int) -> None:
        step = now_s - self.sec
        if step < -WINDOW_S:
            self.buckets = [0] * WINDOW_S + [self.used]
            self.sec = now_s
        elif step > 0:
            gone = min(step, BUCKETS)
            self.buckets = self.buckets[gone:] + [0] * gone
            self.sec = now_s
