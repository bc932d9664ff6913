"""Turns: many writes to one document at once make each other start over, so they queue here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.errors import StoreUnavailable


class Turns:
    """Lets a few in at once for each key; the others wait, in order, for a bounded time.

    MongoDB lets concurrent updates of one document run into each other and repeats those that
    lose. With 200 reserves on one account, eight at a time took 0.6 of the time of all at once.

    Args:
        limit: How many at once, for each key.
        timeout_s: Longest wait.
    """

    def __init__(self, limit: int, timeout_s: float) -> None:
        self._limit = limit
        self._timeout_s = timeout_s
        self._queues: dict[str, tuple[asyncio.Semaphore, list[int]]] = {}

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Hold a turn for a key.

        Raises:
            StoreUnavailable: It did not come in time.
        """
        queue, users = self._queues.setdefault(key, (asyncio.Semaphore(self._limit), [0]))
        users[0] += 1
        try:
            await self._wait(queue)
            try:
                yield
            finally:
                queue.release()
        finally:
            users[0] -= 1
            if not users[0]:
                del self._queues[key]

    async def _wait(self, queue: asyncio.Semaphore) -> None:
        if not queue.locked():
            await queue.acquire()  # does not suspend
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await queue.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("the account is too busy: no turn came in time") from error
