from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.accounts import Account, Purse, Role, Tier
from shared.domain.ledger import Move, RowKind
from shared.errors import Conflict, MoneyError, NotFound, StoreRefused
from shared.store.client import SyncDatabase
from shared.store.keys import KeyStore
from shared.store.users import UserStore

PEPPER = b"pepper"


def test_a_new_account(users: UserStore) -> None:
    account = users.create("ann", "hash", role=Role.ADMIN, tier=Tier.PRO, rpm=7, language="vi")
    assert account.id.startswith("usr_")
    assert account == Account(
        id=account.id,
        username="ann",
        role=Role.ADMIN,
        tier=Tier.PRO,
        rpm=7,
        is_active=True,
        credits_nano=0,
        held_nano=0,
        ref_credits_nano=0,
        ref_held_nano=0,
        tokens_used=0,
        credits_expire_at=None,
        language="vi",
        created_at=account.created_at,
        password_changed_at=account.created_at,
        referral_code=account.referral_code,
    )
    assert len(account.referral_code) == 10
    assert users.get(account.id) == users.by_name("ann") == users.by_name("ANN") == account
    assert users.by_referral_code(account.referral_code) == account


def test_who_invited_somebody_is_remembered(users: UserStore) -> None:
    ann = users.create("ann", None)
    bob = users.create("bob", None, referred_by=ann.id)
    assert (ann.referred_by, bob.referred_by) == ("", ann.id)


def test_nobody(users: UserStore) -> None:
    assert users.get("usr_none") is None
    assert users.by_name("nobody") is None
    assert users.credentials("nobody") is None
    assert users.by_referral_code("") is None


def test_opening_credits_come_with_their_row(users: UserStore, prepared: SyncDatabase) -> None:
    opening = Move(RowKind.TOPUP, Purse.MAIN, 5, "sign-up credits")
    account = users.create("ann", None, opening=opening)
    assert account.credits_nano == 5
    rows = list(prepared.ledger.find())
    assert [(row["userId"], row["amountNano"]) for row in rows] == [(account.id, 5)]


@pytest.mark.parametrize("name", ["_proxy", "Ann", "a b", ""])
def test_an_unusable_name(users: UserStore, prepared: SyncDatabase, name: str) -> None:
    with pytest.raises(StoreRefused, match="user name"):
        users.create(name, None)
    assert prepared.users.count_documents({}) == 0


def test_a_name_is_given_out_once_and_for_all(users: UserStore, prepared: SyncDatabase) -> None:
    account = users.create("ann", None)
    with pytest.raises(Conflict, match="ann is taken"):
        users.create("ann", None)
    prepared.users.delete_one({"_id": account.id})
    with pytest.raises(Conflict, match="ann is taken"):
        users.create("ann", None, opening=Move(RowKind.TOPUP, Purse.MAIN, 5, "again"))
    assert prepared.users.count_documents({}) == 0
    assert prepared.ledger.count_documents({}) == 0


def test_one_name_many_at_once(users: UserStore, prepared: SyncDatabase) -> None:
    def create(_: int) -> bool:
        try:
            users.create("ann", None)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1
    assert prepared.users.count_documents({}) == 1


def test_credentials_are_never_shown(users: UserStore) -> None:
    users.create("ann", "the hash")
    credentials = users.credentials("Ann")
    assert credentials is not None
    assert credentials.password_hash == "the hash"
    assert "the hash" not in repr(credentials)


def test_a_new_password_has_a_date(prepared: SyncDatabase) -> None:
    times = iter([datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)])
    users = UserStore(prepared, clock=lambda: next(times))
    account = users.create("ann", "old")
    changed = users.set_password_hash(account.id, "new")
    credentials = users.credentials("ann")
    assert credentials is not None
    assert credentials.password_hash == "new"
    assert (account.password_changed_at.day, changed.password_changed_at.day) == (1, 2)


