"""Holds and settlement, against a real mongod."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.accounts import Hold, HoldRefused, HoldRequest, Purse, RequestRecord
from shared.domain.usage import Usage
from shared.errors import MoneyError, StoreRefused, StoreUnavailable
from shared.store.client import connect_async
from shared.store.holds import MongoHoldStore
from tests.support.mongo_relay import MongoRelay, lose

Charge = tuple[Hold, RequestRecord]


class Crash(Exception):
    """The process ends here."""


class CrashingStore(MongoHoldStore):
    """Dies between the rows and the balances, or before the rows."""

    crash_before_rows = False
    crash_before_balances = False

    async def _insert(self, rows: Sequence[dict[str, Any]]) -> list[str]:
        if self.crash_before_rows:
            raise Crash
        return await super()._insert(rows)

    async def _end(self, by_account: Mapping[str, Mapping[str, Any]]) -> None:
        if self.crash_before_balances:
            raise Crash
        await super()._end(by_account)


def crashing(bank: Any, *, before_rows: bool = False, before_balances: bool = False) -> Any:
    store = CrashingStore(bank.async_db)
    store.crash_before_rows = before_rows
    store.crash_before_balances = before_balances
    return store


async def test_a_hold_is_set_aside_and_says_whose_it_is(bank: Any) -> None:
    user = bank.add_user(10_000)
    held = await bank.reserve(user, 4_000)
    assert held == Hold(held.request_id, user, "user1", 4_000, Purse.MAIN)
    account = bank.account(user)
    assert account["heldNano"] == 4_000
    stored = account["holds"][held.request_id]
    assert stored["amountNano"] == 4_000
    assert stored["purse"] == "main"
    assert stored["worker"] == "5b0b3c1e-0000-4000-8000-000000000001"
    assert abs(stored["at"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert "_hold" not in account


async def test_amounts_stay_int64_however_small(bank: Any) -> None:
    user = bank.add_user(10)
    held = await bank.hold(user, 3)
    path = f"holds.{held.request_id}.amountNano"
    long_everywhere = {"heldNano": {"$type": "long"}, path: {"$type": "long"}}
    assert bank.db.users.count_documents(long_everywhere) == 1
    await bank.holds.release(user, [held.request_id])
    both = {"heldNano": {"$type": "long"}, "creditsNano": {"$type": "long"}}
    assert bank.db.users.count_documents(both) == 1


async def test_the_same_reserve_sent_twice_holds_once(bank: Any) -> None:
    user = bank.add_user(10_000)
    ask = HoldRequest("req_twice", user, 4_000, 4_000)
    first = await bank.holds.reserve(ask, "w")
    assert await bank.holds.reserve(ask, "w") == first
    assert await bank.holds.reserve(replace(ask, full_nano=9_000), "w") == first
    assert bank.account(user)["heldNano"] == 4_000


async def test_a_reserve_whose_answer_is_lost_is_sent_again_and_holds_once(
    bank: Any, database_uri: str
) -> None:
    user = bank.add_user(10_000)
    async with (
        MongoRelay(database_uri) as relay,
        connect_async(relay.uri, timeout_ms=20_000) as client,
    ):
        holds = MongoHoldStore(client[bank.db.name])
        for number in range(3):
            ask = HoldRequest(f"req_{number}", user, 1_000, 1_000)
            held = await holds.reserve(ask, "w")
            assert held == Hold(ask.request_id, user, "user1", 1_000, Purse.MAIN)
            relay.spoils.append(lose)
        assert [asked.by_pymongo for asked in relay.asked] == [False, False, True, False, True]
    assert bank.account(user)["heldNano"] == 3_000


@pytest.mark.parametrize(
    ("main", "referral", "full", "minimum", "outcome"),
    [
        (1_000, 0, 1_000, 1_000, (1_000, Purse.MAIN)),
        (999, 0, 1_000, 1_000, (True, 999)),
        (999, 0, 1_000, 500, (999, Purse.MAIN)),
        (499, 0, 1_000, 500, (True, 499)),
        (0, 2_000, 1_000, 1_000, (1_000, Purse.REFERRAL)),
        (1, 2_000, 1_000, 1_000, (True, 1)),
        (-5, 700, 1_000, 500, (700, Purse.REFERRAL)),
        (0, 0, 1, 1, (True, 0)),
        (0, 0, 1, 0, (True, 0)),
        (-5, -7, 1, 1, (True, 0)),
        (2**62, 0, 2**62, 2**62, (2**62, Purse.MAIN)),
    ],
)
async def test_what_an_account_affords(
    bank: Any, main: int, referral: int, full: int, minimum: int, outcome: tuple[Any, Any]
) -> None:
    user = bank.add_user(main, referral)
    got = await bank.reserve(user, full, minimum)
    if isinstance(got, Hold):
        assert (got.amount_nano, got.purse) == outcome
    else:
        assert (got.active, got.free_nano) == outcome
        assert bank.account(user)["holds"] == {}


async def test_holds_count_before_the_referral_purse_is_used(bank: Any) -> None:
    user = bank.add_user(1_000, 1_000)
    purses = [(await bank.hold(user, 500)).purse for _ in range(4)]
    assert purses == [Purse.MAIN, Purse.MAIN, Purse.REFERRAL, Purse.REFERRAL]
    account = bank.account(user)
    assert (account["heldNano"], account["refHeldNano"]) == (1_000, 1_000)
    assert await bank.reserve(user, 1) == HoldRefused(active=True, free_nano=0)


async def test_expired_credits_buy_nothing(bank: Any) -> None:
    now = datetime.now(UTC)
    past = bank.add_user(1_000, 300, creditsExpireAt=now - timedelta(seconds=5))
    ahead = bank.add_user(1_000, 300, creditsExpireAt=now + timedelta(hours=1))
    assert (await bank.hold(past, 300)).purse is Purse.REFERRAL
    assert (await bank.hold(ahead, 300)).purse is Purse.MAIN


async def test_an_inactive_or_unknown_account_is_refused(bank: Any) -> None:
    user = bank.add_user(1_000, isActive=False)
    assert await bank.reserve(user, 10) == HoldRefused(active=False, free_nano=1_000)
    assert await bank.reserve("usr_nobody", 10) == HoldRefused(active=False, free_nano=0)


@pytest.mark.parametrize("amount", [-1, True, 1.5, float("nan"), 2**63, "7", None])
async def test_what_is_no_amount_is_refused(bank: Any, amount: Any) -> None:
    user = bank.add_user(1_000)
    with pytest.raises(MoneyError):
        await bank.holds.reserve(HoldRequest("req_odd", user, amount, 1), "w")


async def test_of_200_at_once_a_balance_for_10_admits_10(bank: Any) -> None:
    user = bank.add_user(10 * 700 + 699)
    got = await asyncio.gather(*(bank.reserve(user, 700) for _ in range(200)))
    assert sum(isinstance(one, Hold) for one in got) == 10
    account = bank.account(user)
    assert account["heldNano"] == 7_000
    assert len(account["holds"]) == 10


async def test_release_gives_back_once(bank: Any) -> None:
    user = bank.add_user(1_000, 500)
    main, other = await bank.hold(user, 1_000), await bank.hold(user, 500)
    for _ in range(2):
        await bank.holds.release(user, [main.request_id, "req_unknown"])
    account = bank.account(user)
    assert list(account["holds"]) == [other.request_id]
    assert (account["creditsNano"], account["heldNano"]) == (1_000, 0)
    assert (account["refCreditsNano"], account["refHeldNano"]) == (500, 500)
    await bank.holds.release(user, [])


async def test_settling_charges_the_purse_that_held(bank: Any, make_record: Any) -> None:
    user = bank.add_user(1_000, 500)
    main, other = await bank.hold(user, 1_000), await bank.hold(user, 400)
    await bank.holds.settle([(main, make_record(main, 250)), (other, make_record(other, 90))])
    account = bank.account(user)
    assert (account["creditsNano"], account["refCreditsNano"]) == (750, 410)
    assert account["tokensUsed"] == 240
    bank.assert_settled(user)
    row = bank.rows(_id=main.request_id)[0]
    assert row.pop("createdAt")
    assert row == {
        "_id": main.request_id,
        "userId": user,
        "username": "user1",
        "kind": "charge",
        "purse": "main",
        "amountNano": -250,
        "requestId": main.request_id,
        "reason": "request: complete",
        "model": "claude-sonnet-4",
        "usage": Usage(input=100, output=20).to_document(),
        "priceVersion": "v1",
        "holdNano": 1_000,
    }


async def test_a_cost_above_the_hold_is_charged_in_full(bank: Any, make_record: Any) -> None:
    user = bank.add_user(1_000)
    held = await bank.hold(user, 1_000)
    await bank.holds.settle([(held, make_record(held, 1_500))])
    assert bank.account(user)["creditsNano"] == -500
    bank.assert_settled(user)


async def test_a_free_request_leaves_no_row(bank: Any, make_record: Any) -> None:
    user = bank.add_user(1_000)
    held = await bank.hold(user, 1_000)
    await bank.holds.settle([(held, make_record(held, 0))])
    assert bank.rows(userId=user, kind="charge") == []
    bank.assert_settled(user)


async def test_settling_again_in_other_batches_changes_nothing(bank: Any, make_record: Any) -> None:
    users = [bank.add_user(100_000), bank.add_user(100_000)]
    charges = []
    for index in range(12):
        held = await bank.hold(users[index % 2], 1_000)
        charges.append((held, make_record(held, 100 + index)))
    await bank.holds.settle(charges[:8])
    await bank.holds.settle(charges[4:])
    await bank.holds.settle(charges + charges[:3])
    spent = [100_000 - bank.account(user)["creditsNano"] for user in users]
    assert spent == [sum(range(100, 112, 2)), sum(range(101, 112, 2))]
    for user in users:
        bank.assert_settled(user)


async def test_the_stored_amount_counts(bank: Any, make_record: Any) -> None:
    user = bank.add_user(10_000)
    held = await bank.hold(user, 1_000)
    first = make_record(held, 300, usage=Usage(input=7))
    with pytest.raises(Crash):
        await crashing(bank, before_balances=True).settle([(held, first)])
    await bank.holds.settle([(held, make_record(held, 900))])
    account = bank.account(user)
    assert (account["creditsNano"], account["tokensUsed"]) == (9_700, 7)
    bank.assert_settled(user)


@pytest.mark.parametrize("step", ["before_rows", "before_balances"])
async def test_a_settlement_cut_short_is_finished_by_the_next(
    bank: Any, make_record: Any, step: str
) -> None:
    user = bank.add_user(10_000)
    helds = [await bank.hold(user, 1_000) for _ in range(3)]
    charges = [(held, make_record(held, cost)) for held, cost in zip(helds, (0, 5, 9), strict=True)]
    with pytest.raises(Crash):
        await crashing(bank, **{step: True}).settle(charges)
    assert len(bank.account(user)["holds"]) == 3
    await bank.holds.settle(charges[1:])
    await bank.holds.settle(charges)
    assert bank.account(user)["creditsNano"] == 9_986
    bank.assert_settled(user)


async def test_what_was_released_in_its_absence_is_billed_late_once(
    bank: Any, make_record: Any
) -> None:
    user = bank.add_user(1_000)
    held = await bank.hold(user, 1_000)
    await bank.holds.release_abandoned([held], "worker lost")
    assert bank.account(user)["creditsNano"] == 1_000
    bank.assert_settled(user)
    again = await bank.hold(user, 900)
    late = (held, make_record(held, 600))
    await asyncio.gather(*(bank.holds.settle([late]) for _ in range(4)))
    await bank.holds.settle([late, (again, make_record(again, 900))])
    account = bank.account(user)
    assert (account["creditsNano"], account["tokensUsed"]) == (-500, 240)
    bank.assert_settled(user)
    kinds = {row["_id"]: row["kind"] for row in bank.rows(requestId=held.request_id)}
    assert kinds == {held.request_id: "released", f"{held.request_id}:late": "late"}


async def test_a_release_cut_short_leaves_a_row_that_settling_respects(
    bank: Any, make_record: Any
) -> None:
    user = bank.add_user(1_000)
    held = await bank.hold(user, 1_000)
    with pytest.raises(Crash):
        await crashing(bank, before_balances=True).release_abandoned([held], "worker lost")
    await bank.holds.settle([(held, make_record(held, 400))])
    assert bank.account(user)["creditsNano"] == 600
    bank.assert_settled(user)


async def test_releasing_what_was_charged_applies_the_charge(bank: Any, make_record: Any) -> None:
    user = bank.add_user(1_000)
    held = await bank.hold(user, 1_000)
    with pytest.raises(Crash):
        await crashing(bank, before_balances=True).settle([(held, make_record(held, 400))])
    for _ in range(2):
        await bank.holds.release_abandoned([held], "worker lost")
    account = bank.account(user)
    assert (account["creditsNano"], account["tokensUsed"]) == (600, 120)
    bank.assert_settled(user)


async def test_a_request_without_a_known_end_is_charged_while_it_holds(
    bank: Any, make_record: Any
) -> None:
    user = bank.add_user(10_000)
    held, freed, swept = [await bank.hold(user, 1_000) for _ in range(3)]
    await bank.holds.release(user, [freed.request_id])
    await bank.holds.release_abandoned([swept], "worker lost")
    for held_or_not in (held, freed, swept):
        for _ in range(2):
            record = make_record(held_or_not, 100)
            await bank.holds.charge_if_held(held_or_not, record)
    assert bank.account(user)["creditsNano"] == 9_800
    assert bank.rows(requestId=freed.request_id) == []
    assert [row["kind"] for row in bank.rows(requestId=swept.request_id)] == ["released", "late"]
    bank.assert_settled(user)


async def test_holds_are_found_by_worker_and_age(bank: Any) -> None:
    one, two = bank.add_user(), bank.add_user(0, 10**9)
    old = await bank.hold(one, worker="w1")
    other = await bank.hold(two, worker="w2")
    bank.db.users.update_one(
        {"_id": one},
        {"$set": {f"holds.{old.request_id}.at": datetime.now(UTC) - timedelta(seconds=60)}},
    )
    new = await bank.hold(one, worker="w1")
    assert await bank.holds.holds_of_worker("w1", 30) == [old]
    assert await bank.holds.holds_of_worker("w1", 0) == [old, new]
    assert await bank.holds.holds_of_others(["w2"], 30) == [old]
    assert await bank.holds.holds_of_others(["w1"], 0) == [other]
    assert other.purse is Purse.REFERRAL
    assert await bank.holds.holds_of_worker("w3", 0) == []


async def test_a_row_that_the_database_refuses_is_told_apart(bank: Any, make_record: Any) -> None:
    user = bank.add_user()
    held = await bank.hold(user)
    odd = replace(make_record(held, 5), end_reason="fine", model="m")
    await bank.holds.settle([(held, odd)])
    other = replace(await bank.hold(user), username=None)  # type: ignore[arg-type]
    with pytest.raises(StoreRefused):
        await bank.holds.settle([(other, make_record(other, 5))])


async def test_a_row_not_yet_safe_is_not_relied_on(bank: Any) -> None:
    with pytest.raises(StoreUnavailable):
        await bank.holds._stored(["req_not_there"])


class Scenario:
    """Requests on a few accounts, ended by several parties at once, some of which die."""

    def __init__(self, bank: Any, seed: int, make_record: Any) -> None:
        self.bank = bank
        self.random = random.Random(seed)
        self.make_record = make_record
        self.charges: list[Charge] = []
        self.unended: list[Charge] = []
        self.swept: list[Hold] = []
        self.expected: dict[str, int] = {}

    async def open(self) -> None:
        users = [self.bank.add_user(10**6, 0), self.bank.add_user(2_000, 10**6)]
        self.expected = dict.fromkeys(users, 0)
        for _ in range(16):
            held = await self.bank.hold(self.random.choice(users), 1_000)
            self._decide(held, self.random.choice([0, 1, 500, 1_000, 1_700]))

    def _decide(self, held: Hold, cost: int) -> None:
        """Who ends a request; the oracle expects its cost unless only the sweeper came."""
        fate = self.random.choice(["settle", "settle", "crash", "sweep"])
        swept = fate == "sweep" or self.random.random() < 0.4
        if swept:
            self.swept.append(held)
        if fate == "settle":
            self.charges.append((held, self.make_record(held, cost)))
        elif fate == "crash":
            self.unended.append((held, self.make_record(held, cost)))
        self.expected[held.user_id] += 0 if fate == "sweep" else cost

    def _batches(self) -> list[list[Charge]]:
        shuffled = self.random.sample(self.charges, len(self.charges))
        cut = self.random.randint(0, len(shuffled))
        return [batch for batch in (shuffled[:cut], shuffled[cut:]) if batch]

    def _store(self) -> Any:
        step = self.random.choice([{}, {}, {"before_rows": True}, {"before_balances": True}])
        return crashing(self.bank, **step)

    def storm(self) -> list[Any]:
        tasks = [self._store().settle(batch) for _ in range(3) for batch in self._batches()]
        tasks += [self._store().release_abandoned(self.swept, "gone") for _ in range(2)]
        tasks += [self._store().charge_if_held(*one) for one in self.unended * 2]
        self.random.shuffle(tasks)
        return tasks

    async def finish(self) -> None:
        await self.bank.holds.release_abandoned(self.swept, "gone")
        for one in self.unended:
            await self.bank.holds.charge_if_held(*one)
        await self.bank.holds.settle(self.charges)

    def assert_exact(self) -> None:
        for user, spent in self.expected.items():
            account = self.bank.account(user)
            start = sum(row["amountNano"] for row in self.bank.rows(userId=user, kind="topup"))
            assert account["creditsNano"] + account["refCreditsNano"] == start - spent
            self.bank.assert_settled(user)


@pytest.mark.parametrize("seed", range(12))
async def test_any_interleaving_bills_exactly_once(bank: Any, make_record: Any, seed: int) -> None:
    scenario = Scenario(bank, seed, make_record)
    await scenario.open()
    outcomes = await asyncio.gather(*scenario.storm(), return_exceptions=True)
    odd = [
        one
        for one in outcomes
        if isinstance(one, BaseException) and not isinstance(one, Crash | StoreUnavailable)
    ]
    assert odd == []
    await scenario.finish()
    scenario.assert_exact()
    await scenario.finish()
    scenario.assert_exact()
