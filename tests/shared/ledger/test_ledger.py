"""One worker's ledger over a real journal and a real mongod."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from shared.domain.accounts import Hold, OpenRequest, RequestRecord
from shared.domain.usage import Usage
from shared.errors import JournalError, StoreUnavailable
from shared.ledger.flusher import Pace
from shared.ledger.journal import Journal
from shared.ledger.journal_lines import LineKind, parse
from shared.ledger.ledger import Ledger, LedgerStores
from shared.store.holds import MongoHoldStore
from shared.store.request_logs import MongoRequestLogStore
from shared.store.workers import MongoWorkerStore

WORKER = "5b0b3c1e-0000-4000-8000-000000000001"
PACE = Pace(linger_s=0.01, retry_first_s=0.01, retry_most_s=0.05)


class Switchable(MongoHoldStore):
    """A database that can go away."""

    down = False

    async def settle(self, charges: Sequence[tuple[Hold, RequestRecord]]) -> None:
        self._check()
        await super().settle(charges)

    async def release(self, user_id: str, request_ids: Sequence[str]) -> None:
        self._check()
        await super().release(user_id, request_ids)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("the database is down")


class Clock:
    """A clock that is set by hand, seconds."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class House:
    bank: Any
    ledger: Ledger
    holds: Switchable
    clock: Clock
    journals: Path
    make_open: Any

    async def begin(self, user: str, amount_nano: int = 1_000) -> OpenRequest:
        held = await self.bank.hold(user, amount_nano)
        request: OpenRequest = self.make_open(hold=held)
        await self.ledger.open(request)
        return request

    def kinds(self) -> list[LineKind]:
        files = sorted((self.journals / WORKER).glob("*.journal"))
        return [parse(line).kind for file in files for line in file.read_bytes().splitlines()]


@pytest.fixture
async def house(bank: Any, tmp_path: Path, make_open: Any) -> AsyncIterator[House]:
    holds, clock = Switchable(bank.async_db), Clock()
    stores = LedgerStores(
        holds, MongoRequestLogStore(bank.async_db), MongoWorkerStore(bank.async_db)
    )
    journal = Journal.create(tmp_path, WORKER)
    ledger = Ledger(journal, stores, WORKER, "host-1", pace=PACE, monotonic=clock)
    await ledger.start()
    yield House(bank, ledger, holds, clock, tmp_path, make_open)
    await ledger.close()


def ended(request: OpenRequest, cost_nano: int, **changes: Any) -> RequestRecord:
    fields = {"status": 200, "end_reason": "complete", "cost_nano": cost_nano} | changes
    return replace(request.record, **fields)


async def test_a_request_is_opened_charged_logged_and_forgotten(house: House) -> None:
    user = house.bank.add_user(10_000)
    request = await house.begin(user)
    house.ledger.sent(request.record.request_id)
    assert house.ledger.live == 1
    assert house.kinds() == ["open", "sent"]
    await house.ledger.settle(ended(request, 700, usage=Usage(input=5, output=6)))
    assert house.ledger.live == 0
    assert await house.ledger.drain(5) == 0
    assert house.bank.account(user)["creditsNano"] == 9_300
    house.bank.assert_settled(user)
    logged = house.bank.db.request_logs.find_one({"_id": request.record.request_id})
    assert (logged["status"], logged["costNano"]) == (200, 700)
    assert house.kinds() == []


async def test_the_end_is_in_the_journal_before_anything_else(house: House) -> None:
    house.holds.down = True
    user = house.bank.add_user(10_000)
    request = await house.begin(user)
    await house.ledger.settle(ended(request, 700))
    assert house.kinds() == ["open", "end"]
    assert house.ledger.unsettled == 1
    assert house.bank.account(user)["creditsNano"] == 10_000


async def test_a_second_end_is_ignored(house: House) -> None:
    user = house.bank.add_user(10_000)
    request = await house.begin(user)
    await asyncio.gather(*(house.ledger.settle(ended(request, cost)) for cost in (1, 2, 3)))
    await house.ledger.drain(5)
    await house.ledger.settle(ended(request, 4))
    await house.ledger.drain(5)
    assert house.bank.account(user)["creditsNano"] == 9_999
    house.bank.assert_settled(user)


async def test_a_free_end_gives_the_hold_back(house: House) -> None:
    user = house.bank.add_user(10_000)
    await house.ledger.settle(ended(await house.begin(user), 0))
    await house.ledger.drain(5)
    assert house.bank.account(user)["creditsNano"] == 10_000
    house.bank.assert_settled(user)


async def test_the_fixed_key_is_journaled_and_logged_without_money(house: House) -> None:
    request = OpenRequest(None, house.make_open().record)
    await house.ledger.open(request)
    await house.ledger.settle(ended(request, 900, user_id="", username="_proxy"))
    assert await house.ledger.drain(5) == 0
    assert house.bank.db.request_logs.find_one()["costNano"] == 900
    assert house.bank.rows() == []


async def test_checkpoints_are_written_now_and_then(house: House) -> None:
    request = await house.begin(house.bank.add_user())
    request_id = request.record.request_id

    def note(output: int) -> int:
        house.ledger.checkpoint(request_id, Usage(input=10, output=output))
        return house.kinds().count(LineKind.USAGE)

    assert [note(1), note(500), note(1_000)] == [1, 1, 1]
    assert [note(1_001), note(1_002)] == [2, 2]
    house.clock.now_s += 1.0
    assert [note(1_003), note(1_004)] == [3, 3]
    house.ledger.checkpoint("req_unknown", Usage())
    assert house.kinds().count(LineKind.USAGE) == 3


