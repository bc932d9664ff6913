"""Upstream keys, for the gateway: what its workers tell one another through the database."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import pymongo
from bson import Int64
from pymongo import UpdateOne, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession

from shared.domain.identifiers import RandomBytes, new_id
from shared.domain.limits import TierLimits
from shared.domain.upstream_keys import DISABLING, KeyHealth, UpstreamKey
from shared.errors import Conflict
from shared.store.admission import window_update
from shared.store.audit import AuditLog, Change
from shared.store.client import AsyncDb, Document, translating_errors
from shared.store.find_and_modify import FindAndModify, encoded
from shared.store.sealing import Sealer
from shared.store.upstream_key_documents import (
    COLLECTION,
    STAMP,
    KeyCounts,
    StoredKey,
    audited,
    health_document,
    inserting,
    is_longer_alone,
    new_key_document,
    stored_key_from,
)

# Nobody waits for these: more patience than a request has.
_TIMEOUT_S = 5.0
_DISABLING = sorted(fault.value for fault in DISABLING)
# Of a key with a limit of its own no tier is asked.
_NO_TIERS = TierLimits(dev=0, pro=0)
_COUNTED = {"$map": {"input": "$window.buckets", "in": {"$gt": ["$$this", 0]}}}
_REPLY_FIELDS = {
    "_id": 0,
    "admitted": "$window.admitted",
    "oldest": {"$indexOfArray": [_COUNTED, True]},
}


class MongoKeyPoolStore:
    """`KeyPoolStore` over `upstream_keys`; every change is in the audit log.

    Args:
        database: Where.
        actor: Who makes the changes, for the audit log.
        audit: The audit log.
    """

    def __init__(
        self, database: AsyncDb, *, actor: str = "gateway", audit: AuditLog | None = None
    ) -> None:
        self._database = database
        self._keys = database[COLLECTION].with_options(write_concern=WriteConcern("majority"))
        # Losing a few counts to a fail-over is the price of speed.
        self._counts = database[COLLECTION].with_options(write_concern=WriteConcern(w=1))
        self._windows = FindAndModify(self._counts)
        self._window_update = [encoded(stage) for stage in window_update(_NO_TIERS)]
        self._reply_fields = encoded(_REPLY_FIELDS)
        self._actor = actor
        self._audit = audit or AuditLog()

    async def load(self) -> list[StoredKey]:
        """See `KeyPoolStore.load`."""
        return await self._find({})

    async def load_changed(self, within_s: float) -> list[StoredKey]:
        """See `KeyPoolStore.load_changed`; by the server's clock."""
        since = {"$subtract": ["$$NOW", int(within_s * 1000)]}
        return await self._find({"$expr": {"$gt": ["$changedAt", since]}})

    async def record_fault(self, key_id: str, health: KeyHealth, at: datetime) -> None:
        """See `KeyPoolStore.record_fault`.

        What was over by then gives way. A refused or unpaid key is out whatever limit it met;
        among equals the later time wins.
        """
        given_way: list[Document] = [{"health.until": None}, {"health.until": {"$lte": at}}]
        longer = {"health.until": {"$lt": health.until}}
        if health.reason in DISABLING:
            given_way += [{"health.reason": {"$nin": _DISABLING}}, longer]
        else:
            given_way.append(longer | {"health.reason": {"$nin": _DISABLING}})
        query = {"_id": key_id, "$or": given_way}
        await self._change("health", query, {"health": health_document(health)})

    async def record_success(self, key_id: str, until: datetime) -> None:
        """See `KeyPoolStore.record_success`."""
        query = {"_id": key_id, "health.until": {"$lte": until}}
        await self._change("health", query, {"health": health_document(KeyHealth())})

    async def count(self, counts: Mapping[str, KeyCounts]) -> None:
        """See `KeyPoolStore.count`."""
        updates = [
            UpdateOne(
                {"_id": key_id},
                {"$inc": {"requests": Int64(each.requests), "errors": Int64(each.errors)}},
            )
            for key_id, each in counts.items()
        ]
        if updates:
            with translating_errors(), pymongo.timeout(_TIMEOUT_S):
                await self._counts.bulk_write(updates, ordered=False)

    async def admit(self, key_id: str) -> int:
        """See `KeyPoolStore.admit`; a key that has no limit any more has room."""
        key = {"_id": key_id, "rpm": {"$ne": None}}
        deadline_s = self._windows.deadline_s()
        with translating_errors():
            found = await self._windows.run(
                key, self._window_update, self._reply_fields, deadline_s
            )
        if found is None or found["admitted"]:
            return 0
        return int(found["oldest"]) + 1

    async def appoint(self, backup_id: str, key_id: str) -> bool:
        """See `KeyPoolStore.appoint`; a unique index keeps a second backup out."""
        query = {"_id": backup_id, "backup": True, "enabled": True, "standsInFor": None}
        try:
            return await self._change("appoint", query, {"standsInFor": key_id})
        except Conflict:
            return False

    async def dismiss(self, backup_id: str, key_id: str) -> bool:
        """See `KeyPoolStore.dismiss`."""
        query = {"_id": backup_id, "standsInFor": key_id}
        return await self._change("dismiss", query, {"standsInFor": None})

    async def ensure(
        self,
        pool: str,
        secret: str,
        label: str,
        sealer: Sealer,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> bool:
        """Put a key into a pool unless it is there, switched on or off; True when it was added.

        Raises:
            StoreUnavailable: No answer; it may or may not have been added.
        """
        same = {"pool": pool, "fingerprint": sealer.fingerprint(secret)}
        with translating_errors(), pymongo.timeout(_TIMEOUT_S):
            if await self._keys.find_one(same, {"_id": 1}) is not None:
                return False
        key = UpstreamKey(new_id("uk", random_bytes), pool, label=label)
        document = new_key_document(key, secret, sealer)

        async def insert(session: AsyncClientSession) -> bool:
            one = {"_id": key.id}
            await self._keys.update_one(one, inserting(document), upsert=True, session=session)
            await self._write(session, "add", None, document)
            return True

        try:
            return await self._transact(insert)
        except Conflict:  # another worker was faster
            return False

    async def _find(self, query: Document) -> list[StoredKey]:
        with translating_errors(), pymongo.timeout(_TIMEOUT_S):
            return [stored_key_from(document) async for document in self._keys.find(query)]

    async def _change(self, action: str, query: Document, fields: dict[str, Any]) -> bool:
        """Change a key if the query finds it; False when it does not."""

        async def act(session: AsyncClientSession) -> bool:
            update = {"$set": fields} | STAMP
            before = await self._keys.find_one_and_update(query, update, session=session)
            if before is not None and not is_longer_alone(before, before | fields):
                await self._write(session, action, before, before | fields)
            return before is not None

        return await self._transact(act)

    async def _write(
        self, session: AsyncClientSession, action: str, before: Document | None, after: Document
    ) -> None:
        was = None if before is None else audited(before)
        change = Change(self._actor, f"upstream_key.{action}", after["_id"], was, audited(after))
        await self._audit.write_async(self._database, session, change)

    async def _transact(self, act: Callable[[AsyncClientSession], Awaitable[bool]]) -> bool:
        with translating_errors(), pymongo.timeout(_TIMEOUT_S):
            async with self._database.client.start_session() as session:
                return await session.with_transaction(act)
