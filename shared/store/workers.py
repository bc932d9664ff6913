"""Heartbeats of gateway workers, by the server's clock: hosts need not agree on the time."""

from __future__ import annotations

from typing import Any

from pymongo import WriteConcern

from shared.store.client import AsyncDb, translating_errors


def _ago(seconds: float) -> dict[str, Any]:
    return {"$subtract": ["$$NOW", int(seconds * 1000)]}


class MongoWorkerStore:
    """`WorkerStore` over the collection `workers`."""

    def __init__(self, database: AsyncDb) -> None:
        self._workers = database["workers"].with_options(write_concern=WriteConcern("majority"))

    async def beat(self, worker_id: str, host: str) -> None:
        """Say that the worker lives.

        Raises:
            StoreUnavailable: No answer.
        """
        beat = {
            "host": {"$literal": host},
            "startedAt": {"$ifNull": ["$startedAt", "$$NOW"]},
            "heartbeatAt": "$$NOW",
        }
        with translating_errors():
            await self._workers.update_one({"_id": worker_id}, [{"$set": beat}], upsert=True)

    async def remove(self, worker_id: str) -> None:
        """The worker has ended and left nothing behind.

        Raises:
            StoreUnavailable: No answer.
        """
        with translating_errors():
            await self._workers.delete_one({"_id": worker_id})

    async def living(self, within_s: float) -> list[str]:
        """Workers heard of within that many seconds.

        Raises:
            StoreUnavailable: No answer.
        """
        recent = {"$expr": {"$gt": ["$heartbeatAt", _ago(within_s)]}}
        with translating_errors():
            return [worker["_id"] async for worker in self._workers.find(recent, {"_id": 1})]

    async def forget_silent(self, for_s: float) -> int:
        """Remove workers not heard of for that many seconds; how many.

        Raises:
            StoreUnavailable: No answer.
        """
        silent = {"$expr": {"$lte": ["$heartbeatAt", _ago(for_s)]}}
        with translating_errors():
            return (await self._workers.delete_many(silent)).deleted_count
