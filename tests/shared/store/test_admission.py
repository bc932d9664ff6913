"""Admission against a real mongod, and its arithmetic against the window in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Int64
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.accounts import Admission, Principal, RateState, RateWindow, Role
from shared.domain.limits import SlidingWindow, TierLimits
from shared.errors import StoreUnavailable
from shared.store.admission import MongoKeyGate, window_update
from shared.store.client import AsyncDb, SyncDatabase, connect_async
from tests.support.mongo_relay import MongoRelay, lose

AddKey = Callable[..., str]


def gate_on(database: AsyncDb, dev: int = 300, pro: int = 1000) -> MongoKeyGate:
    return MongoKeyGate(database, rpm_dev=dev, rpm_pro=pro)


def now_s() -> int:
    return int(time.time())


async def test_a_known_key(async_database: AsyncDb, add_key: AddKey) -> None:
    admission = await gate_on(async_database).admit(add_key("ann", role="admin"))
    assert admission.principal == Principal("usr_ann", "ann", "key_ann", Role.ADMIN)
    assert admission.admitted
    assert admission.rate == RateState(limit=300, remaining=299, reset_s=61)


async def test_an_unknown_key(async_database: AsyncDb) -> None:
    admission = await gate_on(async_database).admit("no such hash")
    assert admission == Admission(None, admitted=False, rate=None)


@pytest.mark.parametrize("field", ["isActive", "ownerActive"])
async def test_a_stopped_key_is_unknown_and_not_counted(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey, field: str
) -> None:
    key_hash = add_key("ann", **{field: False})
    before = prepared.user_keys.find_one()
    assert (await gate_on(async_database).admit(key_hash)).principal is None
    assert prepared.user_keys.find_one() == before


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, 5),
        ({"tier": "pro"}, 8),
        ({"accountRpm": 3}, 3),
        ({"tier": "pro", "accountRpm": 2}, 2),
        ({"accountRpm": 3, "rpm": 4}, 4),
    ],
)
async def test_which_limit_applies(
    async_database: AsyncDb, add_key: AddKey, fields: dict[str, Any], limit: int
) -> None:
    key_hash = add_key("ann", **fields)
    gate = gate_on(async_database, dev=5, pro=8)
    admissions = [await gate.admit(key_hash) for _ in range(10)]
    assert sum(admission.admitted for admission in admissions) == limit
    assert all(admission.principal for admission in admissions)
    assert {admission.rate.limit for admission in admissions if admission.rate} == {limit}


async def test_refused_requests_do_not_count(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey
) -> None:
    key_hash = add_key()
    gate = gate_on(async_database, dev=2)
    await gate.admit(key_hash)
    await gate.admit(key_hash)
    used = prepared.user_keys.find_one()
    refused = await gate.admit(key_hash)
    stored = prepared.user_keys.find_one()
    assert used is not None
    assert stored is not None
    assert refused.rate is not None
    assert (refused.admitted, refused.rate.remaining) == (False, 0)
    assert 1 <= refused.rate.reset_s <= 61
    assert sum(stored["window"]["buckets"]) == 2
    assert stored["lastUsedAt"] == used["lastUsedAt"]


async def test_windows_of_a_key_count_apart(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey
) -> None:
    key_hash = add_key()
    gate = gate_on(async_database, dev=2, pro=3)
    for window in (RateWindow.COUNTS, RateWindow.REQUESTS):
        admissions = [await gate.admit(key_hash, window) for _ in range(4)]
        assert [each.admitted for each in admissions] == [True, True, False, False]
        fixed = [await gate.admit_fixed(window) for _ in range(4)]
        assert [each.admitted for each in fixed] == [True, True, True, False]
    stored = prepared.user_keys.find_one({"hash": key_hash})
    assert stored is not None
    assert sum(stored["window"]["buckets"]) == sum(stored["countWindow"]["buckets"]) == 2


async def test_an_admitted_request_dates_the_key_by_the_servers_clock(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey
) -> None:
    await gate_on(async_database).admit(add_key())
    stored = prepared.user_keys.find_one()
    assert stored is not None
    assert abs(stored["lastUsedAt"] - datetime.now(UTC)) < timedelta(seconds=30)


async def test_two_gates_at_once_never_admit_more_than_the_limit_nor_much_less(
    database_uri: str, prepared: SyncDatabase, add_key: AddKey
) -> None:
    key_hash = add_key()
    async with (
        connect_async(database_uri, timeout_ms=20_000) as one,
        connect_async(database_uri, timeout_ms=20_000) as other,
    ):
        gates = [gate_on(client[prepared.name], dev=100) for client in (one, other)]
        offered = [gates[n % 2].admit(key_hash) for n in range(300)]
        admissions = await asyncio.gather(*offered)
    assert sum(admission.admitted for admission in admissions) == 100


async def test_the_window_slides(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey
) -> None:
    buckets = [2] + [0] * 58 + [1, 0]
    key_hash = add_key(window={"sec": Int64(now_s() - 2), "buckets": buckets})
    gate = gate_on(async_database, dev=3)
    admissions = [await gate.admit(key_hash) for _ in range(4)]
    assert [admission.admitted for admission in admissions] == [True, True, False, False]


async def test_a_clock_that_went_back_a_little_is_waited_out(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey
) -> None:
    ahead = now_s() + 40
    key_hash = add_key(window={"sec": Int64(ahead), "buckets": [4] + [0] * 59 + [1]})
    admissions = [await gate_on(async_database, dev=6).admit(key_hash) for _ in range(3)]
    stored = prepared.user_keys.find_one()
    assert stored is not None
    assert [admission.admitted for admission in admissions] == [True, False, False]
    assert stored["window"]["sec"] == ahead
    assert stored["window"]["buckets"] == [4] + [0] * 59 + [2]


async def test_a_clock_that_went_back_far_stops_no_key_for_longer_than_a_window(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey
) -> None:
    key_hash = add_key(window={"sec": Int64(now_s() + 9_000), "buckets": [4] + [0] * 59 + [1]})
    admissions = [await gate_on(async_database, dev=6).admit(key_hash) for _ in range(3)]
    stored = prepared.user_keys.find_one()
    assert stored is not None
    assert [admission.admitted for admission in admissions] == [True, False, False]
    assert abs(stored["window"]["sec"] - now_s()) < 30
    assert sum(stored["window"]["buckets"]) == 6


async def test_a_key_without_a_window_gets_one(
    async_database: AsyncDb, prepared: SyncDatabase, add_key: AddKey
) -> None:
    key_hash = add_key()
    prepared.user_keys.update_one({}, {"$unset": {"window": 1}})
    assert (await gate_on(async_database).admit(key_hash)).admitted
    stored = prepared.user_keys.find_one()
    assert stored is not None
    assert sum(stored["window"]["buckets"]) == 1


@pytest.mark.parametrize(
    ("balances", "extra", "admitted"),
    [
        ({"creditsNano": 0, "refCreditsNano": 1}, {}, 4),
        ({"creditsNano": 5, "heldNano": 5, "refCreditsNano": 1}, {}, 4),
        ({"creditsNano": 5, "refCreditsNano": 1}, {}, 2),
        ({"creditsNano": 0, "refCreditsNano": 0}, {}, 2),
        ({"creditsNano": 0, "refCreditsNano": 3, "refHeldNano": 3}, {}, 2),
        ({"creditsNano": 0, "refCreditsNano": 1}, {"accountRpm": 3}, 3),
    ],
)
async def test_referral_credits_give_the_pro_limit(
    async_database: AsyncDb,
    prepared: SyncDatabase,
    users: Any,
    add_key: AddKey,
    balances: dict[str, int],
    extra: dict[str, Any],
    admitted: int,
) -> None:
    account = users.create("ann", None)
    nano = {name: Int64(amount) for name, amount in balances.items()}
    prepared.users.update_one({"_id": account.id}, {"$set": nano})
    key_hash = add_key("ann", userId=account.id, **extra)
    gate = gate_on(async_database, dev=2, pro=4)
    admissions = [await gate.admit(key_hash) for _ in range(6)]
    assert sum(admission.admitted for admission in admissions) == admitted


async def test_expired_credits_are_used_up(
    async_database: AsyncDb, prepared: SyncDatabase, users: Any, add_key: AddKey
) -> None:
    account = users.create("ann", None)
    past = datetime.now(UTC) - timedelta(minutes=1)
    balances = {"creditsNano": Int64(9), "refCreditsNano": Int64(9), "creditsExpireAt": past}
    prepared.users.update_one({"_id": account.id}, {"$set": balances})
    key_hash = add_key("ann", userId=account.id)
    gate = gate_on(async_database, dev=1, pro=2)
    assert [(await gate.admit(key_hash)).admitted for _ in range(3)] == [True, True, False]


async def test_the_fixed_key(async_database: AsyncDb, prepared: SyncDatabase) -> None:
    gate = gate_on(async_database, dev=1, pro=3)
    admissions = await asyncio.gather(*[gate.admit_fixed() for _ in range(6)])
    principal = Principal("", "_proxy", "_proxy", Role.USER, billed=False)
    assert {admission.principal for admission in admissions} == {principal}
    assert sum(admission.admitted for admission in admissions) == 3
    assert {admission.rate.limit for admission in admissions if admission.rate} == {3}
    assert prepared.user_keys.count_documents({}) == 1


async def test_no_key_finds_the_fixed_one(async_database: AsyncDb) -> None:
    gate = gate_on(async_database)
    await gate.admit_fixed()
    assert (await gate.admit("_proxy")).principal is None


async def test_ping(async_database: AsyncDb) -> None:
    await gate_on(async_database).ping()


async def test_an_admission_goes_the_short_way_and_pymongos_when_that_fails(
    database_uri: str, prepared: SyncDatabase, add_key: AddKey
) -> None:
    key_hash = add_key()
    async with (
        MongoRelay(database_uri) as relay,
        connect_async(relay.uri, timeout_ms=20_000) as client,
    ):
        gate = gate_on(client[prepared.name])
        remaining = []
        for _ in range(3):
            rate = (await gate.admit(key_hash)).rate
            remaining.append(rate and rate.remaining)
            relay.spoils.append(lose)
        assert remaining == [299, 297, 295]  # counted twice when an answer was lost
        assert [asked.by_pymongo for asked in relay.asked] == [False, False, True, False, True]


async def test_without_a_database_all_is_unavailable(unused_tcp_port: int) -> None:
    uri = f"mongodb://127.0.0.1:{unused_tcp_port}/?replicaSet=rs0"
    async with connect_async(uri, timeout_ms=100) as client:
        gate = gate_on(client["trollllm"])
        for asked in (gate.ping(), gate.admit("hash"), gate.admit_fixed()):
            with pytest.raises(StoreUnavailable):
                await asked


STEPS = st.sampled_from([0, 0, 0, 1, 1, 2, 5, 30, 59, 60, 61, 62, 500, -1, -30, -60, -61, -500])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(limit=st.integers(1, 8), steps=st.lists(STEPS, min_size=1, max_size=40))
def test_the_pipeline_is_the_window_in_memory(
    prepared: SyncDatabase, add_key: AddKey, limit: int, steps: list[int]
) -> None:
    prepared.user_keys.delete_many({})
    add_key()
    window = SlidingWindow()
    second = 1_900_000_000
    for step in steps:
        second += step
        moment = datetime.fromtimestamp(second, UTC)
        update = window_update(TierLimits(dev=limit, pro=0), {"$literal": moment})
        stored = prepared.user_keys.find_one_and_update({}, update, return_document=True)
        expected = window.admit(second, limit)
        assert stored["window"] == {
            "sec": window.sec,
            "buckets": window.buckets,
            "admitted": expected,
        }
