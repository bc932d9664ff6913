"""Keys as the database gives them, and a clock that tests set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.upstream_keys import UpstreamKey
from shared.store.client import AsyncDb, SyncDatabase, connect, connect_async
from shared.store.schema import ensure_schema
from shared.store.sealing import Sealer
from shared.store.upstream_key_documents import KeyCounts, StoredKey, place_of
from shared.store.upstream_keys import UpstreamKeyStore

StoredAs = Callable[..., StoredKey]


class SetClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def sealer() -> Sealer:
    return Sealer("a secret key for tests")


@pytest.fixture
def stored(sealer: Sealer, clock: SetClock) -> StoredAs:
    """Makes keys of the pool `main` with the secret `secret-ID`."""

    def make(key_id: str, *, stands_in_for: str | None = None, **fields: Any) -> StoredKey:
        named = {"pool": "main", "stands_in": stands_in_for is not None} | fields
        sealed = sealer.seal(f"secret-{key_id}", place_of(key_id))
        key = UpstreamKey(key_id, **named)
        return StoredKey(key, "", sealed, stands_in_for, KeyCounts(), clock.now)

    return make


@pytest.fixture
def prepared(database: SyncDatabase, database_uri: str) -> Iterator[SyncDatabase]:
    """A fresh database with its schema."""
    ensure_schema(database)
    with connect(database_uri, timeout_ms=20_000) as client:
        yield client[database.name]


@pytest.fixture
async def async_database(prepared: SyncDatabase, database_uri: str) -> AsyncIterator[AsyncDb]:
    """The same database for asyncio, with more patience than a gateway has."""
    async with connect_async(database_uri, timeout_ms=20_000) as client:
        yield client[prepared.name]


@pytest.fixture
def keys(prepared: SyncDatabase, sealer: Sealer) -> UpstreamKeyStore:
    """What operators change keys with."""
    return UpstreamKeyStore(prepared, sealer, actor="test")
