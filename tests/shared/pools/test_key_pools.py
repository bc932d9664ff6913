from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import bson
import pytest

from shared.domain.upstream_keys import Fault, KeyHealth
from shared.errors import StoreUnavailable
from shared.pools import key_pools
from shared.pools.key_pools import KeyPools
from shared.store.client import AsyncDb, SyncDatabase
from shared.store.key_pools import MongoKeyPoolStore
from shared.store.sealing import Sealer
from shared.store.transactions import utc_now
from shared.store.upstream_key_documents import KeyCounts, StoredKey, health_document
from shared.store.upstream_keys import UpstreamKeyStore
from tests.shared.pools.conftest import SetClock

WITHIN_S = 10.0
Made = Callable[..., KeyPools]


class Store(MongoKeyPoolStore):
    """The real one, which can be made to fail, and notes what is read.

    Attributes:
        down: Every method raises.
        failures: How often one has.
        reads: `whole` and `changed`, in order.
    """

    down = False
    failures = 0
    reads: list[str]

    async def load(self) -> list[StoredKey]:
        self._noted("whole")
        return await super().load()

    async def load_changed(self, within_s: float) -> list[StoredKey]:
        self._noted("changed")
        return await super().load_changed(within_s)

    async def admit(self, key_id: str) -> int:
        self._fail()
        return await super().admit(key_id)

    async def count(self, counts: Any) -> None:
        self._fail()
        await super().count(counts)

    async def _transact(self, act: Callable[[Any], Coroutine[Any, Any, bool]]) -> bool:
        self._fail()
        return await super()._transact(act)

    def _noted(self, read: str) -> None:
        self._fail()
        self.reads.append(read)

    def _fail(self) -> None:
        if self.down:
            self.failures += 1
            raise StoreUnavailable("down")


@pytest.fixture
def store(async_database: AsyncDb) -> Store:
    made = Store(async_database)
    made.reads = []
    return made


@pytest.fixture
async def worker(store: Store, sealer: Sealer) -> AsyncIterator[Made]:
    """Makes the pools of one more worker on the same database; closed after the test."""
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> KeyPools:
            pools = KeyPools(store, sealer, **options)
            stack.push_async_callback(pools.close)
            return pools

        yield make


