from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import bson
import pytest
from bson import Int64

from shared.domain.upstream_keys import Fault, KeyHealth
from shared.store.client import AsyncDb, SyncDatabase
from shared.store.key_pools import MongoKeyPoolStore
from shared.store.sealing import Sealer
from shared.store.upstream_key_documents import KeyCounts, health_document
from shared.store.upstream_keys import UpstreamKeyStore

SECRET = "sk-upstream-canary-0123456789"
SEALER = Sealer("a secret key for tests")
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
WELL = KeyHealth()


def out(reason: Fault, seconds: float, trips: int = 1) -> KeyHealth:
    return KeyHealth(reason, NOW + timedelta(seconds=seconds), (), trips)


@pytest.fixture
def keys(prepared: SyncDatabase) -> UpstreamKeyStore:
    return UpstreamKeyStore(prepared, SEALER, actor="test")


@pytest.fixture
def pools(async_database: AsyncDb) -> MongoKeyPoolStore:
    return MongoKeyPoolStore(async_database)


def actions(database: SyncDatabase) -> list[str]:
    rows = database.audit_log.find({"actor": "gateway"}).sort("$natural", 1)
    return [row["action"] for row in rows]


async def test_all_keys_and_those_that_changed_lately(
    pools: MongoKeyPoolStore, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    old, new = keys.add("main", "secret-1"), keys.add("main", "secret-2")
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    prepared.upstream_keys.update_one({"_id": old.key.id}, {"$set": {"changedAt": hour_ago}})
    assert sorted(each.key.id for each in await pools.load()) == sorted([old.key.id, new.key.id])
    assert await pools.load_changed(60) == [new]
    keys.disable(old.key.id)
    assert len(await pools.load_changed(60)) == 2


@pytest.mark.parametrize(
    ("before", "health", "recorded"),
    [
        (WELL, out(Fault.SERVER, 30), True),
        (out(Fault.SERVER, 30), out(Fault.SERVER, 60), True),
        (out(Fault.SERVER, 60), out(Fault.SERVER, 30), False),
        (out(Fault.SERVER, 30), out(Fault.SERVER, 30), False),
        (out(Fault.RATE_LIMITED, 3600), out(Fault.AUTH, 600), True),
        (out(Fault.AUTH, 600), out(Fault.RATE_LIMITED, 3600), False),
        (out(Fault.AUTH, 600), out(Fault.BUDGET, 1200), True),
        (out(Fault.BUDGET, 1200), out(Fault.AUTH, 600), False),
        (out(Fault.AUTH, -1), out(Fault.RATE_LIMITED, 5), True),
        (out(Fault.AUTH, -1), out(Fault.AUTH, 1200, 2), True),
    ],
)
async def test_the_longer_absence_counts(
    pools: MongoKeyPoolStore,
    keys: UpstreamKeyStore,
    prepared: SyncDatabase,
    before: KeyHealth,
    health: KeyHealth,
    recorded: bool,
) -> None:
    key_id = keys.add("main", SECRET).key.id
    stored = {"health": health_document(before)}
    prepared.upstream_keys.update_one({"_id": key_id}, {"$set": stored})
    await pools.record_fault(key_id, health, NOW)
    assert keys.get(key_id).key.health == (health if recorded else before)
    changed = (before.reason, before.trips) != (health.reason, health.trips)
    assert actions(prepared) == (["upstream_key.health"] if recorded and changed else [])


async def test_of_many_at_once_the_longest_absence_is_left(
    pools: MongoKeyPoolStore, keys: UpstreamKeyStore
) -> None:
    key_id = keys.add("main", SECRET).key.id
    absences = [out(Fault.SERVER, seconds) for seconds in (10, 50, 30, 20, 40)]
    await asyncio.gather(*(pools.record_fault(key_id, each, NOW) for each in absences))
    assert keys.get(key_id).key.health == out(Fault.SERVER, 50)


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        (out(Fault.AUTH, 60), WELL),
        (out(Fault.AUTH, 90), WELL),
        (out(Fault.AUTH, 30), out(Fault.AUTH, 60)),
    ],
)
async def test_a_success_ends_the_absence_it_proves_wrong_and_no_later_one(
    pools: MongoKeyPoolStore,
    keys: UpstreamKeyStore,
    prepared: SyncDatabase,
    seen: KeyHealth,
    left: KeyHealth,
) -> None:
    key_id = keys.add("main", SECRET).key.id
    await pools.record_fault(key_id, out(Fault.AUTH, 60), NOW)
    assert seen.until is not None
    await pools.record_success(key_id, seen.until)
    assert keys.get(key_id).key.health == left
    assert len(actions(prepared)) == (2 if left == WELL else 1)


