"""What dead workers left is settled exactly once, over real files and a real mongod."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.domain.accounts import OpenRequest
from shared.domain.pricing import Price, Rates, make_price
from shared.domain.usage import Usage
from shared.errors import StoreUnavailable
from shared.ledger.journal_home import JournalDirectory, journals_of
from shared.ledger.journal_lines import end_line, open_line, sent_line, usage_line
from shared.ledger.ledger import LedgerStores
from shared.ledger.recovery import RecoveryReport, recover
from shared.store.holds import MongoHoldStore
from shared.store.prices import MongoPriceStore
from shared.store.request_logs import MongoRequestLogStore
from shared.store.workers import MongoWorkerStore

WORKER = "5b0b3c1e-0000-4000-8000-000000000001"


def nano_per_token() -> Price:
    """Input and output at one nano-USD a token."""
    rate = Decimal("0.001")
    return make_price(Rates(rate, rate, rate, rate, rate))


class Ruins:
    """A dead worker's journal, and the accounts behind it."""

    def __init__(self, bank: Any, home: Path, make_open: Any) -> None:
        self.bank = bank
        self.home = home
        self.make_open = make_open
        self.price = nano_per_token()
        self.lines: list[bytes] = []

    async def recover(self, holds: Any = None) -> RecoveryReport:
        """What a fresh process does, through `holds` if given."""
        database = self.bank.async_db
        stores = LedgerStores(
            holds or self.bank.holds, MongoRequestLogStore(database), MongoWorkerStore(database)
        )
        return await recover(self.home, stores, MongoPriceStore(database))

    async def remember_price(self) -> None:
        await MongoPriceStore(self.bank.async_db).remember([("gpt-5", self.price)])

    async def opened(self, user: str, amount_nano: int = 1_000) -> OpenRequest:
        held = await self.bank.hold(user, amount_nano)
        request: OpenRequest = self.make_open(hold=held)
        record = replace(request.record, price_version=self.price.version)
        request = OpenRequest(held, record)
        self.lines.append(open_line(request))
        return request

    async def sent(self, user: str, *usage: Usage, amount_nano: int = 1_000) -> OpenRequest:
        request = await self.opened(user, amount_nano)
        self.lines.append(sent_line(request.record.request_id))
        self.lines += [usage_line(request.record.request_id, one) for one in usage]
        return request

    async def ended(self, user: str, cost_nano: int) -> OpenRequest:
        request = await self.sent(user)
        record = replace(request.record, status=200, end_reason="complete", cost_nano=cost_nano)
        self.lines.append(end_line(request.hold, record))
        return request

    def bury(self, worker: str = WORKER) -> None:
        """Write the journal down, as a worker that is gone."""
        directory = JournalDirectory.create(journals_of(self.home), worker)
        half = len(self.lines) // 2
        for number, lines in enumerate((self.lines[:half], self.lines[half:])):
            (directory.path / f"{number:08d}.journal").write_bytes(b"".join(lines))
        directory.unlock()

    def left(self) -> list[str]:
        return sorted(path.name for path in journals_of(self.home).iterdir())

    def log_of(self, request: OpenRequest) -> dict[str, Any]:
        found: dict[str, Any] = self.bank.db.request_logs.find_one(
            {"_id": request.record.request_id}
        )
        return found


@pytest.fixture
async def ruins(bank: Any, tmp_path: Path, make_open: Any) -> Ruins:
    made = Ruins(bank, tmp_path, make_open)
    await made.remember_price()
    return made


