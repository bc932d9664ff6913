from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from shared.domain.accounts import Account, Tier
from shared.domain.keys import NewKey, hash_key, well_formed
from shared.errors import Conflict, NotFound
from shared.store.admission import MongoKeyGate
from shared.store.client import AsyncDb, SyncDatabase
from shared.store.keys import MAX_ACTIVE_KEYS, KeyStore
from shared.store.users import UserStore

PEPPER = b"pepper"


@pytest.fixture
def keys(prepared: SyncDatabase) -> KeyStore:
    return KeyStore(prepared, PEPPER)


@pytest.fixture
def ann(users: UserStore) -> Account:
    return users.create("ann", None, tier=Tier.PRO, rpm=9)


def primaries(keys: KeyStore, user_id: str) -> list[str]:
    return [key.id for key in keys.list_for(user_id) if key.is_primary]


def test_a_new_key(keys: KeyStore, ann: Account, prepared: SyncDatabase) -> None:
    made = keys.create(ann.id, label="laptop", rpm=4)
    assert well_formed(made.secret)
    assert made.secret not in repr(made)
    assert made.key.id.startswith("key_")
    assert (made.key.prefix, made.key.last4) == (made.secret[:12], made.secret[-4:])
    assert (made.key.label, made.key.rpm, made.key.account_rpm) == ("laptop", 4, 9)
    assert (made.key.tier, made.key.is_primary, made.key.is_active) == (Tier.PRO, True, True)
    assert keys.get(made.key.id) == keys.primary(ann.id) == made.key
    stored = prepared.user_keys.find_one()
    assert stored is not None
    assert stored["hash"] == hash_key(made.secret, PEPPER)
    assert made.secret not in str(stored)


def test_nobody(keys: KeyStore) -> None:
    with pytest.raises(NotFound):
        keys.create("usr_none")
    assert keys.list_for("usr_none") == []
    assert keys.primary("usr_none") is None


def test_a_key_is_only_its_owners(keys: KeyStore, ann: Account) -> None:
    key = keys.create(ann.id).key
    assert keys.get(key.id, ann.id) == key
    assert keys.get(key.id, "usr_other") is None
    for act in (
        lambda: keys.revoke(key.id, "usr_other"),
        lambda: keys.rotate("usr_other", key.id),
        lambda: keys.make_primary("usr_other", key.id),
        lambda: keys.change(key.id, "usr_other", label="x", rpm=None),
    ):
        with pytest.raises(NotFound):
            act()
    assert keys.get(key.id) == key


def test_one_key_is_primary_whatever_is_done(keys: KeyStore, ann: Account) -> None:
    first, second, third = (keys.create(ann.id).key for _ in range(3))
    assert primaries(keys, ann.id) == [first.id]
    keys.make_primary(ann.id, third.id)
    assert primaries(keys, ann.id) == [third.id]
    keys.revoke(second.id)
    assert primaries(keys, ann.id) == [third.id]
    keys.revoke(third.id)
    assert primaries(keys, ann.id) == [first.id]
    keys.revoke(first.id)
    assert primaries(keys, ann.id) == []
    fourth = keys.create(ann.id).key
    assert primaries(keys, ann.id) == [fourth.id]


def test_a_revoked_key_stays_revoked(keys: KeyStore, ann: Account) -> None:
    key = keys.create(ann.id).key
    assert not keys.revoke(key.id).is_active
    assert not keys.revoke(key.id).is_active
    assert keys.list_for(ann.id) == []
    assert [old.id for old in keys.list_for(ann.id, active_only=False)] == [key.id]
    with pytest.raises(NotFound):
        keys.rotate(ann.id, key.id)
    with pytest.raises(NotFound):
        keys.make_primary(ann.id, key.id)
    with pytest.raises(NotFound):
        keys.revoke("key_none")


