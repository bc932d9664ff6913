"""Settles what dead workers of this machine left in their journals.

Safe to run twice, at the same time, and to be killed anywhere: a journal is replayed by whoever
holds its lock, every step may be repeated, and the directory goes last.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path

from shared.domain.accounts import Hold, RequestRecord
from shared.domain.pricing import cost_nano
from shared.domain.usage import Usage
from shared.errors import JournalError, StoreUnavailable
from shared.ledger.journal_home import JournalDirectory, dead_journals, journals_of
from shared.ledger.ledger import LedgerStores
from shared.ledger.replay import JournalledRequest, Replay, read_journal
from shared.store.interfaces import PriceStore

log = logging.getLogger(__name__)

CRASHED = "worker_crashed"
_REASON = "its worker crashed"
_BATCH = 500

type _Act = Callable[[Sequence[JournalledRequest]], Awaitable[None]]


@dataclass(slots=True)
class RecoveryReport:
    """What was found and done.

    Attributes:
        journals: Directories settled and removed.
        kept: Directories with something that cannot be settled yet.
        ended: Requests whose end was journaled.
        crashed: Requests under way, billed from a checkpoint or an estimate.
        released: Holds ended as never sent or never opened: given back, unless a row charges them.
        faults: Damaged places in journals.
    """

    journals: int = 0
    kept: int = 0
    ended: int = 0
    crashed: int = 0
    released: int = 0
    faults: int = 0

    def __bool__(self) -> bool:
        return bool(self.journals or self.kept)


async def recover(home: Path, stores: LedgerStores, prices: PriceStore) -> RecoveryReport:
    """Adopt the journals of dead workers, settle them and remove them.

    Args:
        home: `$TROLLLM_HOME`.
        stores: Where to settle.
        prices: Of the versions that requests under way were opened with.

    Raises:
        StoreUnavailable: The database does not answer; what is left waits for the next run.
    """
    report = RecoveryReport()
    for directory in dead_journals(journals_of(home)):
        if await _recovered(_Recovery(directory, stores, prices, report)):
            report.journals += 1
        else:
            report.kept += 1
    return report


async def _recovered(recovery: _Recovery) -> bool:
    """Settle one journal and remove it; False when it has to stay."""
    directory = recovery.directory
    try:
        if await recovery.run():
            directory.remove()
            return True
    except OSError:
        log.exception("journal %s cannot be read or removed", directory.path)
    except BaseException:
        directory.unlock()
        raise
    directory.unlock()
    return False


def crashed_record(request: JournalledRequest, cost: int) -> RequestRecord:
    """How a request under way ended when its worker died.

    Args:
        request: As its worker left it.
        cost: What it costs, nano-USD; cut to its hold.
    """
    held = cost if request.hold is None else min(cost, request.hold.amount_nano)
    return replace(
        request.record,
        usage=_last_usage(request),
        cost_nano=held,
        end_reason=CRASHED,
        status=200 if request.usage else 502,
        attempts=max(request.record.attempts, 1),
    )


class _Recovery:
    """One journal."""

    def __init__(
        self,
        directory: JournalDirectory,
        stores: LedgerStores,
        prices: PriceStore,
        report: RecoveryReport,
    ) -> None:
        self.directory = directory
        self._stores = stores
        self._prices = prices
        self._report = report
        self._kept: set[str] = set()

    async def run(self) -> bool:
        """Settle it; False when something in it cannot be settled yet."""
        replay = self._read()
        requests = list(replay.requests.values())
        ended = [one for one in requests if one.ended]
        crashed = [one for one in requests if one.sent and not one.ended]
        unsent = [one for one in requests if not one.sent and not one.ended]
        await self._each_batch(ended, self._settle)
        await self._each_batch(unsent, self._give_back)
        for one in crashed:
            await self._each_alone([one], self._bill)
        await self._release_unknown()
        return not self._kept

    def _read(self) -> Replay:
        replay = read_journal(self.directory.segments())
        for fault in replay.faults:
            log.error("damaged journal line skipped: %s", fault)
        self._report.faults += len(replay.faults)
        return replay

    async def _each_batch(self, requests: Sequence[JournalledRequest], act: _Act) -> None:
        for batch in batched(requests, _BATCH):
            try:
                await act(batch)
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one bad request must not hold up others
                log.warning("of %d journaled requests some are refused: %s", len(batch), error)
                await self._each_alone(batch, act)

    async def _each_alone(self, requests: Iterable[JournalledRequest], act: _Act) -> None:
        for one in requests:
            try:
                await act([one])
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("journaled request %s cannot be settled", one.request_id)
                self._kept.add(one.request_id)

    async def _settle(self, requests: Sequence[JournalledRequest]) -> None:
        charges = [(one.hold, one.record) for one in requests if one.hold is not None]
        await self._stores.holds.settle(charges)
        await self._stores.logs.insert([one.record for one in requests])
        self._report.ended += len(requests)

    async def _give_back(self, requests: Sequence[JournalledRequest]) -> None:
        """Requests that never left: whoever sent them got no answer, and pays nothing."""
        await self._release([one.hold for one in requests if one.hold is not None])
        records = [replace(one.record, status=503, end_reason=CRASHED) for one in requests]
        await self._stores.logs.insert(records)

    async def _bill(self, requests: Sequence[JournalledRequest]) -> None:
        for request in requests:
            record = crashed_record(request, await self._cost_nano(request))
            if request.hold is None or await self._stores.holds.charge_if_held(
                request.hold, record
            ):
                await self._stores.logs.insert([record])
            self._report.crashed += 1

    async def _cost_nano(self, request: JournalledRequest) -> int:
        version = request.record.price_version
        price = await self._prices.get(version)
        if price is None:
            raise JournalError(f"price version {version!r} is unknown")
        return cost_nano(_last_usage(request), price)

    async def _release_unknown(self) -> None:
        """Reserves whose answer never reached the journal, or is damaged there."""
        holds = await self._stores.holds.holds_of_worker(self.directory.worker_id, 0)
        await self._release([hold for hold in holds if hold.request_id not in self._kept])

    async def _release(self, holds: Sequence[Hold]) -> None:
        # The journal may have lost an end whose row is written: then the row says what it costs.
        await self._stores.holds.release_abandoned(holds, _REASON)
        self._report.released += len(holds)


def _last_usage(request: JournalledRequest) -> Usage:
    return replace(request.usage or request.record.usage, estimated=True)
