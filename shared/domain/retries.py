"""How often a request is tried again at upstreams. Pure."""

from __future__ import annotations

import math

from shared.domain.upstream_keys import DISABLING, Fault

MAX_ATTEMPTS = 3


class RetryBudget:
    """Bounds retries to a share of the live requests, so that they never pile onto an outage.

    Args:
        share: Retries under way at most, as a share of the live requests.
        floor: Retries that are allowed however few requests are live.

    Attributes:
        under_way: Retries that have not been answered yet.
    """

    def __init__(self, share: float = 0.2, floor: int = 3) -> None:
        self._share = share
        self._floor = floor
        self.under_way = 0

    def take(self, live: int) -> bool:
        """Whether one more request may be retried; it counts until that is given back."""
        if self.under_way >= max(self._floor, math.floor(live * self._share)):
            return False
        self.under_way += 1
        return True

    def give_back(self) -> None:
        """A request that was retried is being answered, or has ended."""
        self.under_way -= 1


def falls_back_first(fault: Fault, attempts: int) -> bool:
    """Whether a fallback comes before another key of the same upstream, where there is one.

    Another key does not help against an upstream that cannot be reached, and the last attempt is
    worth more elsewhere.

    Args:
        fault: Of the last attempt.
        attempts: Made so far.
    """
    return fault is Fault.CONNECT or attempts == MAX_ATTEMPTS - 1


def counts_in_budget(fault: Fault) -> bool:
    """Whether a retry after that fault needs a permit.

    What is wrong with one key alone does not: the pool takes that key out at once, so that no
    more requests are retried than were under way with it.
    """
    return fault not in (*DISABLING, Fault.RATE_LIMITED)