def test_a_failed_change_of_the_primary_changes_nothing(keys: KeyStore, ann: Account) -> None:
    key = keys.create(ann.id).key
    with pytest.raises(NotFound):
        keys.make_primary(ann.id, "key_none")
    assert primaries(keys, ann.id) == [key.id]


def test_many_made_at_once_have_one_primary(keys: KeyStore, ann: Account) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: keys.create(ann.id), range(6)))
    assert len(primaries(keys, ann.id)) == 1
    assert len(keys.list_for(ann.id)) == 6


def test_there_is_a_bound(keys: KeyStore, ann: Account) -> None:
    made = [keys.create(ann.id).key for _ in range(MAX_ACTIVE_KEYS)]
    with pytest.raises(Conflict, match="at most"):
        keys.create(ann.id)
    keys.revoke(made[0].id)
    keys.create(ann.id)


def test_rename_and_own_limit(keys: KeyStore, ann: Account) -> None:
    key = keys.create(ann.id, label="old", rpm=3).key
    changed = keys.change(key.id, ann.id, label="new", rpm=None)
    assert (changed.label, changed.rpm) == ("new", None)
    assert keys.get(key.id) == changed


async def test_rotation_stops_the_old_key_at_once_and_keeps_the_window(
    keys: KeyStore, ann: Account, async_database: AsyncDb
) -> None:
    gate = MongoKeyGate(async_database, rpm_dev=300, rpm_pro=1000)
    old = keys.create(ann.id, label="laptop", rpm=2)
    assert (await gate.admit(hash_key(old.secret, PEPPER))).admitted
    new = keys.rotate(ann.id)
    assert (await gate.admit(hash_key(old.secret, PEPPER))).principal is None
    admissions = [await gate.admit(hash_key(new.secret, PEPPER)) for _ in range(2)]
    assert [admission.admitted for admission in admissions] == [True, False]
    assert (new.key.id, new.key.label, new.key.rpm) == (old.key.id, "laptop", 2)
    assert (new.key.last4, new.key.is_primary) == (new.secret[-4:], True)


async def test_a_revoked_key_and_an_inactive_account_get_no_principal(
    keys: KeyStore, users: UserStore, ann: Account, async_database: AsyncDb
) -> None:
    gate = MongoKeyGate(async_database, rpm_dev=300, rpm_pro=1000)
    first, second = keys.create(ann.id), keys.create(ann.id)
    keys.revoke(first.key.id)
    assert (await gate.admit(hash_key(first.secret, PEPPER))).principal is None
    assert (await gate.admit(hash_key(second.secret, PEPPER))).principal is not None
    users.change(ann.id, is_active=False)
    assert (await gate.admit(hash_key(second.secret, PEPPER))).principal is None


@pytest.mark.parametrize("by_id", [True, False])
def test_rotations_at_once_make_exactly_one_key(
    prepared: SyncDatabase, ann: Account, by_id: bool
) -> None:
    keys = KeyStore(prepared, PEPPER)
    key = keys.create(ann.id).key
    found = keys.get(key.id)
    assert found is not None
    together = _Together(prepared, 5)

    def rotate(_: int) -> NewKey | None:
        try:
            return together.rotate(ann.id, key.id if by_id else None)
        except Conflict:
            return None

    with ThreadPoolExecutor(5) as pool:
        made = [new for new in pool.map(rotate, range(5)) if new]
    assert len(made) == 1
    stored = prepared.user_keys.find_one()
    assert stored is not None
    assert stored["hash"] == hash_key(made[0].secret, PEPPER)
    assert prepared.user_keys.count_documents({}) == 1


class _Together(KeyStore):
    """All rotations have read the key before the first one writes."""

    def __init__(self, database: SyncDatabase, count: int) -> None:
        import threading

        super().__init__(database, PEPPER, clock=self._wait)
        self._barrier = threading.Barrier(count)

    def _wait(self) -> datetime:
        self._barrier.wait(30)
        return datetime.now(UTC)