async def test_every_kind_of_request_is_settled_as_it_stood(ruins: Ruins) -> None:
    user = ruins.bank.add_user(100_000)
    ended = await ruins.ended(user, 321)
    free = await ruins.ended(user, 0)
    streaming = await ruins.sent(user, Usage(input=10, output=5), Usage(input=10, output=40))
    waiting = await ruins.sent(user)
    unsent = await ruins.opened(user)
    dear = await ruins.sent(user, Usage(input=10, output=5_000), amount_nano=600)
    await ruins.bank.hold(user)  # reserved, never opened
    ruins.bury()
    report = await ruins.recover()
    assert ruins.bank.account(user)["creditsNano"] == 100_000 - 321 - 50 - 77 - 600
    ruins.bank.assert_settled(user)
    assert (report.journals, report.ended, report.crashed, report.released) == (1, 2, 3, 2)
    assert ruins.left() == []
    logs = {one: ruins.log_of(one) for one in (ended, free, streaming, waiting, unsent, dear)}
    assert [(log["endReason"], log["status"], log["costNano"]) for log in logs.values()] == [
        ("complete", 200, 321),
        ("complete", 200, 0),
        ("worker_crashed", 200, 50),
        ("worker_crashed", 502, 77),
        ("worker_crashed", 503, 0),
        ("worker_crashed", 200, 600),
    ]
    row = ruins.bank.rows(_id=streaming.record.request_id)[0]
    assert row["usage"]["estimated"] is True
    assert row["usage"]["output"] == 40
    assert not await ruins.recover()


async def test_the_fixed_key_is_logged_only(ruins: Ruins) -> None:
    request = OpenRequest(
        None, replace(ruins.make_open().record, price_version=ruins.price.version)
    )
    ruins.lines = [open_line(request), sent_line(request.record.request_id)]
    ruins.bury()
    await ruins.recover()
    assert ruins.log_of(request)["costNano"] == 77
    assert ruins.bank.rows() == []
    assert ruins.left() == []


async def test_a_request_that_had_ended_unwritten_at_no_cost_stays_free(ruins: Ruins) -> None:
    user = ruins.bank.add_user(100_000)
    request = await ruins.sent(user)
    await ruins.bank.holds.release(user, [request.record.request_id])
    ruins.bury()
    await ruins.recover()
    assert ruins.bank.account(user)["creditsNano"] == 100_000
    ruins.bank.assert_settled(user)
    assert ruins.log_of(request) is None


async def test_what_the_sweeper_had_released_is_billed_late(ruins: Ruins) -> None:
    user = ruins.bank.add_user(1_500)
    holds = [(await ruins.ended(user, 900)).hold, (await ruins.sent(user, amount_nano=500)).hold]
    await ruins.bank.holds.release_abandoned(holds, "worker lost")
    ruins.bury()
    await ruins.recover()
    assert ruins.bank.account(user)["creditsNano"] == 1_500 - 900 - 77
    ruins.bank.assert_settled(user)


async def test_a_damaged_line_loses_only_itself(ruins: Ruins) -> None:
    user = ruins.bank.add_user(100_000)
    await ruins.ended(user, 10)
    ruins.lines.append(b"00000000 {}\n")
    await ruins.ended(user, 20)
    ruins.bury()
    report = await ruins.recover()
    assert report.faults == 1
    assert ruins.bank.account(user)["creditsNano"] == 100_000 - 30
    ruins.bank.assert_settled(user)


@pytest.mark.parametrize("opened", [False, True])
async def test_a_row_counts_though_its_end_is_damaged(
    ruins: Ruins, make_record: Any, opened: bool
) -> None:
    user = ruins.bank.add_user(100_000)
    held = (await ruins.opened(user)).hold if opened else await ruins.bank.hold(user)
    assert held is not None
    await ruins.bank.holds._record([(held, make_record(held, 40))])
    never_charged = await ruins.bank.hold(user)
    ruins.lines.append(b"00000000 {}\n")
    ruins.bury()
    report = await ruins.recover()
    assert (report.journals, report.released, report.faults) == (1, 2, 1)
    assert ruins.bank.account(user)["creditsNano"] == 100_000 - 40
    ruins.bank.assert_settled(user)
    rows = {row["_id"]: row["kind"] for row in ruins.bank.rows(kind={"$ne": "topup"})}
    assert rows == {held.request_id: "charge", never_charged.request_id: "released"}


