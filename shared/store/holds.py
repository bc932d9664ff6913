"""Holds on accounts and their settlement, in MongoDB.

A settlement is two steps, each safe to repeat: rows are inserted under the request id, then each
account is charged for exactly those ids whose hold is still there. Whoever finds a row already
present goes by what is stored. So the flusher, the replay of a journal and the sweeper may run
together, in any order, any number of times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from bson.int64 import Int64
from pymongo import UpdateOne, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.read_concern import ReadConcern

from shared.domain.accounts import Hold, HoldRefused, HoldRequest, Purse, RequestRecord
from shared.errors import StoreUnavailable
from shared.store.client import AsyncDb, Document, translate, translating_errors
from shared.store.find_and_modify import FindAndModify
from shared.store.hold_documents import aged_holds, holds_in, reserve_outcome
from shared.store.hold_pipelines import Stage, end_pipeline, reserve_answer, reserve_pipeline
from shared.store.ledger_rows import (
    StoredCost,
    charge_row,
    late_id,
    late_row,
    released_row,
)
from shared.store.transactions import Clock, utc_now
from shared.store.turns import Turns

Charge = tuple[Hold, RequestRecord]

RESERVES_AT_ONCE = 8
TURN_S = 0.8

_MAJORITY = WriteConcern("majority")
_DUPLICATE_KEY = 11000


@dataclass(frozen=True, slots=True)
class _End:
    """What ends a hold: what it cost, nano-USD, and its tokens."""

    cost_nano: int
    tokens: int


_NOTHING = _End(0, 0)


class MongoHoldStore:
    """`HoldStore` over the collections `users` and `ledger`.

    Args:
        database: The database.
        clock: Time of the rows.
        settle_timeout_s: Bound of each step of a settlement; batches take longer than a reserve.
    """

    def __init__(
        self, database: AsyncDb, *, clock: Clock = utc_now, settle_timeout_s: float = 10.0
    ) -> None:
        self._client = database.client
        self._users = database["users"].with_options(write_concern=_MAJORITY)
        self._ledger = database["ledger"].with_options(
            write_concern=_MAJORITY, read_concern=ReadConcern("majority")
        )
        self._clock = clock
        self._updates = FindAndModify(self._users)
        self._turns = Turns(RESERVES_AT_ONCE, database.client.options.timeout or TURN_S)
        self._settle_timeout_s = settle_timeout_s

    async def reserve(self, request: HoldRequest, worker_id: str) -> Hold | HoldRefused:
        """Set money aside in one round trip, majority-acknowledged, or say why not.

        Sent twice under one request id, it holds once. The wait for a turn counts towards the
        time that it may take.

        Args:
            request: Whose money and how much, nano-USD.
            worker_id: Whose hold it is, so that it can be released should the worker vanish.

        Raises:
            StoreUnavailable: No answer; the hold may or may not be there.
            MoneyError: An amount that is none.
        """
        pipeline = reserve_pipeline(
            request.request_id, worker_id, request.full_nano, request.minimum_nano
        )
        fields = reserve_answer(request.request_id)
        deadline_s = self._updates.deadline_s()
        async with self._turns.turn(request.user_id):
            with translating_errors():
                found = await self._updates.run(
                    {"_id": request.user_id}, pipeline, fields, deadline_s
                )
        return reserve_outcome(request, found)

    async def release(self, user_id: str, request_ids: Sequence[str]) -> None:
        """Remove holds without a charge; those that are gone already are left alone.

        Raises:
            StoreUnavailable: No answer; safe to repeat.
        """
        await self._end({user_id: dict.fromkeys(request_ids, _NOTHING)})

    async def settle(self, charges: Sequence[Charge]) -> None:
        """Insert ledger rows, then charge balances and remove holds. Safe to repeat.

        A cost of 0 needs no row: its hold is removed. Where a row is stored already, its amount
        counts; where that row says `released`, the cost becomes a row `late`.

        Raises:
            StoreUnavailable: No answer; safe to repeat.
            StoreRefused: The database refuses a row.
            MoneyError: An amount that is none.
        """
        ends = await self._record(charges)
        by_account: defaultdict[str, dict[str, _End]] = defaultdict(dict)
        for hold, _ in charges:
            by_account[hold.user_id][hold.request_id] = ends[hold.request_id]
        await self._end(by_account)

    async def charge_if_held(self, hold: Hold, record: RequestRecord) -> bool:
        """Charge a request of which no end is known, unless its hold is gone.

        One transaction. A hold that is gone without a row means that the request had ended at no
        cost. A row in its place counts as in `settle`.

        Returns:
            Whether the request is billed: now, or by a row that was there.

        Raises:
            StoreUnavailable: No answer; safe to repeat.
        """
        if await self._transact(lambda session: self._charge_held(session, hold, record)):
            return True
        if not await self._exists(hold.request_id):
            return False
        await self.settle([(hold, record)])
        return True

    async def release_abandoned(self, holds: Sequence[Hold], reason: str) -> None:
        """Release holds whose worker is gone, each with a row of amount 0 in place of a charge.

        Where the worker had written its charge before it went, that charge is applied.

        Raises:
            StoreUnavailable: No answer; safe to repeat.
        """
        now = self._clock()
        taken = await self._insert([released_row(hold, reason, now) for hold in holds])
        stored = await self._stored(taken)
        by_account: defaultdict[str, dict[str, _End]] = defaultdict(dict)
        for hold in holds:
            row = stored.get(hold.request_id)
            end = _NOTHING if row is None else _End(row.cost_nano, row.tokens)
            by_account[hold.user_id][hold.request_id] = end
        await self._end(by_account)

    async def holds_of_worker(self, worker_id: str, older_than_s: float) -> list[Hold]:
        """Holds that a worker took, by the server's clock at least that many seconds ago.

        Raises:
            StoreUnavailable: No answer.
        """
        return await self._holds({"$eq": ["$$this.v.worker", worker_id]}, older_than_s)

    async def holds_of_others(self, workers: Sequence[str], older_than_s: float) -> list[Hold]:
        """Holds of that age whose worker is none of `workers`.

        Raises:
            StoreUnavailable: No answer.
        """
        strange = {"$not": [{"$in": ["$$this.v.worker", list(workers)]}]}
        return await self._holds(strange, older_than_s)

    async def _record(self, charges: Sequence[Charge]) -> dict[str, _End]:
        """Make the rows stand; what each request ends with, by request id."""
        now = self._clock()
        ends = {h.request_id: _End(r.cost_nano, r.usage.total) for h, r in charges}
        rows = [charge_row(hold, record, now) for hold, record in charges if record.cost_nano]
        stored = await self._stored(await self._insert(rows))
        for request_id, row in stored.items():
            ends[request_id] = _End(row.cost_nano, row.tokens)
        for hold, record in charges:
            row_before = stored.get(hold.request_id)
            if row_before is not None and row_before.released:
                await self._bill_late(hold, record)
        return ends

    async def _insert(self, rows: Sequence[Document]) -> list[str]:
        """Insert rows; the ids that were taken already."""
        if not rows:
            return []
        with translating_errors(), pymongo.timeout(self._settle_timeout_s):
            try:
                await self._ledger.insert_many(rows, ordered=False)
            except BulkWriteError as error:
                return _taken_ids(error, rows)
        return []

    async def _stored(self, request_ids: Sequence[str]) -> dict[str, StoredCost]:
        if not request_ids:
            return {}
        found: dict[str, StoredCost] = {}
        with translating_errors(), pymongo.timeout(self._settle_timeout_s):
            async for row in self._ledger.find({"_id": {"$in": list(request_ids)}}):
                found[row["_id"]] = StoredCost.of(row)
        if len(found) < len(set(request_ids)):
            # Written by somebody else and not yet by a majority: it could still be rolled back.
            raise StoreUnavailable("a ledger row is not acknowledged by a majority yet")
        return found

    async def _bill_late(self, hold: Hold, record: RequestRecord) -> None:
        if not await self._exists(late_id(hold.request_id)):
            await self._transact(lambda session: self._charge_late(session, hold, record))

    async def _exists(self, row_id: str) -> bool:
        with translating_errors(), pymongo.timeout(self._settle_timeout_s):
            # Not by majority: a row that is still being written by somebody else counts as well.
            local = self._ledger.with_options(read_concern=ReadConcern("local"))
            return await local.find_one({"_id": row_id}, {"_id": 1}) is not None

    async def _charge_late(
        self, session: AsyncClientSession, hold: Hold, record: RequestRecord
    ) -> bool:
        row = late_row(hold, record, self._clock())
        await self._ledger.insert_one(row, session=session)
        await self._users.update_one(
            {"_id": hold.user_id}, _plain_charge(hold, record), session=session
        )
        return True

    async def _charge_held(
        self, session: AsyncClientSession, hold: Hold, record: RequestRecord
    ) -> bool:
        ids = [hold.request_id]
        pipeline = end_pipeline(ids, [record.cost_nano], [record.usage.total])
        held = {"_id": hold.user_id, f"holds.{hold.request_id}": {"$exists": True}}
        ended = await self._users.update_one(held, pipeline, session=session)
        if ended.modified_count and record.cost_nano:
            row = charge_row(hold, record, self._clock())
            await self._ledger.insert_one(row, session=session)
        return bool(ended.modified_count)

    async def _transact(self, work: Callable[[AsyncClientSession], Awaitable[bool]]) -> bool:
        """Run a transaction; False when it found nothing to do or another's row in its way."""
        with translating_errors(), pymongo.timeout(self._settle_timeout_s):
            async with self._client.start_session() as session:
                try:
                    return await session.with_transaction(
                        work, read_concern=ReadConcern("snapshot"), write_concern=_MAJORITY
                    )
                except DuplicateKeyError:
                    return False

    async def _end(self, by_account: Mapping[str, Mapping[str, _End]]) -> None:
        updates = [
            UpdateOne({"_id": user_id}, _ending(ends))
            for user_id, ends in by_account.items()
            if ends
        ]
        if not updates:
            return
        with translating_errors(), pymongo.timeout(self._settle_timeout_s):
            await self._users.bulk_write(updates, ordered=False)

    async def _holds(self, which: Document, older_than_s: float) -> list[Hold]:
        stages = aged_holds(which, older_than_s)
        with translating_errors(), pymongo.timeout(self._settle_timeout_s):
            accounts = await (await self._users.aggregate(stages)).to_list()
        return [hold for account in accounts for hold in holds_in(account)]


def _ending(ends: Mapping[str, _End]) -> list[Stage]:
    return end_pipeline(
        list(ends), [end.cost_nano for end in ends.values()], [end.tokens for end in ends.values()]
    )


def _plain_charge(hold: Hold, record: RequestRecord) -> Document:
    balance = "creditsNano" if hold.purse is Purse.MAIN else "refCreditsNano"
    cost = Int64(record.cost_nano)
    return {"$inc": {balance: -cost, "tokensUsed": Int64(record.usage.total)}}


def _taken_ids(error: BulkWriteError, rows: Sequence[Document]) -> list[str]:
    details: Mapping[str, Any] = error.details or {}
    failures = details.get("writeErrors", [])
    if any(failure["code"] != _DUPLICATE_KEY for failure in failures):
        raise translate(error)
    if details.get("writeConcernErrors"):
        raise StoreUnavailable("ledger rows were not acknowledged by a majority")
    return [rows[failure["index"]]["_id"] for failure in failures]
