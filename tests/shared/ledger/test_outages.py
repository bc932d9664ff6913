"""The database dies, or freezes, under load: nothing is lost, nothing is billed twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from shared.domain.accounts import Hold, HoldRequest
from shared.domain.usage import Usage
from shared.errors import StoreUnavailable
from shared.ledger import ledger as ledger_module
from shared.ledger.flusher import Pace
from shared.ledger.journal import Journal
from shared.ledger.ledger import Ledger, LedgerStores
from shared.ledger.verify import verify
from shared.store.client import connect_async
from shared.store.embedded import EmbeddedMongod, free_port
from shared.store.holds import MongoHoldStore
from shared.store.request_logs import MongoRequestLogStore
from shared.store.workers import MongoWorkerStore


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    """A server of one's own, to be killed."""
    with EmbeddedMongod(tmp_path_factory.mktemp("doomed"), free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def mongo_uri(mongod: EmbeddedMongod) -> str:
    return mongod.uri()


@pytest.fixture(scope="module")
def _mongo_client(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        yield client


@dataclass
class Load:
    """Gateway-like requests, as fast as they go, through a gateway's impatient client."""

    ledger: Ledger
    holds: MongoHoldStore
    worker: str
    users: list[str]
    make_open: Any
    costs: dict[str, int] = field(default_factory=dict)
    unavailable: int = 0
    longest_s: float = 0.0

    async def run(self, until: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for client in range(12):
                group.create_task(self._client(client, until))

    async def _client(self, client: int, until: asyncio.Event) -> None:
        number = 0
        while not until.is_set():
            number += 1
            await self._request(f"req_{client:04d}{number:018d}", self.users[client % 3])

    async def _request(self, request_id: str, user: str) -> None:
        started_s = time.monotonic()
        try:
            hold = await self.holds.reserve(HoldRequest(request_id, user, 500, 500), self.worker)
        except StoreUnavailable:
            self.unavailable += 1
            self.longest_s = max(self.longest_s, time.monotonic() - started_s)
            await asyncio.sleep(0.05)
            return
        assert isinstance(hold, Hold)
        request = self.make_open(hold=hold)
        await self.ledger.open(request)
        self.ledger.sent(request_id)
        await asyncio.sleep(0.005)
        cost = 100 + len(self.costs) % 50
        self.costs[request_id] = cost
        record = replace(request.record, status=200, end_reason="complete", cost_nano=cost)
        await self.ledger.settle(replace(record, usage=Usage(input=cost)))


@pytest.fixture
async def load(bank: Any, database_uri: str, tmp_path: Path, make_open: Any) -> AsyncIterator[Load]:
    client = connect_async(database_uri)
    database, worker = client[bank.db.name], str(uuid.uuid4())
    holds = MongoHoldStore(database, settle_timeout_s=2)
    stores = LedgerStores(holds, MongoRequestLogStore(database), MongoWorkerStore(database))
    pace = Pace(linger_s=0.02, retry_most_s=0.5)
    ledger = Ledger(Journal.create(tmp_path, worker), stores, worker, "host", pace=pace)
    await ledger.start()
    users = [bank.add_user(10**12) for _ in range(3)]
    yield Load(ledger, holds, worker, users, make_open)
    await ledger.close()
    await client.close()


async def assert_exact(bank: Any, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is charged once, and what lost reserves left behind is swept away."""
    monkeypatch.setattr(ledger_module, "SWEEP_AGE_S", 0.0)
    assert await load.ledger.drain(30) == 0
    async with asyncio.timeout(20):  # a reserve that was frozen with the server may yet come
        while any(bank.account(user)["holds"] for user in load.users):
            await load.ledger.sweep()
            await asyncio.sleep(0.2)
    rows = bank.rows(kind="charge")
    assert {row["_id"]: -row["amountNano"] for row in rows} == load.costs
    for user in load.users:
        bank.assert_settled(user)
    assert verify(bank.db).sound
    logged = bank.db.request_logs.count_documents({})
    assert logged == len(load.costs)


async def test_killed_under_load(
    bank: Any, load: Load, mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = asyncio.Event()
    running = asyncio.create_task(load.run(until))
    await asyncio.sleep(1)
    assert mongod.pid is not None
    os.kill(mongod.pid, signal.SIGKILL)
    await asyncio.sleep(2)
    mongod.stop()
    mongod.start()
    before = len(load.costs)
    async with asyncio.timeout(30):
        while len(load.costs) < before + 100:
            await asyncio.sleep(0.05)
    until.set()
    await running
    assert load.unavailable > 0
    await assert_exact(bank, load, monkeypatch)


async def test_frozen_under_load(
    bank: Any, load: Load, mongod: EmbeddedMongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reserves fail in time; those that take effect after the thaw are found and released."""
    until = asyncio.Event()
    running = asyncio.create_task(load.run(until))
    await asyncio.sleep(0.5)
    assert mongod.pid is not None
    os.kill(mongod.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(3)
    finally:
        os.kill(mongod.pid, signal.SIGCONT)
    until.set()
    await running
    assert load.unavailable >= 12
    assert load.longest_s < 5  # 0.8 s, and what a busy machine adds
    await assert_exact(bank, load, monkeypatch)
