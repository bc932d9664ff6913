"""The housekeeping process: `trollllm housekeeping`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.errors import SettingsError, StoreError
from shared.housekeeping.lease import Lease
from shared.housekeeping.sweeper import Sweeper
from shared.ledger.ledger import LedgerStores
from shared.periodic import attempt, repeat
from shared.settings import Settings
from shared.store.client import AsyncDb, connect_async, database_name
from shared.store.holds import MongoHoldStore
from shared.store.leases import MongoLeaseStore
from shared.store.prices import MongoPriceStore
from shared.store.request_logs import MongoRequestLogStore
from shared.store.workers import MongoWorkerStore

log = logging.getLogger(__name__)

LEASE = "housekeeping"
_GRACE_S = 30.0
_TIMEOUT_MS = 10_000
_FAREWELL_S = 0.5


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done again and again.

    Attributes:
        name: For the log.
        interval_s: Between two turns.
        act: What.
        leased: Only one process of all may do it.
        grace_s: Seconds for which the lease must have been held without a gap. After the database
            was away, workers need that long to be heard of again.
    """

    name: str
    interval_s: float
    act: Callable[[], Awaitable[object]]
    leased: bool = True
    grace_s: float = 0.0


class Housekeeping:
    """Does its duties, each at its own interval, until it is cancelled.

    A leased duty renews the lease first: a process that slept finds out before it writes.

    Args:
        lease: The right to do the leased ones.
        duties: What there is to do.
    """

    def __init__(self, lease: Lease, duties: Sequence[Duty]) -> None:
        self._lease = lease
        self._duties = duties

    async def run(self) -> None:
        """Work until cancelled, then give the lease back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_lease())
                for duty in self._duties:
                    group.create_task(self._do(duty))
        finally:
            await self._leave()

    async def _keep_lease(self) -> None:
        await attempt("lease", self._lease.renew)
        await repeat("lease", self._lease.ttl_s / 3, self._lease.renew)

    async def _do(self, duty: Duty) -> None:
        async def turn() -> None:
            if not duty.leased or await self._may(duty):
                await duty.act()

        await attempt(duty.name, turn)
        await repeat(duty.name, duty.interval_s, turn)

    async def _may(self, duty: Duty) -> bool:
        return await self._lease.renew() and self._lease.held_for_s >= duty.grace_s

    async def _leave(self) -> None:
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await self._lease.give_back()


def duties_of(sweeper: Sweeper) -> tuple[Duty, ...]:
    """What housekeeping does."""
    return (
        Duty("journal adoption", 5.0, sweeper.adopt_journals, leased=False),
        Duty("hold sweep", 5.0, sweeper.release_abandoned, grace_s=_GRACE_S),
        Duty("worker clean-up", 600.0, sweeper.forget_workers),
    )


async def run(settings: Settings) -> None:
    """Keep house until SIGTERM or SIGINT.

    Raises:
        SettingsError: No database is named.
        StoreRefused: Its connection string cannot be used.
    """
    if settings.mongodb_uri is None:
        raise SettingsError(["MONGODB_URI is not set: housekeeping needs the database's address"])
    client = connect_async(settings.mongodb_uri, timeout_ms=_TIMEOUT_MS)
    try:
        database = client[database_name(settings.mongodb_uri)]
        await _until_told(_housekeeping(settings, database).run())
    finally:
        await client.close()


def main(settings: Settings) -> int:
    """Run the process; the exit code."""
    asyncio.run(run(settings))
    return 0


def _housekeeping(settings: Settings, database: AsyncDb) -> Housekeeping:
    stores = LedgerStores(
        MongoHoldStore(database), MongoRequestLogStore(database), MongoWorkerStore(database)
    )
    sweeper = Sweeper(settings.home, stores, MongoPriceStore(database))
    holder = f"{socket.gethostname()}:{uuid.uuid4()}"
    return Housekeeping(Lease(MongoLeaseStore(database), LEASE, holder), duties_of(sweeper))


async def _until_told(work: Awaitable[None]) -> None:
    """Run until done or until a signal asks to end."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    log.info("housekeeping has started")
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    log.info("housekeeping has ended")