async def test_without_its_price_a_request_waits_and_others_do_not(ruins: Ruins) -> None:
    user = ruins.bank.add_user(100_000)
    await ruins.ended(user, 10)
    waiting = await ruins.sent(user)
    ruins.bury()
    ruins.bank.db.prices.delete_many({})
    report = await ruins.recover()
    assert (report.journals, report.kept) == (0, 1)
    assert list(ruins.bank.account(user)["holds"]) == [waiting.record.request_id]
    await ruins.remember_price()
    report = await ruins.recover()
    assert (report.journals, report.kept) == (1, 0)
    assert ruins.bank.account(user)["creditsNano"] == 100_000 - 10 - 77
    ruins.bank.assert_settled(user)


async def test_a_request_that_cannot_be_stored_keeps_its_journal(ruins: Ruins) -> None:
    user = ruins.bank.add_user(100_000)
    good = await ruins.ended(user, 10)
    bad = await ruins.opened(user)
    record = replace(bad.record, usage=Usage(input=2**63), cost_nano=5)
    ruins.lines.append(end_line(bad.hold, record))
    ruins.bury()
    report = await ruins.recover()
    assert (report.journals, report.kept, report.ended) == (0, 1, 1)
    assert good.record.request_id not in ruins.bank.account(user)["holds"]
    assert bad.record.request_id in ruins.bank.account(user)["holds"]
    assert ruins.left() == [WORKER]


async def test_a_directory_that_cannot_be_read_stops_nobody(ruins: Ruins) -> None:
    user = ruins.bank.add_user(100_000)
    await ruins.ended(user, 10)
    ruins.bury("worker-2")
    broken = JournalDirectory.create(journals_of(ruins.home), "worker-1")
    (broken.path / "00000000.journal").mkdir()
    broken.unlock()
    report = await ruins.recover()
    assert (report.journals, report.kept) == (1, 1)
    assert ruins.left() == ["worker-1"]
    ruins.bank.assert_settled(user)


async def _story(ruins: Ruins) -> tuple[str, int]:
    """A journal with everything in it; account, and what it must end with."""
    user = ruins.bank.add_user(100_000)
    swept = await ruins.ended(user, 40)
    assert swept.hold is not None
    for cost in (0, 7, 11):
        await ruins.ended(user, cost)
    await ruins.sent(user, Usage(input=1, output=2))
    await ruins.sent(user)
    await ruins.opened(user)
    await ruins.bank.hold(user)
    await ruins.bank.holds.release_abandoned([swept.hold], "worker lost")
    ruins.bury()
    return user, 100_000 - 40 - 7 - 11 - 3 - 77


class Killed(BaseException):
    """The process is gone."""


class DyingStore(MongoHoldStore):
    """Dies at one of its steps, before or after the step has taken effect."""

    def __init__(self, bank: Any, *, step: int, after: bool) -> None:
        super().__init__(bank.async_db)
        self._left = step
        self._after = after

    async def _die_around[T](self, act: Callable[[], Awaitable[T]]) -> T:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        result = await act()
        if self._left == 0:
            raise Killed
        return result

    async def _insert(self, rows: Any) -> Any:
        return await self._die_around(lambda: MongoHoldStore._insert(self, rows))

    async def _end(self, by_account: Any) -> None:
        await self._die_around(lambda: MongoHoldStore._end(self, by_account))

    async def _transact(self, work: Any) -> bool:
        return await self._die_around(lambda: MongoHoldStore._transact(self, work))


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_step_it_ends_right(ruins: Ruins, after: bool) -> None:
    for step in range(1, 20):
        ruins.lines = []
        user, expected = await _story(ruins)
        dying = DyingStore(ruins.bank, step=step, after=after)
        try:
            await ruins.recover(dying)
        except Killed:
            await ruins.recover()
        else:
            assert step > 6
            return
        assert ruins.bank.account(user)["creditsNano"] == expected
        ruins.bank.assert_settled(user)
        assert ruins.left() == []
    pytest.fail("it never got to its end")


async def test_recoveries_at_the_same_time_settle_once(ruins: Ruins) -> None:
    user, expected = await _story(ruins)
    ruins.lines = ruins.lines[:6]
    ruins.bury("another-with-some-of-the-same")
    reports = await asyncio.gather(*(ruins.recover() for _ in range(4)))
    assert sum(report.journals for report in reports) == 2
    assert ruins.bank.account(user)["creditsNano"] == expected
    ruins.bank.assert_settled(user)
    assert ruins.left() == []


