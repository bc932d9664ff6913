"""Holds and journals of dead workers, over real files and a real mongod."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson.int64 import Int64

from shared.domain.accounts import Hold
from shared.housekeeping.sweeper import Sweeper
from shared.ledger.journal_home import JournalDirectory, journals_of
from shared.ledger.journal_lines import end_line
from shared.ledger.ledger import LedgerStores
from shared.ledger.verify import verify
from shared.store.prices import MongoPriceStore
from shared.store.request_logs import MongoRequestLogStore
from shared.store.workers import MongoWorkerStore


@pytest.fixture
def workers(bank: Any) -> MongoWorkerStore:
    return MongoWorkerStore(bank.async_db)


@pytest.fixture
def sweeper(bank: Any, workers: MongoWorkerStore, tmp_path: Path) -> Sweeper:
    stores = LedgerStores(bank.holds, MongoRequestLogStore(bank.async_db), workers)
    return Sweeper(tmp_path, stores, MongoPriceStore(bank.async_db))


def age_hold(bank: Any, hold: Hold, seconds: float) -> None:
    past = datetime.now(UTC) - timedelta(seconds=seconds)
    path = f"holds.{hold.request_id}.at"
    bank.db.users.update_one({"_id": hold.user_id}, {"$set": {path: past}})


def silence(bank: Any, worker: str, seconds: float) -> None:
    past = datetime.now(UTC) - timedelta(seconds=seconds)
    bank.db.workers.update_one({"_id": worker}, {"$set": {"heartbeatAt": past}})


async def test_holds_of_silent_and_unknown_workers_are_released(
    bank: Any, sweeper: Sweeper, workers: MongoWorkerStore
) -> None:
    user = bank.add_user(10_000)
    living, silent, unknown = [
        await bank.hold(user, worker=name) for name in ("living", "silent", "unknown")
    ]
    young = await bank.hold(user, worker="unknown")
    age_hold(bank, young, 70)
    for hold in (living, silent, unknown):
        age_hold(bank, hold, 81)
    for worker in ("living", "silent"):
        await workers.beat(worker, "host")
    silence(bank, "silent", 81)
    assert await sweeper.release_abandoned() == 2
    assert list(bank.account(user)["holds"]) == [living.request_id, young.request_id]
    rows = bank.rows(kind="released")
    assert [row["_id"] for row in rows] == [silent.request_id, unknown.request_id]
    assert {row["amountNano"] for row in rows} == {0}
    assert verify(bank.db).sound
    assert await sweeper.release_abandoned() == 0


async def test_what_comes_back_is_billed_late_once(
    bank: Any, sweeper: Sweeper, tmp_path: Path, make_record: Any
) -> None:
    user = bank.add_user(1_000)
    hold = await bank.hold(user, 1_000, worker="gone")
    age_hold(bank, hold, 81)
    await sweeper.release_abandoned()
    directory = JournalDirectory.create(journals_of(tmp_path), "gone")
    line = end_line(hold, make_record(hold, 1_200))
    (directory.path / "00000000.journal").write_bytes(line)
    assert not await sweeper.adopt_journals()
    directory.unlock()
    assert (await sweeper.adopt_journals()).ended == 1
    assert not await sweeper.adopt_journals()
    assert bank.account(user)["creditsNano"] == -200
    bank.assert_settled(user)
    assert verify(bank.db).sound


async def test_a_charge_of_the_dead_worker_is_applied(
    bank: Any, sweeper: Sweeper, make_record: Any
) -> None:
    user = bank.add_user(1_000)
    hold = await bank.hold(user, 1_000, worker="gone")
    await bank.holds._record([(hold, make_record(hold, 300))])
    age_hold(bank, hold, 81)
    await sweeper.release_abandoned()
    assert bank.account(user)["creditsNano"] == 700
    bank.assert_settled(user)


async def test_amounts_stay_what_they_were(bank: Any, sweeper: Sweeper) -> None:
    user = bank.add_user(5, 7)
    for amount in (5, 7):
        age_hold(bank, await bank.hold(user, amount, worker="gone"), 81)
    await sweeper.release_abandoned()
    fields = ("creditsNano", "heldNano", "refCreditsNano", "refHeldNano")
    expected = dict(zip(fields, map(Int64, (5, 0, 7, 0)), strict=True))
    assert {name: bank.account(user)[name] for name in fields} == expected


async def test_old_workers_are_forgotten(
    bank: Any, sweeper: Sweeper, workers: MongoWorkerStore
) -> None:
    for name in ("old", "silent", "new"):
        await workers.beat(name, "host")
    silence(bank, "old", 3_601)
    silence(bank, "silent", 81)
    assert await sweeper.forget_workers() == 1
    assert [worker["_id"] for worker in bank.db.workers.find()] == ["silent", "new"]
