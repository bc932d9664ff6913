"""Databases as `ensure_schema` leaves them, and handles for both kinds of driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64

from shared.store.client import AsyncDb, SyncDatabase, connect, connect_async
from shared.store.schema import ensure_schema
from shared.store.users import UserStore

AddKey = Callable[..., str]


@pytest.fixture
def prepared(database: SyncDatabase, database_uri: str) -> Iterator[SyncDatabase]:
    """A fresh database with its schema, through a client of ours."""
    ensure_schema(database)
    with connect(database_uri, timeout_ms=20_000) as client:
        yield client[database.name]


@pytest.fixture
async def async_database(prepared: SyncDatabase, database_uri: str) -> AsyncIterator[AsyncDb]:
    """The same database for asyncio, with more patience than a gateway has."""
    async with connect_async(database_uri, timeout_ms=20_000) as client:
        yield client[prepared.name]


@pytest.fixture
def users(prepared: SyncDatabase) -> UserStore:
    return UserStore(prepared)


@pytest.fixture
def add_key(prepared: SyncDatabase) -> AddKey:
    """Plant a key document; returns its hash."""

    def add(name: str = "ann", **fields: Any) -> str:
        document = {
            "_id": f"key_{name}",
            "userId": f"usr_{name}",
            "name": name,
            "hash": f"hash-{name}",
            "prefix": "sk-troll-000",
            "last4": "0000",
            "label": "",
            "isPrimary": True,
            "tier": "dev",
            "rpm": None,
            "accountRpm": None,
            "role": "user",
            "isActive": True,
            "ownerActive": True,
            "createdAt": datetime.now(UTC),
            "lastUsedAt": None,
            "window": {"sec": Int64(0), "buckets": [0] * 61},
        }
        prepared.user_keys.insert_one(document | fields)
        return f"hash-{name}"

    return add
