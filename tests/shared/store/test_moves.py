from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from bson import Int64

from shared.domain.accounts import Account, Purse
from shared.domain.ledger import Move, RowKind
from shared.errors import Conflict, NotFound, StoreRefused
from shared.store.client import SyncDatabase
from shared.store.moves import Moves
from shared.store.users import UserStore

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def ann(users: UserStore) -> Account:
    return users.create("ann", None)


def topup(amount_nano: int, key: str | None = None, reason: str = "paid") -> Move:
    return Move(RowKind.TOPUP, Purse.MAIN, amount_nano, reason, idempotency_key=key)


def balance_is_sum_of_rows(database: SyncDatabase, user_id: str) -> int:
    account = database.users.find_one({"_id": user_id})
    assert account is not None
    for purse, field in (("main", "creditsNano"), ("referral", "refCreditsNano")):
        rows = database.ledger.find({"userId": user_id, "purse": purse})
        assert account[field] == sum(row["amountNano"] for row in rows)
    return int(account["creditsNano"])


def test_a_move_is_a_row_and_a_balance(prepared: SyncDatabase, ann: Account) -> None:
    moves = Moves(prepared)
    moves.make(ann.id, topup(10))
    moves.make(ann.id, Move(RowKind.REFUND, Purse.MAIN, -12, "sent back"))
    moves.make(ann.id, Move(RowKind.REFERRAL, Purse.REFERRAL, 3, "bob joined"))
    assert balance_is_sum_of_rows(prepared, ann.id) == -2
    assert [type(row["amountNano"]) for row in prepared.ledger.find()] == [Int64] * 3


def test_nobody(prepared: SyncDatabase) -> None:
    with pytest.raises(NotFound):
        Moves(prepared).make("usr_none", topup(10))
    assert prepared.ledger.count_documents({}) == 0


def test_the_same_move_twice_is_made_once(prepared: SyncDatabase, ann: Account) -> None:
    moves = Moves(prepared)
    first = moves.make(ann.id, topup(10, "k"))
    assert moves.make(ann.id, topup(10, "k")) == first
    assert balance_is_sum_of_rows(prepared, ann.id) == 10


@pytest.mark.parametrize("other", [topup(11, "k"), topup(10, "k", "another reason")])
def test_another_move_under_the_same_key(prepared: SyncDatabase, ann: Account, other: Move) -> None:
    moves = Moves(prepared)
    moves.make(ann.id, topup(10, "k"))
    with pytest.raises(Conflict, match="idempotency key"):
        moves.make(ann.id, other)
    assert balance_is_sum_of_rows(prepared, ann.id) == 10


def test_keys_of_two_accounts_do_not_meet(
    prepared: SyncDatabase, users: UserStore, ann: Account
) -> None:
    bob = users.create("bob", None)
    moves = Moves(prepared)
    assert moves.make(ann.id, topup(10, "k")).id != moves.make(bob.id, topup(10, "k")).id


def test_twenty_at_once_with_one_key(prepared: SyncDatabase, ann: Account) -> None:
    moves = Moves(prepared)
    with ThreadPoolExecutor(10) as pool:
        rows = list(pool.map(lambda _: moves.make(ann.id, topup(10, "k")), range(20)))
    assert len({row.id for row in rows}) == 1
    assert balance_is_sum_of_rows(prepared, ann.id) == 10


def test_twenty_at_once_of_their_own(prepared: SyncDatabase, ann: Account) -> None:
    moves = Moves(prepared)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda n: moves.make(ann.id, topup(n + 1)), range(20)))
    assert balance_is_sum_of_rows(prepared, ann.id) == 210


def test_a_balance_beyond_64_bits_is_refused_whole(prepared: SyncDatabase, ann: Account) -> None:
    moves = Moves(prepared)
    moves.make(ann.id, topup(2**63 - 1))
    with pytest.raises(StoreRefused):
        moves.make(ann.id, topup(1))
    assert balance_is_sum_of_rows(prepared, ann.id) == 2**63 - 1


def expiry_of(database: SyncDatabase, user_id: str) -> datetime | None:
    account = database.users.find_one({"_id": user_id})
    assert account is not None
    found: datetime | None = account["creditsExpireAt"]
    return found


def test_a_top_up_moves_the_expiry_on(prepared: SyncDatabase, ann: Account) -> None:
    Moves(prepared, clock=lambda: NOW).make(ann.id, topup(10))
    assert expiry_of(prepared, ann.id) is None
    Moves(prepared, credit_days=30, clock=lambda: NOW).make(ann.id, topup(10))
    assert expiry_of(prepared, ann.id) == NOW + timedelta(days=30)
    Moves(prepared, credit_days=3, clock=lambda: NOW).make(ann.id, topup(10))
    assert expiry_of(prepared, ann.id) == NOW + timedelta(days=30)


@pytest.mark.parametrize(
    "move",
    [
        Move(RowKind.REFERRAL, Purse.REFERRAL, 1, "joined"),
        Move(RowKind.REFUND, Purse.MAIN, 1, "refund"),
        Move(RowKind.TOPUP, Purse.REFERRAL, 1, "gift"),
    ],
)
def test_other_moves_leave_the_expiry(prepared: SyncDatabase, ann: Account, move: Move) -> None:
    Moves(prepared, credit_days=30, clock=lambda: NOW).make(ann.id, move)
    assert expiry_of(prepared, ann.id) is None


def test_a_top_up_brings_no_lapsed_credits_back(prepared: SyncDatabase, ann: Account) -> None:
    Moves(prepared, credit_days=30, clock=lambda: NOW).make(ann.id, topup(10))
    prepared.users.update_one({"_id": ann.id}, {"$set": {"heldNano": Int64(4)}})
    later = NOW + timedelta(days=31)
    Moves(prepared, credit_days=30, clock=lambda: later).make(ann.id, topup(100))
    kinds = {row["kind"]: row["amountNano"] for row in prepared.ledger.find({"amountNano": -6})}
    assert kinds == {"expiry": -6}
    assert balance_is_sum_of_rows(prepared, ann.id) == 104
    assert expiry_of(prepared, ann.id) == later + timedelta(days=30)
