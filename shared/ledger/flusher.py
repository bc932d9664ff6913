"""Carries ended requests into the database, in the background."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.domain.accounts import Hold, RequestRecord
from shared.errors import JournalError, StoreError, StoreUnavailable
from shared.store.interfaces import HoldStore, RequestLogStore

log = logging.getLogger(__name__)

Sync = Callable[[], Awaitable[None]]
Acknowledge = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """A request that is over; `hold` is None for the fixed proxy key."""

    hold: Hold | None
    record: RequestRecord


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how much is sent.

    Attributes:
        linger_s: Wait after the first ended request, so that others join its batch.
        batch: Requests sent at once.
        retry_first_s: Wait after the first failure; doubled after each further one.
        retry_most_s: Longest wait.
        refused_most: Records of refused requests that wait at most; more are dropped.
        stuck_retry_s: Wait before requests that the database refused are tried again.
    """

    linger_s: float = 0.05
    batch: int = 500
    retry_first_s: float = 0.1
    retry_most_s: float = 5.0
    refused_most: int = 2_000
    stuck_retry_s: float = 60.0


class Flusher:
    """Sends one batch at a time; what is not acknowledged stays, in order, and is sent again.

    Sending twice is harmless: the stores are idempotent. A request that the database refuses is
    put aside, so that it stops nobody else, stays in the journal, and is tried again later.

    Args:
        holds: Where money moves.
        logs: Where records go.
        acknowledge: Told the request ids whose end the database knows.
        sync: Makes the journal's lines durable; awaited before the first row of a batch.
        pace: How often and how much.

    Attributes:
        dropped: Records of refused requests that were not kept.
    """

    def __init__(
        self,
        holds: HoldStore,
        logs: RequestLogStore,
        acknowledge: Acknowledge,
        pace: Pace | None = None,
        *,
        sync: Sync | None = None,
    ) -> None:
        self._holds = holds
        self._logs = logs
        self._acknowledge = acknowledge
        self._pace = pace or Pace()
        self._sync = sync
        self._ended: deque[Ended] = deque()
        self._stuck: list[Ended] = []
        self._refused: deque[RequestRecord] = deque()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Ended requests that the database does not know yet."""
        return len(self._ended) + len(self._stuck)

    def submit(self, ended: Ended) -> None:
        """Hand over a request that has ended."""
        self._ended.append(ended)
        self._rouse()

    def log(self, record: RequestRecord) -> None:
        """Hand over the record of a refused request; dropped when too many wait."""
        if len(self._refused) >= self._pace.refused_most:
            self.dropped += 1
            return
        self._refused.append(record)
        self._rouse()

    async def run(self) -> None:
        """Send for as long as the process lives."""
        failures = 0
        while True:
            await self._wake.wait()
            await self._pause(failures)
            failures = 0 if await self._turn() else failures + 1

    async def drain(self, timeout_s: float) -> int:
        """Send all that waits, without lingering.

        Returns:
            How many ended requests are still unknown to the database.
        """
        self._retry_stuck()
        self._hurry.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d ended requests wait for the database", self.waiting)
        finally:
            self._hurry.clear()
        return self.waiting

    def _rouse(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def _pause(self, failures: int) -> None:
        """Let others join the batch, or the database recover; hardly at all while draining."""
        if self._hurry.is_set():
            await asyncio.sleep(self._pace.retry_first_s if failures else 0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retry_s(failures)):
                await self._hurry.wait()

    def _retry_s(self, failures: int) -> float:
        if not failures:
            return self._pace.linger_s
        doubled_s = self._pace.retry_first_s * float(2 ** min(failures - 1, 10))
        return min(doubled_s, self._pace.retry_most_s)

    async def _turn(self) -> bool:
        """Send one batch of each kind; False when the database could not be reached."""
        try:
            await self._send_ended()
            await self._send_refused()
        except StoreUnavailable as error:
            log.warning("%d ended requests wait for the database: %s", self.waiting, error)
            return False
        except Exception:  # the boundary of a background task
            log.exception("settling failed unexpectedly; %d requests wait", self.waiting)
            return False
        if not self._ended and not self._refused:
            self._wake.clear()
            self._idle.set()
        return True

    async def _send_ended(self) -> None:
        batch = list(itertools.islice(self._ended, self._pace.batch))
        if not batch:
            return
        try:
            await self._send(batch)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one bad request must not hold up the others
            log.warning("of %d ended requests some are refused: %s", len(batch), error)
            await self._send_apart(len(batch))
        else:
            for _ in batch:
                self._ended.popleft()

    async def _send_apart(self, count: int) -> None:
        """Send the first ones alone, and put aside those that cannot be settled."""
        for _ in range(count):
            ended = self._ended[0]
            try:
                await self._send([ended])
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("request %s cannot be settled", ended.record.request_id)
                self._put_aside(ended)
            self._ended.popleft()

    def _put_aside(self, ended: Ended) -> None:
        if not self._stuck:
            asyncio.get_running_loop().call_later(self._pace.stuck_retry_s, self._retry_stuck)
        self._stuck.append(ended)

    def _retry_stuck(self) -> None:
        stuck, self._stuck = self._stuck, []
        for ended in stuck:
            self.submit(ended)

    async def _send(self, batch: Sequence[Ended]) -> None:
        charges = [(ended.hold, ended.record) for ended in batch if ended.hold is not None]
        await self._make_durable()
        if charges:
            await self._holds.settle(charges)
        await self._insert_logs([ended.record for ended in batch])
        self._acknowledge([ended.record.request_id for ended in batch])

    async def _make_durable(self) -> None:
        try:
            if self._sync is not None:
                await self._sync()
        except JournalError as error:
            log.warning("settling from memory alone: %s", error)

    async def _insert_logs(self, records: Sequence[RequestRecord]) -> None:
        try:
            await self._logs.insert(records)
        except StoreUnavailable:
            raise
        except StoreError as error:
            # The money is settled; a log row is not worth holding it up.
            log.warning("of %d request logs some were refused: %s", len(records), error)

    async def _send_refused(self) -> None:
        batch = list(itertools.islice(self._refused, self._pace.batch))
        if batch:
            await self._insert_logs(batch)
        for _ in batch:
            self._refused.popleft()