def test_pages_follow_each_other(users: UserStore) -> None:
    for name in ["cyd", "ann", "bob", "bea", "b_b", "dan"]:
        users.create(name, None)
    everyone = ["ann", "b_b", "bea", "bob", "cyd", "dan"]
    found: list[str] = []
    while page := users.page(after=found[-1] if found else "", limit=4):
        found += [account.username for account in page]
    assert found == everyone
    assert [account.username for account in users.page(search="B")] == ["b_b", "bea", "bob"]
    assert [account.username for account in users.page(search="b", after="b_b", limit=1)] == ["bea"]
    assert users.page(search=".") == []


def test_whether_there_is_an_admin(users: UserStore) -> None:
    users.create("ann", None)
    assert not users.has_admin()
    users.create("bob", None, role=Role.ADMIN)
    assert users.has_admin()


@pytest.mark.parametrize(
    ("changes", "field", "value", "of_key"),
    [
        ({"tier": Tier.PRO}, "tier", Tier.PRO, ("tier", "pro")),
        ({"role": Role.ADMIN}, "role", Role.ADMIN, ("role", "admin")),
        ({"rpm": 12}, "rpm", 12, ("accountRpm", 12)),
        ({"rpm": None}, "rpm", None, ("accountRpm", None)),
        ({"is_active": False}, "is_active", False, ("ownerActive", False)),
        ({"language": "zh"}, "language", "zh", ("tier", "dev")),
        ({"discord_id": "77"}, "discord_id", "77", ("tier", "dev")),
        ({}, "tier", Tier.DEV, ("tier", "dev")),
    ],
)
def test_a_change_reaches_all_keys(
    users: UserStore,
    prepared: SyncDatabase,
    changes: dict[str, Any],
    field: str,
    value: object,
    of_key: tuple[str, object],
) -> None:
    account = users.create("ann", None, rpm=3)
    other = users.create("bob", None, rpm=3)
    keys = KeyStore(prepared, PEPPER)
    for owner in (account, account, other):
        keys.create(owner.id)
    untouched = keys.list_for(other.id)
    changed = users.change(account.id, **changes)
    assert getattr(changed, field) == value
    assert users.get(account.id) == changed
    stored = list(prepared.user_keys.find({"userId": account.id}))
    assert [key[of_key[0]] for key in stored] == [of_key[1], of_key[1]]
    assert keys.list_for(other.id) == untouched


def test_a_key_made_during_a_change_agrees_with_it(
    users: UserStore, prepared: SyncDatabase
) -> None:
    account = users.create("ann", None)
    keys = KeyStore(prepared, PEPPER)
    tiers = [Tier.PRO, Tier.DEV] * 5
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(keys.create, account.id) for _ in range(10)]
        changed = [pool.submit(users.change, account.id, tier=tier) for tier in tiers]
        for future in (*made, *changed):
            future.result(60)
    final = users.get(account.id)
    assert final is not None
    assert {key.tier for key in keys.list_for(account.id)} == {final.tier}
    assert len(keys.list_for(account.id)) == 10
    assert sum(key.is_primary for key in keys.list_for(account.id)) == 1


@pytest.mark.parametrize("changes", [{}, {"tier": Tier.PRO}])
def test_what_is_not_there_cannot_be_changed(users: UserStore, changes: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        users.change("usr_none", **changes)
    with pytest.raises(NotFound):
        users.set_password_hash("usr_none", "hash")


def test_top_up(users: UserStore) -> None:
    account = users.create("ann", None)
    row = users.top_up(account.id, 7, reason="paid", reference="pay_1", actor="root")
    assert (row.kind, row.purse, row.amount_nano) == (RowKind.TOPUP, Purse.MAIN, 7)
    assert (row.reason, row.reference, row.actor, row.username) == ("paid", "pay_1", "root", "ann")
    changed = users.get(account.id)
    assert changed is not None
    assert changed.credits_nano == 7


@pytest.mark.parametrize("amount", [0, -1, True, 1.0, float("nan"), "1", 2**63])
def test_no_amount(users: UserStore, prepared: SyncDatabase, amount: Any) -> None:
    account = users.create("ann", None)
    with pytest.raises(MoneyError):
        users.top_up(account.id, amount, reason="paid")
    assert prepared.ledger.count_documents({}) == 0
    assert users.get(account.id) == account
