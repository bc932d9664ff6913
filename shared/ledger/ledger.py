"""The crash-safe life of every request of one worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.accounts import Hold, OpenRequest, RequestRecord
from shared.domain.usage import Usage
from shared.errors import JournalError, StoreError
from shared.ledger.flusher import Ended, Flusher, Pace
from shared.ledger.journal import Journal
from shared.ledger.journal_home import journals_of
from shared.ledger.journal_lines import end_line, open_line, sent_line, usage_line
from shared.periodic import attempt, repeat
from shared.store.interfaces import HoldStore, RequestLogStore, WorkerStore

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
SWEEP_S = 30.0
SWEEP_AGE_S = 5.0
_RELEASED_KEPT_S = 600.0
_CHECKPOINT_S = 1.0
_CHECKPOINT_TOKENS = 1_000


@dataclass(slots=True)
class _Live:
    """A request that has not ended, and what its last checkpoint said."""

    hold: Hold | None
    noted_at_s: float = float("-inf")
    noted_output: int = 0


@dataclass(frozen=True, slots=True)
class LedgerStores:
    """Where a ledger settles."""

    holds: HoldStore
    logs: RequestLogStore
    workers: WorkerStore


class Ledger:
    """`RequestLedger` over a journal and a flusher. Belongs to one event loop.

    Args:
        journal: This worker's journal.
        stores: Where requests are settled.
        worker_id: Fresh for this process; the holds' `worker`.
        host: Name of this machine, for operators.
        pace: Of the flusher.
        monotonic: Clock of checkpoints, seconds.
    """

    def __init__(
        self,
        journal: Journal,
        stores: LedgerStores,
        worker_id: str,
        host: str,
        *,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._stores = stores
        self._worker_id = worker_id
        self._host = host
        self._monotonic = monotonic
        self._flusher = Flusher(
            stores.holds, stores.logs, self._acknowledged, pace, sync=journal.sync
        )
        self._open: dict[str, _Live] = {}
        self._ending: set[str] = set()
        self._released: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def create(cls, home: Path, stores: LedgerStores, worker_id: str, host: str) -> Ledger:
        """A ledger with a new journal under `$TROLLLM_HOME`; call inside the event loop.

        Raises:
            JournalError: The journal cannot be made.
        """
        return cls(Journal.create(journals_of(home), worker_id), stores, worker_id, host)

    @property
    def live(self) -> int:
        """Requests that are open."""
        return len(self._open)

    @property
    def unsettled(self) -> int:
        """Requests that have ended and that the database does not know of yet."""
        return len(self._ending)

    @property
    def failing(self) -> bool:
        """The journal could not be written when it was last tried: nothing is admitted."""
        return self._journal.failing

    async def start(self) -> None:
        """Begin to settle, to send heartbeats and to look after lost holds."""
        await attempt("heartbeat", self._beat)
        self._tasks = [
            asyncio.create_task(self._flusher.run(), name="flusher"),
            asyncio.create_task(repeat("heartbeat", HEARTBEAT_S, self._beat), name="heartbeat"),
            asyncio.create_task(repeat("hold sweep", SWEEP_S, self.sweep), name="hold sweep"),
        ]

    async def open(self, request: OpenRequest) -> None:
        """Make the request durable before an upstream hears of it.

        Raises:
            JournalError: It could not be written, or its hold was given back meanwhile; the caller
                must `release` the hold and refuse.
        """
        request_id = request.record.request_id
        if request_id in self._released:
            raise JournalError(f"the hold of {request_id} had been released already")
        self._open[request_id] = _Live(request.hold)
        try:
            await self._journal.append_durable(open_line(request), opens=request_id)
        except BaseException:
            self._open.pop(request_id, None)
            raise

    def sent(self, request_id: str) -> None:
        """Note that the request is about to leave for the upstream: from here on it is billed.

        Raises:
            JournalError: It could not be written; the request must not leave.
        """
        if request_id in self._open:
            self._journal.append(sent_line(request_id))

    def checkpoint(self, request_id: str, usage: Usage) -> None:
        """Note usage so far: written at most every second or every thousand output tokens."""
        live = self._open.get(request_id)
        if live is None:
            return
        now_s = self._monotonic()
        soon = now_s - live.noted_at_s < _CHECKPOINT_S
        if soon and usage.output - live.noted_output < _CHECKPOINT_TOKENS:
            return
        live.noted_at_s, live.noted_output = now_s, usage.output
        with contextlib.suppress(JournalError):  # an older checkpoint, or the estimate, stands in
            self._journal.append(usage_line(request_id, usage))

    async def settle(self, record: RequestRecord) -> None:
        """End an open request with its cost (0 releases the hold); survives this process at once.

        The flusher makes the line durable, with those of its whole batch, before it charges. A
        second end, or that of a request that was never opened, is ignored. When the journal
        cannot be written the database alone makes it durable, as soon as it can.
        """
        request_id = record.request_id
        live = self._open.pop(request_id, None)
        if live is None:
            return
        self._ending.add(request_id)
        try:
            self._journal.append(end_line(live.hold, record))
        except JournalError as error:
            log.warning("the end of %s is not journaled: %s", request_id, error)
        finally:
            self._flusher.submit(Ended(live.hold, record))

    def log(self, record: RequestRecord) -> None:
        """Log a request that was never opened (refused). Best effort."""
        self._flusher.log(record)

    async def release(self, user_id: str, request_id: str) -> None:
        """Give back a hold that was never opened, or of which nobody knows whether it is there.

        What cannot be given back now is by the next sweep. Does nothing for a request that is
        open or ended here.
        """
        if not self._knows(request_id):
            await attempt("release", lambda: self._release(user_id, [request_id]))

    async def sweep(self) -> None:
        """Release holds of this worker that it does not know: reserves whose answer was lost.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        self._forget_released()
        lost: defaultdict[str, list[str]] = defaultdict(list)
        for hold in await self._stores.holds.holds_of_worker(self._worker_id, SWEEP_AGE_S):
            if not self._knows(hold.request_id):
                lost[hold.user_id].append(hold.request_id)
        for user_id, request_ids in lost.items():
            log.warning("releasing %d holds of lost reserves", len(request_ids))
            await self._release(user_id, [one for one in request_ids if not self._knows(one)])

    async def drain(self, timeout_s: float) -> int:
        """Settle all that has ended.

        Returns:
            Requests that are open, or ended and still unknown to the database.
        """
        await self._flusher.drain(timeout_s)
        return self.live + self.unsettled

    async def close(self) -> None:
        """Stop. What is not settled stays in the journal for whoever adopts it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        clean = not self._journal.unacknowledged
        self._journal.close()
        if clean:
            with contextlib.suppress(StoreError):
                await self._stores.workers.remove(self._worker_id)

    def _knows(self, request_id: str) -> bool:
        return request_id in self._open or request_id in self._ending

    def _acknowledged(self, request_ids: Sequence[str]) -> None:
        self._ending.difference_update(request_ids)
        self._journal.acknowledge(request_ids)

    async def _release(self, user_id: str, request_ids: Sequence[str]) -> None:
        # Noted before the first await: a request whose hold goes must not be opened any more.
        self._released.update(dict.fromkeys(request_ids, self._monotonic()))
        await self._stores.holds.release(user_id, request_ids)

    def _forget_released(self) -> None:
        limit_s = self._monotonic() - _RELEASED_KEPT_S
        self._released = {one: at for one, at in self._released.items() if at > limit_s}

    async def _beat(self) -> None:
        await self._stores.workers.beat(self._worker_id, self._host)
