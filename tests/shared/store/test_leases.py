from __future__ import annotations

import asyncio

from shared.store.client import AsyncDb, SyncDatabase
from shared.store.leases import MongoLeaseStore


async def test_one_holds_it_and_may_renew(async_database: AsyncDb) -> None:
    leases = MongoLeaseStore(async_database)
    token = await leases.take("sweep", "$a", 60)
    assert token == 1
    assert await leases.take("sweep", "b", 60) is None
    assert await leases.take("sweep", "$a", 60) == token
    assert await leases.take("other", "b", 60) == 1


async def test_of_many_at_once_one_gets_it(async_database: AsyncDb) -> None:
    leases = MongoLeaseStore(async_database)
    tokens = await asyncio.gather(*(leases.take("sweep", f"p{n}", 60) for n in range(20)))
    assert sorted(token for token in tokens if token is not None) == [1]


async def test_every_change_of_hands_raises_the_token(async_database: AsyncDb) -> None:
    leases = MongoLeaseStore(async_database)
    assert await leases.take("sweep", "a", 0) == 1
    assert await leases.take("sweep", "b", 60) == 2
    await leases.give_back("sweep", "a")
    assert await leases.take("sweep", "a", 60) is None
    await leases.give_back("sweep", "b")
    assert await leases.take("sweep", "a", 60) == 3


async def test_a_token_is_an_int64(async_database: AsyncDb, prepared: SyncDatabase) -> None:
    await MongoLeaseStore(async_database).take("sweep", "a", 60)
    assert prepared.leases.count_documents({"token": {"$type": "long"}}) == 1
