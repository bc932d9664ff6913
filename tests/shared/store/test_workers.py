from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.store.client import AsyncDb, SyncDatabase
from shared.store.workers import MongoWorkerStore


async def test_a_beat_says_where_and_since_when(
    async_database: AsyncDb, prepared: SyncDatabase
) -> None:
    workers = MongoWorkerStore(async_database)
    await workers.beat("w1", "$host")
    first = prepared.workers.find_one()
    await workers.beat("w1", "$host")
    second = prepared.workers.find_one()
    assert first is not None
    assert second is not None
    assert second["host"] == "$host"
    assert second["startedAt"] == first["startedAt"]
    assert second["heartbeatAt"] >= first["heartbeatAt"]
    assert abs(second["heartbeatAt"] - datetime.now(UTC)) < timedelta(minutes=1)


async def test_the_silent_are_told_from_the_living(
    async_database: AsyncDb, prepared: SyncDatabase
) -> None:
    workers = MongoWorkerStore(async_database)
    for name in ("old", "new", "ended"):
        await workers.beat(name, "host")
    await workers.remove("ended")
    past = datetime.now(UTC) - timedelta(seconds=100)
    prepared.workers.update_one({"_id": "old"}, {"$set": {"heartbeatAt": past}})
    assert await workers.living(90) == ["new"]
    assert sorted(await workers.living(3_600)) == ["new", "old"]
    assert await workers.forget_silent(3_600) == 0
    assert await workers.forget_silent(90) == 1
    assert [worker["_id"] for worker in prepared.workers.find()] == ["new"]
