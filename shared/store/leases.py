"""Leases: which one of several processes does what only one may do.

By the server's clock. Every change of hands raises the token, so that two holders can be told
apart, whatever they believe.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from pymongo import ReturnDocument, WriteConcern
from pymongo.errors import DuplicateKeyError

from shared.store.client import AsyncDb, translating_errors

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class MongoLeaseStore:
    """Leases in the collection `leases`: `_id` name, `holder`, `token`, `expiresAt`."""

    def __init__(self, database: AsyncDb) -> None:
        self._leases = database["leases"].with_options(write_concern=WriteConcern("majority"))

    async def take(self, name: str, holder: str, ttl_s: float) -> int | None:
        """Take a lease that is free or one's own, for `ttl_s` seconds from now.

        Returns:
            Its token; None when another holds it.

        Raises:
            StoreUnavailable: No answer; it may or may not have been taken.
        """
        with translating_errors():
            found = await self._take(name, holder, ttl_s)
            if found is None and await self._create(name):
                found = await self._take(name, holder, ttl_s)
        return None if found is None else int(found["token"])

    async def give_back(self, name: str, holder: str) -> None:
        """End a lease early, if it is one's own.

        Raises:
            StoreUnavailable: No answer; it ends by itself.
        """
        with translating_errors():
            await self._leases.update_one(
                {"_id": name, "holder": holder}, {"$set": {"holder": "", "expiresAt": _LONG_AGO}}
            )

    async def _take(self, name: str, holder: str, ttl_s: float) -> Any:
        own = {"$eq": ["$holder", {"$literal": holder}]}
        free = {"$lte": ["$expiresAt", "$$NOW"]}
        taken = {
            "holder": {"$literal": holder},
            "token": {"$cond": [own, "$token", {"$add": ["$token", Int64(1)]}]},
            "expiresAt": {"$add": ["$$NOW", int(ttl_s * 1000)]},
        }
        return await self._leases.find_one_and_update(
            {"_id": name, "$expr": {"$or": [own, free]}},
            [{"$set": taken}],
            return_document=ReturnDocument.AFTER,
        )

    async def _create(self, name: str) -> bool:
        """Make the lease, held by nobody; False when it is there."""
        lease = {"_id": name, "holder": "", "token": Int64(0), "expiresAt": _LONG_AGO}
        try:
            await self._leases.insert_one(lease)
        except DuplicateKeyError:
            return False
        return True
