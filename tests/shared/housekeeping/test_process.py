"""The process as a whole: duties, lease, signals."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsError, StoreUnavailable
from shared.housekeeping.lease import Lease
from shared.housekeeping.process import Duty, Housekeeping, main
from shared.ledger.journal_home import JournalDirectory, journals_of
from shared.ledger.journal_lines import end_line
from shared.settings import Settings
from shared.store.leases import MongoLeaseStore

CHILD = """
import sys
from pathlib import Path
from shared.housekeeping.process import main
from shared.settings import Settings

sys.exit(main(Settings(home=Path(sys.argv[1]), config_path=Path("x"), mongodb_uri=sys.argv[2])))
"""


class Work:
    """Counts its turns; fails on some."""

    def __init__(self, fails: int = 0) -> None:
        self.turns = 0
        self._fails = fails

    async def __call__(self) -> None:
        self.turns += 1
        if self.turns <= self._fails:
            raise StoreUnavailable("down")


@asynccontextmanager
async def running(housekeeping: Housekeeping) -> AsyncIterator[None]:
    task = asyncio.create_task(housekeeping.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def test_leased_work_is_done_by_one_and_handed_on(bank: Any) -> None:
    store = MongoLeaseStore(bank.async_db)
    first, second, everywhere = Work(fails=2), Work(), Work()
    one = Housekeeping(Lease(store, "x", "one"), [Duty("work", 0.01, first)])
    duties = [Duty("work", 0.01, second), Duty("local", 0.01, everywhere, leased=False)]
    other = Housekeeping(Lease(store, "x", "other"), duties)
    async with running(one):
        await eventually(lambda: first.turns > 4)
        async with running(other):
            await eventually(lambda: everywhere.turns > 4)
            assert second.turns == 0
            # In one write, as if the first had lapsed: it must find no moment to take it again.
            handed_on = {"$set": {"holder": "other"}, "$inc": {"token": 1}}
            bank.db.leases.update_one({"_id": "x"}, handed_on)
            await eventually(lambda: second.turns > 2)
            before = first.turns
            await eventually(lambda: second.turns > 20)
            assert first.turns <= before + 1


async def test_after_a_gap_a_duty_waits(bank: Any) -> None:
    lease = Lease(MongoLeaseStore(bank.async_db), "x", "one")
    patient, prompt = Work(), Work()
    duties = [Duty("patient", 0.01, patient, grace_s=0.3), Duty("prompt", 0.01, prompt)]
    async with running(Housekeeping(lease, duties)):
        await eventually(lambda: prompt.turns > 3)
        assert patient.turns == 0 or lease.held_for_s >= 0.3
        await eventually(lambda: patient.turns > 0)
        assert lease.held_for_s >= 0.3


async def test_leaving_gives_the_lease_back(bank: Any) -> None:
    store, work = MongoLeaseStore(bank.async_db), Work()
    async with running(Housekeeping(Lease(store, "x", "one"), [Duty("work", 0.01, work)])):
        await eventually(lambda: work.turns > 0)
    assert await store.take("x", "two", 60) == 2


def test_without_a_database_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MONGODB_URI"):
        main(Settings(home=tmp_path, config_path=tmp_path / "config.json"))


def _until(true: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_adopts_a_journal_and_ends_when_told(
    bank: Any, tmp_path: Path, database_uri: str, make_record: Any, number: signal.Signals
) -> None:
    user = bank.add_user(10_000)
    hold = await bank.hold(user)
    directory = JournalDirectory.create(journals_of(tmp_path), "gone")
    line = end_line(hold, make_record(hold, 300))
    (directory.path / "00000000.journal").write_bytes(line)
    directory.unlock()
    command = [sys.executable, "-c", CHILD, str(tmp_path), database_uri]
    with subprocess.Popen(command) as child:
        try:
            await asyncio.to_thread(_until, lambda: not directory.path.exists(), child)
            held = {"_id": "housekeeping", "holder": {"$ne": ""}}
            await asyncio.to_thread(_until, lambda: bank.db.leases.find_one(held), child)
            await asyncio.sleep(0.5)  # no renewal is under way
            child.send_signal(number)
            assert await asyncio.to_thread(child.wait, 10) == 0
        finally:
            child.kill()
    assert bank.account(user)["creditsNano"] == 9_700
    bank.assert_settled(user)
    assert bank.db.leases.find_one({"_id": "housekeeping"})["holder"] == ""


async def test_it_ends_within_a_second_without_a_database(tmp_path: Path) -> None:
    uri = "mongodb://127.0.0.1:9/trollllm?replicaSet=rs0"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), uri], stderr=subprocess.PIPE
    ) as child:
        try:
            await asyncio.sleep(2)
            assert child.poll() is None
            told = time.monotonic()
            child.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(child.wait, 10) == 0
            assert time.monotonic() - told < 3  # a second on an idle machine
        finally:
            child.kill()