async def eventually(found: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + WITHIN_S
    while not await found():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def picked(pools: KeyPools, *tried: str) -> str | None:
    key = await pools.pick("main", None, tried)
    return None if key is None else key.id


async def test_a_key_is_picked_with_its_secret(worker: Made, keys: UpstreamKeyStore) -> None:
    added = keys.add("main", "sk-canary-0123456789").key.id
    pools = worker()
    await pools.start()
    key = await pools.pick("main", "talk", ())
    assert key is not None
    assert (key.id, key.secret) == (added, "sk-canary-0123456789")
    assert "canary" not in repr(key) + repr(pools.status())
    assert await pools.pick("other") is None
    assert await picked(pools, added) is None


async def test_what_one_worker_learns_all_know(worker: Made, keys: UpstreamKeyStore) -> None:
    key_id = keys.add("main", "secret").key.id
    one, other = worker(), worker()
    await one.start()
    await other.start()
    assert await picked(other) == key_id
    one.report(key_id, Fault.AUTH)
    assert await picked(one) is None

    async def is_out() -> bool:
        return await picked(other) is None

    await eventually(is_out)
    keys.enable(key_id)

    async def is_in() -> bool:
        return await picked(one) == await picked(other) == key_id

    await eventually(is_in)


async def test_an_operators_change_reaches_workers(worker: Made, keys: UpstreamKeyStore) -> None:
    pools = worker()
    await pools.start()
    added = keys.add("main", "secret").key.id

    async def serves() -> bool:
        return await picked(pools) == added

    await eventually(serves)
    keys.disable(added)

    async def is_off() -> bool:
        return await picked(pools) is None

    await eventually(is_off)


async def test_a_success_is_known_to_all(
    worker: Made, keys: UpstreamKeyStore, clock: SetClock
) -> None:
    key_id = keys.add("main", "secret").key.id
    one, other = worker(clock=clock), worker(clock=clock)
    await one.refresh()
    one.report(key_id, Fault.AUTH)
    await one.refresh_changed()
    await other.refresh()
    clock.pass_s(600)
    assert await picked(one) == key_id
    one.report(key_id, None)
    await one.refresh_changed()
    await other.refresh_changed()
    assert keys.get(key_id).key.health == KeyHealth()
    assert [await picked(other) for _ in range(2)] == [key_id] * 2


async def test_one_backup_takes_the_place_and_gives_it_back(
    worker: Made, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    key_id = keys.add("main", "secret").key.id
    backups = {keys.add("main", f"backup-{n}", backup=True).key.id for n in range(2)}
    keys.add("other", "backup", backup=True)
    workers = [worker() for _ in range(3)]
    for one in workers:
        await one.refresh()
    for one in workers:
        one.report(key_id, Fault.BUDGET)
    await asyncio.gather(*(one.refresh_changed() for one in workers))
    standing_in = {each.key.id for each in keys.listed() if each.key.stands_in}
    assert len(standing_in) == 1
    assert standing_in < backups
    for one in workers:
        await one.refresh_changed()
        assert {await picked(one) for _ in range(4)} == standing_in
    keys.enable(key_id)
    await asyncio.gather(*(one.refresh_changed() for one in workers))
    assert [each for each in keys.listed() if each.key.stands_in] == []
    assert {await picked(workers[0]) for _ in range(4)} == {key_id}
    rows = prepared.audit_log.find({"actor": "gateway"}).sort("$natural", 1)
    changes = ["upstream_key.health", "upstream_key.appoint", "upstream_key.dismiss"]
    assert [row["action"] for row in rows] == changes


async def test_a_backup_that_fails_is_replaced(worker: Made, keys: UpstreamKeyStore) -> None:
    key_id = keys.add("main", "secret").key.id
    backups = {keys.add("main", f"backup-{n}", backup=True).key.id for n in range(2)}
    pools = worker()
    await pools.refresh()
    tried = {key_id}
    for _ in backups:
        failing = await picked(pools)
        assert failing is not None
        pools.report(failing, Fault.AUTH)
        await pools.refresh_changed()
        tried.add(failing)
    last = await picked(pools)
    assert last in backups
    keys.enable(key_id)
    for _ in range(2):
        await pools.refresh_changed()
    assert [each for each in keys.listed() if each.key.stands_in] == []
    assert await picked(pools) == key_id


async def test_a_key_that_is_switched_off_is_replaced_too(
    worker: Made, keys: UpstreamKeyStore
) -> None:
    key_id = keys.add("main", "secret").key.id
    backup = keys.add("main", "backup", backup=True).key.id
    pools = worker()
    await pools.refresh()
    keys.disable(key_id)
    await pools.refresh_changed()
    assert await picked(pools) == backup


async def test_without_a_database_requests_are_served_from_memory(
    worker: Made, keys: UpstreamKeyStore, store: Store
) -> None:
    limited = keys.add("main", "secret-1", rpm=1).key.id
    other = keys.add("main", "secret-2").key.id
    pools = worker()
    await pools.refresh()
    store.down = True
    for refresh in (pools.refresh, pools.refresh_changed):
        with pytest.raises(StoreUnavailable):
            await refresh()
    assert {await picked(pools) for _ in range(6)} == {limited, other}
    pools.report(other, Fault.AUTH)
    pools.report(limited, None)
    assert {await picked(pools) for _ in range(6)} == {limited}
    with pytest.raises(StoreUnavailable):
        await pools.refresh_changed()
    assert {await picked(pools) for _ in range(6)} == {limited}
    store.down = False
    await pools.refresh_changed()
    assert keys.get(other).key.health.reason is Fault.AUTH
    assert keys.get(limited).counts == KeyCounts(1, 0)


async def test_the_task_outlives_an_outage(
    worker: Made, keys: UpstreamKeyStore, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_pools, "RETRY_S", 0.01)
    key_id = keys.add("main", "secret").key.id
    pools = worker()
    await pools.start()
    store.down = True
    pools.report(key_id, Fault.AUTH)

    async def has_failed() -> bool:
        return store.failures > 1

    await eventually(has_failed)
    assert keys.get(key_id).key.health == KeyHealth()
    store.down = False

    async def is_known() -> bool:
        return keys.get(key_id).key.health.reason is Fault.AUTH

    await eventually(is_known)


async def test_a_start_without_a_database_fails(worker: Made, store: Store) -> None:
    store.down = True
    with pytest.raises(StoreUnavailable):
        await worker().start()


async def test_a_limit_of_its_own_holds_over_workers(worker: Made, keys: UpstreamKeyStore) -> None:
    limited = keys.add("main", "secret-1", rpm=4).key.id
    workers = [worker(), worker()]
    for one in workers:
        await one.refresh()
    got = await asyncio.gather(*(picked(one) for one in workers * 5))
    assert got.count(limited) == 4
    assert got.count(None) == 6
    for one in workers:
        until = one.earliest("main")
        assert until is not None
        assert timedelta(seconds=50) < until - utc_now() <= timedelta(seconds=61)
    other = keys.add("main", "secret-2").key.id
    for one in workers:
        await one.refresh()
        assert {await picked(one) for _ in range(4)} == {other}


async def test_counts_are_kept_when_the_worker_leaves(
    store: Store, sealer: Sealer, keys: UpstreamKeyStore
) -> None:
    key_id = keys.add("main", "secret").key.id
    pools = KeyPools(store, sealer)
    await pools.start()
    for fault in (None, None, Fault.SERVER):
        pools.report(key_id, fault)
    (row,) = pools.status()
    assert (row["requests"], row["errors"]) == (3, 1)
    await pools.close()
    assert keys.get(key_id).counts == KeyCounts(3, 1)


async def test_what_was_missed_is_read_whole(worker: Made, store: Store) -> None:
    now_s = 0.0
    pools = worker(monotonic=lambda: now_s, reload_s=30)
    await pools.refresh_changed()
    for now_s in (1.0, 2.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 35.0, 39.0):  # noqa: B007 - read by the clock
        await pools.refresh_changed()
    assert store.reads == ["whole", *["changed"] * 2, "whole", *["changed"] * 6, "whole"]


async def test_a_key_that_was_removed_is_gone_with_the_next_whole_reading(
    worker: Made, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    key_id = keys.add("main", "secret").key.id
    pools = worker()
    await pools.refresh()
    pools.report(key_id, Fault.RATE_LIMITED, 5)
    prepared.upstream_keys.delete_one({"_id": key_id})
    await pools.refresh()
    assert await picked(pools) is None
    assert pools.status() == []
    pools.report(key_id, None)


async def test_a_longer_absence_is_not_shortened(
    worker: Made, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    key_id = keys.add("main", "secret").key.id
    pools = worker()
    await pools.refresh()
    longer = KeyHealth(Fault.RATE_LIMITED, utc_now() + timedelta(hours=1))
    prepared.upstream_keys.update_one(
        {"_id": key_id},
        {"$set": {"health": health_document(longer)}, "$currentDate": {"changedAt": True}},
    )
    pools.report(key_id, Fault.RATE_LIMITED, 5)
    await pools.refresh_changed()
    assert pools.earliest("main") == longer.until == keys.get(key_id).key.health.until


async def test_secrets_are_nowhere_in_clear(
    worker: Made, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    secret = "sk-upstream-canary-0123456789"
    key_id = keys.add("main", secret, rpm=9).key.id
    keys.add("main", f"{secret}-backup", backup=True)
    pools = worker()
    await pools.refresh()
    await picked(pools)
    pools.report(key_id, Fault.AUTH)
    await pools.refresh()
    for name in prepared.list_collection_names():
        for document in prepared[name].find():
            assert secret.encode() not in bson.encode(document)
