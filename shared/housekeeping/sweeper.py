"""Ends what dead workers left open: journals of this machine, holds of machines that are gone."""

from __future__ import annotations

import logging
from itertools import batched
from pathlib import Path

from shared.ledger.ledger import LedgerStores
from shared.ledger.recovery import RecoveryReport, recover
from shared.store.interfaces import PriceStore

log = logging.getLogger(__name__)

# With the pause between two sweeps no hold outlives its worker by more than 90 seconds.
WORKER_EXPIRY_S = 80.0
WORKER_FORGOTTEN_S = 3_600.0
_BATCH = 500


class Sweeper:
    """The duties around dead workers, each safe to run anywhere, at any time, again and again.

    Args:
        home: `$TROLLLM_HOME`.
        stores: Where requests are settled.
        prices: Of the versions that requests under way were opened with.
    """

    def __init__(self, home: Path, stores: LedgerStores, prices: PriceStore) -> None:
        self._home = home
        self._stores = stores
        self._prices = prices

    async def adopt_journals(self) -> RecoveryReport:
        """Settle the journals of dead workers of this machine.

        Needs no lease: a journal belongs to whoever holds the lock on its directory, and a lock,
        unlike a lease, cannot lapse while its holder sleeps.

        Raises:
            StoreUnavailable: No answer; the next turn goes on.
        """
        report = await recover(self._home, self._stores, self._prices)
        if report:
            log.warning("journals of dead workers: %s", report)
        return report

    async def release_abandoned(self) -> int:
        """Release holds whose worker has not been heard of; how many.

        Each leaves a row of amount 0, so that whatever comes back later is billed late.

        Raises:
            StoreUnavailable: No answer; the next turn goes on.
        """
        living = await self._stores.workers.living(WORKER_EXPIRY_S)
        abandoned = await self._stores.holds.holds_of_others(living, WORKER_EXPIRY_S)
        for batch in batched(abandoned, _BATCH):
            log.warning("releasing %d holds of workers that are gone", len(batch))
            await self._stores.holds.release_abandoned(batch, "its worker is gone")
        return len(abandoned)

    async def forget_workers(self) -> int:
        """Remove workers that have been silent for long; how many.

        Raises:
            StoreUnavailable: No answer; the next turn goes on.
        """
        return await self._stores.workers.forget_silent(WORKER_FORGOTTEN_S)
