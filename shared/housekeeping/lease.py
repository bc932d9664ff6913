"""A lease as its holder sees it: held until a deadline that only a renewal moves on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class LeaseStore(Protocol):
    """Where leases are kept."""

    async def take(self, name: str, holder: str, ttl_s: float) -> int | None:
        """Token of a lease that is free or one's own; None when another holds it."""

    async def give_back(self, name: str, holder: str) -> None:
        """End one's own lease early."""


def boottime_s() -> float:
    """Seconds on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The right to do what only one process may do.

    The deadline counts from before the renewal was asked for, so that this process gives up no
    later than the database does.

    Args:
        store: Where leases are kept.
        name: What the right is for.
        holder: This process.
        ttl_s: How long a renewal lasts.
        now_s: Clock.
    """

    def __init__(
        self,
        store: LeaseStore,
        name: str,
        holder: str,
        *,
        ttl_s: float = 30.0,
        now_s: Callable[[], float] = boottime_s,
    ) -> None:
        self._store = store
        self._name = name
        self._holder = holder
        self._ttl_s = ttl_s
        self._now_s = now_s
        self._asked = False
        self._token: int | None = None
        self._since_s = 0.0
        self._deadline_s = float("-inf")

    @property
    def ttl_s(self) -> float:
        """How long a renewal lasts, seconds."""
        return self._ttl_s

    @property
    def held_for_s(self) -> float:
        """Seconds for which it has been held without a gap; 0 when it is not held."""
        now_s = self._now_s()
        return now_s - self._since_s if now_s < self._deadline_s else 0.0

    async def renew(self) -> bool:
        """Take or keep it; False when another holds it.

        Raises:
            StoreUnavailable: No answer; it is held until its deadline.
        """
        asked_s, lapsed = self._now_s(), self.held_for_s == 0
        self._asked = True
        token = await self._store.take(self._name, self._holder, self._ttl_s)
        if token is None:
            self._token, self._deadline_s = None, float("-inf")
            return False
        if lapsed or token != self._token:
            self._since_s = asked_s
        self._token, self._deadline_s = token, asked_s + self._ttl_s
        return self._now_s() < self._deadline_s

    async def give_back(self) -> None:
        """Let another have it at once, also when the answer to a renewal never came.

        Raises:
            StoreUnavailable: No answer; it ends by itself.
        """
        self._deadline_s = float("-inf")
        if self._asked:
            await self._store.give_back(self._name, self._holder)
