"""The check of the books finds what is wrong, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.int64 import Int64

from shared.domain.accounts import Hold
from shared.ledger.verify import Audit, verify

OLD = datetime.now(UTC) - timedelta(seconds=60)


@pytest.fixture
async def user(bank: Any, make_record: Any) -> str:
    """An account with a charge, a late bill, a hold and a charge that is not applied yet."""
    user_id: str = bank.add_user(100_000, 50_000)
    charged, swept, waiting, _ = [await bank.hold(user_id, 1_000) for _ in range(4)]
    await bank.holds.settle([(charged, make_record(charged, 70))])
    await bank.holds.release_abandoned([swept], "worker lost")
    await bank.holds.settle([(swept, make_record(swept, 80))])
    await bank.holds._record([(waiting, make_record(waiting, 90))])
    return user_id


def found(audit: Audit) -> list[str]:
    return [violation.rule for violation in audit.violations]


async def test_sound_books_are_sound(bank: Any, user: str) -> None:
    audit = verify(bank.db)
    assert audit == Audit(accounts=1, rows=6, violations=())
    assert audit.sound
    assert bank.account(user)["creditsNano"] == 100_000 - 70 - 80


def test_empty_books_are_sound(bank: Any) -> None:
    assert verify(bank.db) == Audit(0, 0)


def spoil_balance(bank: Any, user: str) -> None:
    bank.db.users.update_one({"_id": user}, {"$inc": {"creditsNano": Int64(1)}})


def spoil_referral(bank: Any, user: str) -> None:
    bank.db.users.update_one({"_id": user}, {"$inc": {"refCreditsNano": Int64(-1)}})


def spoil_held(bank: Any, user: str) -> None:
    bank.db.users.update_one({"_id": user}, {"$inc": {"heldNano": Int64(1)}})


def spoil_hold(bank: Any, user: str) -> None:
    bank.db.users.update_one(
        {"_id": user}, {"$inc": {"heldNano": Int64(-2_000)}, "$set": {"holds": {}}}
    )


def age_unapplied(bank: Any, user: str) -> None:
    bank.db.ledger.update_many({"amountNano": -90}, {"$set": {"createdAt": OLD}})


def lose_row(bank: Any, user: str) -> None:
    bank.db.ledger.delete_one({"amountNano": -70})


def store_double(bank: Any, user: str) -> None:
    force(bank.db.ledger, {"amountNano": -70}, {"amountNano": -70.0})


def store_int32(bank: Any, user: str) -> None:
    force(bank.db.ledger, {"amountNano": -70}, {"amountNano": -70})


def balance_in_double(bank: Any, user: str) -> None:
    force(bank.db.users, {"_id": user}, {"creditsNano": 99_850.0})


def balance_in_int32(bank: Any, user: str) -> None:
    force(bank.db.users, {"_id": user}, {"creditsNano": 99_850})


def held_in_int32(bank: Any, user: str) -> None:
    force(bank.db.users, {"_id": user}, {"refHeldNano": 0})


def charge_twice(bank: Any, user: str) -> None:
    row = bank.db.ledger.find_one({"amountNano": -70})
    bank.db.ledger.insert_one(row | {"_id": "again", "amountNano": Int64(-70)})
    bank.db.users.update_one({"_id": user}, {"$inc": {"creditsNano": Int64(-70)}})


def bill_late_unreleased(bank: Any, user: str) -> None:
    bank.db.ledger.delete_one({"kind": "released"})


def turn_sign(bank: Any, user: str) -> None:
    bank.db.ledger.update_one({"amountNano": -70}, {"$set": {"amountNano": Int64(70)}})
    bank.db.users.update_one({"_id": user}, {"$inc": {"creditsNano": Int64(140)}})


def pay_release(bank: Any, user: str) -> None:
    bank.db.ledger.update_one({"kind": "released"}, {"$set": {"amountNano": Int64(5)}})
    bank.db.users.update_one({"_id": user}, {"$inc": {"creditsNano": Int64(5)}})


def lose_account(bank: Any, user: str) -> None:
    bank.db.users.delete_one({"_id": user})


def force(collection: Any, which: dict[str, Any], fields: dict[str, Any]) -> None:
    """Change a document past the collection's validator, as older software might have."""
    collection.database.command("collMod", collection.name, validationLevel="off")
    collection.update_one(which, {"$set": fields})
    collection.database.command("collMod", collection.name, validationLevel="strict")


@pytest.mark.parametrize(
    ("spoil", "rules"),
    [
        (spoil_balance, {"balance"}),
        (spoil_referral, {"balance"}),
        (spoil_held, {"held"}),
        (spoil_hold, {"balance"}),
        (age_unapplied, {"unapplied"}),
        (lose_row, {"balance"}),
        (store_double, {"integers"}),
        (store_int32, {"integers"}),
        (balance_in_double, {"integers"}),
        (balance_in_int32, {"integers"}),
        (held_in_int32, {"integers"}),
        (charge_twice, {"once"}),
        (bill_late_unreleased, {"once"}),
        (turn_sign, {"sign"}),
        (pay_release, {"sign"}),
        (lose_account, {"account"}),
    ],
)
async def test_what_is_wrong_is_found(bank: Any, user: str, spoil: Any, rules: set[str]) -> None:
    spoil(bank, user)
    audit = verify(bank.db)
    assert not audit.sound
    assert set(found(audit)) == rules
    for violation in audit.violations:
        assert violation.where == user
        assert str(violation).startswith(f"{violation.rule}: {user}: ")


async def test_the_rows_that_show_it_are_named(bank: Any, user: str) -> None:
    spoil_balance(bank, user)
    [violation] = verify(bank.db).violations
    assert "creditsNano is 99851, its rows say 99850" in violation.message
    assert len(violation.rows) == 5
    assert "topup:" in violation.rows[-1]


async def test_under_load_the_books_are_sound_at_every_moment(bank: Any, make_record: Any) -> None:
    users = [bank.add_user(10**9) for _ in range(3)]
    done = asyncio.Event()

    async def spend(number: int) -> None:
        for _ in range(25):
            held: Hold = await bank.hold(users[number % 3])
            await bank.holds.settle([(held, make_record(held, number))])

    async def check() -> int:
        checks = 0
        while not done.is_set():
            audit = await asyncio.to_thread(verify, bank.db)
            assert audit.sound, audit.violations
            checks += 1
        return checks

    checking = asyncio.create_task(check())
    await asyncio.gather(*(spend(number) for number in range(12)))
    done.set()
    assert await checking > 0
    assert verify(bank.db).rows == 3 + 11 * 25