async def test_without_the_database_everything_waits(ruins: Ruins) -> None:
    user, expected = await _story(ruins)

    class Down(MongoHoldStore):
        async def settle(self, charges: Any) -> None:
            raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable):
        await ruins.recover(Down(ruins.bank.async_db))
    assert ruins.left() == [WORKER]
    await ruins.recover()
    assert ruins.bank.account(user)["creditsNano"] == expected


CHILD = """
    import asyncio, sys
    from dataclasses import replace
    from datetime import UTC, datetime
    from pathlib import Path

    from shared.domain.accounts import HoldRequest, OpenRequest, RequestRecord
    from shared.domain.usage import Usage
    from shared.ledger.ledger import Ledger, LedgerStores
    from shared.store.client import connect_async, database_name
    from shared.store.holds import MongoHoldStore
    from shared.store.request_logs import MongoRequestLogStore
    from shared.store.workers import MongoWorkerStore

    home, uri, worker, version, seed, *users = sys.argv[1:]

    async def serve(ledger, holds, number):
        user = users[number % len(users)]
        request_id = f"req_{seed}_{number:020d}"
        hold = await holds.reserve(HoldRequest(request_id, user, 1000, 1000), worker)
        record = RequestRecord(
            request_id, "u", user, "k", "/v1/messages", "gpt-5", "main", "", 0, "", True,
            Usage(input=77, estimated=True), 0, version, 0, None, 0, datetime.now(UTC),
        )
        await ledger.open(OpenRequest(hold, record))
        ledger.sent(request_id)
        print("sent", request_id, user, flush=True)
        for output in range(1, 4):
            await asyncio.sleep(0.003)
            ledger.checkpoint(request_id, Usage(input=10, output=output))
        cost = 100 + number % 7
        print("ending", request_id, cost, flush=True)
        await ledger.settle(replace(record, status=200, end_reason="complete", cost_nano=cost,
                                    usage=Usage(input=10, output=3)))
        print("ended", request_id, cost, flush=True)

    async def main():
        client = connect_async(uri, timeout_ms=10000)
        database = client[database_name(uri)]
        holds = MongoHoldStore(database)
        stores = LedgerStores(holds, MongoRequestLogStore(database), MongoWorkerStore(database))
        ledger = Ledger.create(Path(home), stores, worker, "host")
        await ledger.start()
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for number in range(100000):
                group.create_task(serve(ledger, holds, number))
                await asyncio.sleep(0.002)

    asyncio.run(main())
"""


def _run_and_kill(arguments: list[str], lines_before: int) -> list[list[str]]:
    """Run a worker until it has said enough, kill it, and return what it said."""
    command = [sys.executable, "-c", textwrap.dedent(CHILD), *arguments]
    said: list[list[str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said.append(line.split())
            if len(said) == lines_before:
                os.kill(child.pid, signal.SIGKILL)
    return said


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_worker_killed_at_work_loses_and_doubles_nothing(
    ruins: Ruins, database_uri: str, seed: int
) -> None:
    users = [ruins.bank.add_user(10**9) for _ in range(3)]
    arguments = [str(ruins.home), database_uri, WORKER, ruins.price.version, str(seed), *users]
    enough = random.Random(seed).randint(50, 400)
    said = await asyncio.to_thread(_run_and_kill, arguments, enough)
    reports = await asyncio.gather(*(ruins.recover() for _ in range(2)))
    assert sum(report.journals for report in reports) == 1
    assert sum(report.ended + report.crashed for report in reports) > 0
    assert ruins.left() == []
    charges = {row["_id"]: -row["amountNano"] for row in ruins.bank.rows(kind="charge")}
    for event, *rest in said:
        if event == "sent":
            assert charges[rest[0]] in range(11, 107)
        if event == "ended":
            assert charges[rest[0]] == int(rest[1])
    for user in users:
        ruins.bank.assert_settled(user)