async def test_while_the_database_is_away_nothing_is_lost(house: House) -> None:
    users = [house.bank.add_user(10**6) for _ in range(3)]
    requests = [await house.begin(users[n % 3]) for n in range(30)]
    house.holds.down = True
    await asyncio.gather(*(house.ledger.settle(ended(one, 10)) for one in requests))
    assert await house.ledger.drain(0.2) == 30
    house.holds.down = False
    assert await house.ledger.drain(5) == 0
    for user in users:
        assert house.bank.account(user)["creditsNano"] == 10**6 - 100
        house.bank.assert_settled(user)
    assert house.kinds() == []


@pytest.mark.parametrize("tokens", [2**63, 2**70])
async def test_one_bad_request_holds_up_nobody(house: House, tokens: int) -> None:
    user = house.bank.add_user(10**6)
    requests = [await house.begin(user) for _ in range(5)]
    bad = ended(requests[2], 10, end_reason="x", usage=Usage(input=tokens))
    records = [bad if n == 2 else ended(one, 10) for n, one in enumerate(requests)]
    await asyncio.gather(*(house.ledger.settle(record) for record in records))
    assert await house.ledger.drain(5) == 1
    account = house.bank.account(user)
    assert account["creditsNano"] == 10**6 - 40
    assert list(account["holds"]) == [bad.request_id]
    assert house.kinds()


async def test_a_lost_reserve_is_found_and_released(house: House) -> None:
    user = house.bank.add_user(10_000)
    known = await house.begin(user)
    ending = await house.begin(user)
    await house.bank.hold(user)
    await house.bank.hold(user, worker="another")
    house.holds.down = True
    await house.ledger.settle(ended(ending, 1))
    house.holds.down = False
    _age_holds(house.bank, user)
    await house.ledger.sweep()
    held = house.bank.account(user)["holds"]
    assert known.record.request_id in held
    assert sorted(hold["worker"] for hold in held.values()).count("another") == 1
    await house.ledger.drain(5)
    assert len(house.bank.account(user)["holds"]) == 2


async def test_a_young_hold_is_left_alone(house: House) -> None:
    user = house.bank.add_user(10_000)
    held = await house.bank.hold(user)
    await house.ledger.sweep()
    assert list(house.bank.account(user)["holds"]) == [held.request_id]


async def test_what_was_released_is_not_opened_any_more(house: House) -> None:
    user = house.bank.add_user(10_000)
    held = await house.bank.hold(user)
    await house.ledger.release(user, held.request_id)
    with pytest.raises(JournalError, match="released already"):
        await house.ledger.open(house.make_open(hold=held))
    assert house.bank.account(user)["holds"] == {}
    assert house.ledger.live == 0
    house.clock.now_s += 601
    await house.ledger.sweep()
    await house.ledger.open(house.make_open(hold=held))


async def test_an_open_request_is_not_released(house: House) -> None:
    user = house.bank.add_user(10_000)
    request = await house.begin(user)
    await house.ledger.release(user, request.record.request_id)
    assert len(house.bank.account(user)["holds"]) == 1


async def test_a_release_that_fails_is_left_to_the_sweep(house: House) -> None:
    user = house.bank.add_user(10_000)
    held = await house.bank.hold(user)
    house.holds.down = True
    await house.ledger.release(user, held.request_id)
    house.holds.down = False
    _age_holds(house.bank, user)
    await house.ledger.sweep()
    house.bank.assert_settled(user)


async def test_a_journal_that_cannot_be_written_admits_nothing(house: House) -> None:
    user = house.bank.add_user(10_000)
    held = await house.bank.hold(user)
    live = await house.begin(user)
    _break_journal(house.ledger)
    with pytest.raises(JournalError):
        await house.ledger.open(house.make_open(hold=held))
    with pytest.raises(JournalError):
        house.ledger.sent(live.record.request_id)
    house.ledger.checkpoint(live.record.request_id, Usage(output=5))
    assert house.ledger.failing
    assert house.ledger.live == 1
    await house.ledger.release(user, held.request_id)
    await house.ledger.settle(ended(live, 25))
    assert await house.ledger.drain(5) == 0
    assert house.bank.account(user)["creditsNano"] == 9_975
    house.bank.assert_settled(user)


async def test_refused_requests_are_logged_when_there_is_time(house: House) -> None:
    house.ledger.log(replace(house.make_open().record, status=402, end_reason="refused:x"))
    await house.ledger.drain(5)
    assert house.bank.db.request_logs.find_one()["endReason"] == "refused:x"


async def test_it_says_that_it_lives_until_it_ends(bank: Any, house: House) -> None:
    assert bank.db.workers.find_one()["_id"] == WORKER
    await house.ledger.drain(1)
    await house.ledger.close()
    assert bank.db.workers.find_one() is None
    assert list(house.journals.iterdir()) == []
    house.ledger.close = _nothing  # type: ignore[method-assign]


async def _nothing() -> None:
    return None


def _age_holds(bank: Any, user: str) -> None:
    """Make the holds of an account a minute old."""
    account = bank.account(user)
    holds = {
        name: hold | {"at": hold["at"].replace(year=2020)}
        for name, hold in account["holds"].items()
    }
    bank.db.users.update_one({"_id": user}, {"$set": {"holds": _int64(holds)}})


def _int64(holds: dict[str, Any]) -> dict[str, Any]:
    from bson.int64 import Int64

    return {n: hold | {"amountNano": Int64(hold["amountNano"])} for n, hold in holds.items()}


def _break_journal(ledger: Ledger) -> None:
    def refuse(line: bytes) -> None:
        raise OSError(28, "No space left on device")

    ledger._journal._segments[-1].write = refuse  # type: ignore[method-assign]
