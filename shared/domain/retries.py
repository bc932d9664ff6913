"""How often a request is tried again at upstreams. Pure."""

from __future__ import annotations

import math

MAX_ATTEMPTS = 3


class RetryBudget:
    """Bounds retries to a share of the live requests, so that they never pile onto an outage.

    Args:
        share: Retries under way at most, as a share of the live requests.
        floor: Retries that are allowed however few requests are live.

    Attributes:
        under_way: Requests that are being retried.
    """

    def __init__(self, share: float = 0.2, floor: int = 3) -> None:
        self._share = share
        self._floor = floor
        self.under_way = 0

    def take(self, live: int) -> bool:
        """Whether one more request may be retried; it is counted until it is given back."""
        if self.under_way >= max(self._floor, math.floor(live * self._share)):
            return False
        self.under_way += 1
        return True

    def give_back(self) -> None:
        """A request that was retried has ended."""
        self.under_way -= 1
