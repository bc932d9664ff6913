"""Bills recomputed from what is stored."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.accounts import Hold, Purse, RequestRecord
from shared.domain.ledger import RowKind
from shared.domain.pricing import Price, Rates, cost_nano, make_price
from shared.domain.usage import Usage
from shared.errors import NotFound
from shared.ledger.receipts import receipt
from shared.store.prices import MongoPriceStore
from shared.store.request_logs import MongoRequestLogStore

USAGE = Usage(input=1_000, output=250, cache_write_5m=30, cache_write_1h=20, cache_hit=4_000)


class Till:
    """Settles requests at a price that is kept."""

    def __init__(self, bank: Any, make_record: Any) -> None:
        rates = Rates(Decimal(3), Decimal(15), Decimal("3.75"), Decimal(6), Decimal("0.30"))
        self.price: Price = make_price(rates, (), Decimal("1.05"))
        self.bank = bank
        self.make_record = make_record

    async def charge(self, usage: Usage, cost: int | None = None, hold: int = 10**8) -> Hold:
        held: Hold = await self.bank.hold(self.bank.add_user(10**9), hold)
        await self.bank.holds.settle([(held, self.record(held, usage, cost))])
        return held

    def record(self, hold: Hold, usage: Usage, cost: int | None = None) -> RequestRecord:
        exact = cost_nano(usage, self.price) if cost is None else cost
        record: RequestRecord = self.make_record(
            hold, exact, usage=usage, price_version=self.price.version
        )
        return record

    async def log(self, record: RequestRecord) -> None:
        await MongoRequestLogStore(self.bank.async_db).insert([record])


@pytest.fixture
async def till(bank: Any, make_record: Any) -> Till:
    made = Till(bank, make_record)
    await MongoPriceStore(bank.async_db).remember([("m", made.price)])
    return made


async def test_a_charge_is_explained_and_matches(till: Till) -> None:
    held = await till.charge(USAGE)
    bill = receipt(till.bank.db, held.request_id)
    assert bill.matches
    assert bill.charged_nano == bill.recomputed_nano == 8_591_625
    assert (bill.kind, bill.purse) == (RowKind.CHARGE, Purse.MAIN)
    assert [(line.bucket, line.count) for line in bill.lines] == [
        ("input", 1_000),
        ("output", 250),
        ("cacheWrite5m", 30),
        ("cacheWrite1h", 20),
        ("cacheHit", 4_000),
    ]
    assert sum(line.cost_usd for line in bill.lines) * bill.multiplier == Decimal("0.008591625")


async def test_a_charge_that_was_changed_does_not_match(till: Till) -> None:
    held = await till.charge(USAGE, cost=8_000_000)
    bill = receipt(till.bank.db, held.request_id)
    assert not bill.matches
    assert (bill.charged_nano, bill.recomputed_nano) == (8_000_000, 8_591_625)


async def test_an_estimate_is_not_charged_above_its_hold(till: Till) -> None:
    estimated = replace(USAGE, estimated=True)
    held = await till.charge(estimated, cost=5_000, hold=5_000)
    assert receipt(till.bank.db, held.request_id).matches
    exact = await till.charge(USAGE, hold=5_000)
    assert receipt(till.bank.db, exact.request_id).matches
    cut = await till.charge(USAGE, cost=5_000, hold=5_000)
    assert not receipt(till.bank.db, cut.request_id).matches


async def test_a_late_bill_is_the_bill(till: Till) -> None:
    held = await till.bank.hold(till.bank.add_user(10**9), 10**8)
    await till.bank.holds.release_abandoned([held], "worker lost")
    released = receipt(till.bank.db, held.request_id)
    assert (released.kind, released.charged_nano, released.matches) == (RowKind.RELEASED, 0, True)
    await till.bank.holds.settle([(held, till.record(held, USAGE))])
    bill = receipt(till.bank.db, held.request_id)
    assert (bill.kind, bill.matches, bill.request_id) == (RowKind.LATE, True, held.request_id)
    assert bill.charged_nano > 0


async def test_without_its_price_nothing_matches(till: Till) -> None:
    held = await till.charge(USAGE)
    till.bank.db.prices.update_one({}, {"$set": {"multiplier": "1"}})
    bill = receipt(till.bank.db, held.request_id)
    assert not bill.matches
    assert (bill.recomputed_nano, bill.lines, bill.price_source) == (None, (), "")


async def test_a_free_request_is_told_from_its_log(till: Till) -> None:
    held = await till.bank.hold(till.bank.add_user(10**9))
    await till.log(till.record(held, Usage(input=5, estimated=True), cost=0))
    bill = receipt(till.bank.db, held.request_id)
    assert (bill.kind, bill.charged_nano, bill.matches) == (None, 0, True)


async def test_a_cost_that_nobody_was_charged_does_not_match(till: Till) -> None:
    held = await till.bank.hold(till.bank.add_user(10**9))
    await till.log(till.record(held, USAGE))
    assert not receipt(till.bank.db, held.request_id).matches


async def test_the_fixed_key_is_never_charged_and_still_recomputed(till: Till) -> None:
    held = await till.bank.hold(till.bank.add_user(10**9))
    for number, cost in enumerate((None, 17)):
        record = till.record(held, USAGE, cost)
        await till.log(replace(record, request_id=f"req_{number}", user_id="", username="_proxy"))
    assert receipt(till.bank.db, "req_0").matches
    assert not receipt(till.bank.db, "req_1").matches
    empty = till.record(held, Usage(), 0)
    await till.log(replace(empty, request_id="req_2", user_id="", price_version=""))
    assert receipt(till.bank.db, "req_2").matches


def test_an_unknown_request_has_no_bill(bank: Any) -> None:
    with pytest.raises(NotFound, match="req_nowhere"):
        receipt(bank.db, "req_nowhere")
