from __future__ import annotations

from decimal import Decimal

import pytest

from shared.domain.pricing import Price, PriceTier, Rates, make_price
from shared.errors import MoneyError
from shared.store.client import AsyncDb, SyncDatabase
from shared.store.prices import MongoPriceStore


def price(rate: str = "3", multiplier: str = "1.05") -> Price:
    rates = Rates(Decimal(rate), Decimal(15), Decimal("3.75"), Decimal(6), Decimal("0.30"))
    tier = PriceTier(200_000, rates)
    return make_price(rates, (tier,), Decimal(multiplier), "config")


async def test_a_price_is_kept_and_read_back_exactly(
    async_database: AsyncDb, prepared: SyncDatabase
) -> None:
    kept = price("0.000000000001")
    store = MongoPriceStore(async_database)
    await store.remember([("claude-sonnet-4", kept), ("other", price("4"))])
    assert await store.get(kept.version) == kept
    assert await MongoPriceStore(async_database).get(kept.version) == kept
    assert await store.get("unknown") is None
    row = prepared.prices.find_one({"_id": kept.version})
    assert row is not None
    assert (row["model"], row["multiplier"]) == ("claude-sonnet-4", "1.05")


async def test_a_version_is_written_once(async_database: AsyncDb, prepared: SyncDatabase) -> None:
    kept = price()
    await MongoPriceStore(async_database).remember([("first", kept)])
    for _ in range(2):
        await MongoPriceStore(async_database).remember([("second", kept), ("third", kept)])
    [row] = prepared.prices.find()
    assert row["model"] == "first"
    store = MongoPriceStore(async_database)
    await store.remember([])
    await store.remember([("m", kept)])
    prepared.prices.delete_many({})
    await store.remember([("m", kept)])
    assert prepared.prices.count_documents({}) == 0
    assert await store.get(kept.version) == kept


async def test_a_changed_row_is_no_price_any_more(
    async_database: AsyncDb, prepared: SyncDatabase
) -> None:
    kept = price()
    await MongoPriceStore(async_database).remember([("m", kept)])
    prepared.prices.update_one({}, {"$set": {"multiplier": "0.5"}})
    assert await MongoPriceStore(async_database).get(kept.version) is None
    prepared.prices.update_one({}, {"$set": {"multiplier": "NaN"}})
    with pytest.raises(MoneyError):
        await MongoPriceStore(async_database).get(kept.version)