async def test_counts_add_up_and_are_no_change(
    pools: MongoKeyPoolStore, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    key_id = keys.add("main", SECRET).key.id
    before = prepared.upstream_keys.find_one()
    await asyncio.gather(*(pools.count({key_id: KeyCounts(3, 1)}) for _ in range(4)))
    await pools.count({"uk_none": KeyCounts(1, 1)})
    await pools.count({})
    after = prepared.upstream_keys.find_one()
    assert before is not None
    assert after is not None
    assert keys.get(key_id).counts == KeyCounts(12, 4)
    assert after["changedAt"] == before["changedAt"]
    assert isinstance(after["requests"], Int64)
    assert actions(prepared) == []


async def test_a_key_of_its_own_limit(pools: MongoKeyPoolStore, keys: UpstreamKeyStore) -> None:
    key_id = keys.add("main", SECRET, rpm=5).key.id
    waits = await asyncio.gather(*(pools.admit(key_id) for _ in range(12)))
    assert waits.count(0) == 5
    assert all(55 <= wait <= 61 for wait in waits if wait)
    free = keys.add("main", SECRET + "x").key.id
    assert await pools.admit(free) == await pools.admit("uk_none") == 0


async def test_one_backup_stands_in_whoever_appoints_it(
    pools: MongoKeyPoolStore, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    key_id = keys.add("main", SECRET).key.id
    backups = [keys.add("main", f"backup-{n}", backup=True).key.id for n in range(3)]
    won = await asyncio.gather(*(pools.appoint(one, key_id) for one in [*backups, *backups]))
    assert won.count(True) == 1
    standing_in = [each for each in keys.listed() if each.key.stands_in]
    assert [each.stands_in_for for each in standing_in] == [key_id]
    assert actions(prepared) == ["upstream_key.appoint"]
    backup_id = standing_in[0].key.id
    assert not await pools.dismiss(backup_id, "uk_other")
    assert await pools.dismiss(backup_id, key_id)
    assert not await pools.dismiss(backup_id, key_id)
    assert actions(prepared) == ["upstream_key.appoint", "upstream_key.dismiss"]
    assert await pools.appoint(backups[0], key_id)


async def test_a_backup_stands_in_for_one_key(
    pools: MongoKeyPoolStore, keys: UpstreamKeyStore
) -> None:
    backup = keys.add("main", SECRET, backup=True).key.id
    first, second = (keys.add("main", f"{SECRET}-{n}").key.id for n in range(2))
    won = await asyncio.gather(pools.appoint(backup, first), pools.appoint(backup, second))
    assert sorted(won) == [False, True]


async def test_only_a_backup_that_is_on_can_be_appointed(
    pools: MongoKeyPoolStore, keys: UpstreamKeyStore
) -> None:
    key_id = keys.add("main", SECRET).key.id
    off = keys.add("main", "backup-0", backup=True).key.id
    keys.disable(off)
    assert not await pools.appoint(off, key_id)
    assert not await pools.appoint(keys.add("main", "plain").key.id, key_id)


async def test_a_key_of_the_settings_enters_once_and_stays_off_when_it_is(
    pools: MongoKeyPoolStore, keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    added = await asyncio.gather(
        *(pools.ensure("main", SECRET, "MAIN_UPSTREAM_KEY", SEALER) for _ in range(6))
    )
    assert added.count(True) == 1
    (stored,) = keys.listed()
    assert (stored.key.pool, stored.key.label) == ("main", "MAIN_UPSTREAM_KEY")
    assert keys.secret_of(stored) == SECRET
    assert actions(prepared) == ["upstream_key.add"]
    keys.disable(stored.key.id)
    assert not await pools.ensure("main", SECRET, "MAIN_UPSTREAM_KEY", SEALER)
    assert not keys.get(stored.key.id).key.enabled
    assert await pools.ensure("main", SECRET + "x", "MAIN_UPSTREAM_KEY", SEALER)
    assert len(keys.listed()) == 2


async def test_secrets_are_not_in_the_audit_log(
    pools: MongoKeyPoolStore, prepared: SyncDatabase
) -> None:
    await pools.ensure("main", SECRET, "MAIN_UPSTREAM_KEY", SEALER)
    (stored,) = await pools.load()
    await pools.record_fault(stored.key.id, out(Fault.AUTH, 60), NOW)
    rows = list(prepared.audit_log.find())
    assert len(rows) == 2
    for row in rows:
        content = bson.encode(row)
        assert SECRET.encode() not in content
        assert stored.sealed.encode() not in content
        assert SEALER.fingerprint(SECRET).encode() not in content
