from __future__ import annotations

from typing import Any

from shared.domain.accounts import Hold, HoldRefused, HoldRequest, Purse
from shared.store.hold_documents import aged_holds, holds_in, reserve_outcome

ASKED = HoldRequest("req_a", "usr_1", 900, 500)


def test_no_account_is_no_active_account() -> None:
    assert reserve_outcome(ASKED, None) == HoldRefused(active=False, free_nano=0)


def test_without_a_hold_it_was_refused() -> None:
    found = {"username": "ann", "isActive": True, "freeNano": 499}
    assert reserve_outcome(ASKED, found) == HoldRefused(active=True, free_nano=499)


def test_the_stored_hold_is_what_counts() -> None:
    hold = {"amountNano": 700, "purse": "referral", "worker": "w"}
    found = {"username": "ann", "isActive": True, "freeNano": 0, "hold": hold}
    assert reserve_outcome(ASKED, found) == Hold("req_a", "usr_1", "ann", 700, Purse.REFERRAL)


def test_holds_of_an_account_are_typed() -> None:
    entries = [{"k": "req_a", "v": {"amountNano": 5, "purse": "main"}}]
    account = {"_id": "usr_1", "username": "ann", "holds": entries}
    assert holds_in(account) == [Hold("req_a", "usr_1", "ann", 5, Purse.MAIN)]


async def test_only_accounts_with_holds_are_read(bank: Any) -> None:
    """A sweep must not walk through every account there is."""
    users = [bank.add_user(1_000, 1_000) for _ in range(50)]
    await bank.hold(users[7], 1_000)
    await bank.hold(users[7], 1_000)
    explained = bank.db.command(
        "explain",
        {"aggregate": "users", "pipeline": aged_holds({"$gt": [1, 0]}, 0), "cursor": {}},
        verbosity="executionStats",
    )
    stats = explained.get("stages", [{"$cursor": explained}])[0]["$cursor"]["executionStats"]
    assert stats["totalDocsExamined"] == 1
