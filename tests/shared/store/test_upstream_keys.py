from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import bson
import pytest

from shared.domain.upstream_keys import Fault, KeyHealth
from shared.errors import Conflict, NotFound, StoreRefused, Unsealable
from shared.store.client import SyncDatabase
from shared.store.sealing import Sealer
from shared.store.upstream_key_documents import health_document
from shared.store.upstream_keys import UpstreamKeyStore

SECRET = "sk-upstream-canary-0123456789"
SECRET_KEY = "a secret key for tests"


def store_on(database: SyncDatabase, secret_key: str = SECRET_KEY) -> UpstreamKeyStore:
    return UpstreamKeyStore(database, Sealer(secret_key), actor="ada")


@pytest.fixture
def keys(prepared: SyncDatabase) -> UpstreamKeyStore:
    return store_on(prepared)


def audit(database: SyncDatabase, target: str) -> list[tuple[str, str]]:
    rows = database.audit_log.find({"target": target}).sort("$natural", 1)
    return [(row["actor"], row["action"]) for row in rows]


def test_a_new_key(keys: UpstreamKeyStore, prepared: SyncDatabase) -> None:
    made = keys.add("main", SECRET, label="$ours", backup=True, rpm=50)
    assert made.key.id.startswith("uk_")
    assert (made.key.pool, made.key.label, made.last4) == ("main", "$ours", "6789")
    assert (made.key.backup, made.key.stands_in, made.key.rpm) == (True, False, 50)
    assert made.key.enabled
    assert made.key.health == KeyHealth()
    assert abs(made.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert keys.get(made.key.id) == made
    assert keys.secret_of(made) == SECRET
    assert audit(prepared, made.key.id) == [("ada", "upstream_key.add")]


def test_the_secret_is_nowhere_in_clear(keys: UpstreamKeyStore, prepared: SyncDatabase) -> None:
    made = keys.add("main", SECRET)
    keys.disable(made.key.id)
    keys.enable(made.key.id)
    names = prepared.list_collection_names()
    assert {"upstream_keys", "audit_log"} <= set(names)
    for name in names:
        for document in prepared[name].find():
            assert SECRET.encode() not in bson.encode(document)


def test_a_pool_has_a_key_once(keys: UpstreamKeyStore, prepared: SyncDatabase) -> None:
    made = keys.add("main", SECRET)
    with pytest.raises(Conflict, match=made.key.id) as caught:
        keys.add("main", SECRET, label="again")
    assert SECRET not in str(caught.value)
    keys.add("other", SECRET)
    keys.add("main", SECRET + "x")
    assert prepared.audit_log.count_documents({}) == prepared.upstream_keys.count_documents({}) == 3


def test_added_by_many_at_once_it_is_there_once(
    keys: UpstreamKeyStore, prepared: SyncDatabase
) -> None:
    def add(_: int) -> None:
        with suppress(Conflict):
            keys.add("main", SECRET)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(6)))
    assert len(keys.listed("main")) == 1
    assert prepared.audit_log.count_documents({}) == 1


@pytest.mark.parametrize(("pool", "secret"), [("main", ""), ("main", "a\nb"), ("a b", SECRET)])
def test_what_cannot_be_used_is_refused(keys: UpstreamKeyStore, pool: str, secret: str) -> None:
    with pytest.raises(StoreRefused):
        keys.add(pool, secret)
    assert keys.listed() == []


def test_keys_are_listed_by_pool_and_age(keys: UpstreamKeyStore) -> None:
    second = keys.add("b", "secret-1").key.id
    third = keys.add("b", "secret-2").key.id
    first = keys.add("a", "secret-1").key.id
    assert [stored.key.id for stored in keys.listed()] == [first, second, third]
    assert [stored.key.id for stored in keys.listed("b")] == [second, third]


def test_the_switch(keys: UpstreamKeyStore, prepared: SyncDatabase) -> None:
    key_id = keys.add("main", SECRET).key.id
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    prepared.upstream_keys.update_one({"_id": key_id}, {"$set": {"changedAt": long_ago}})
    assert not keys.disable(key_id).key.enabled
    assert not keys.get(key_id).key.enabled
    assert prepared.upstream_keys.find_one({"_id": key_id, "changedAt": long_ago}) is None
    keys.disable(key_id)
    assert keys.enable(key_id).key.enabled
    actions = ["upstream_key.add", "upstream_key.disable", "upstream_key.enable"]
    assert [action for _, action in audit(prepared, key_id)] == actions
    row = prepared.audit_log.find_one({"action": "upstream_key.disable"})
    assert row is not None
    assert (row["before"], row["after"]) == ({"enabled": True}, {"enabled": False})


def test_switching_on_forgives(keys: UpstreamKeyStore, prepared: SyncDatabase) -> None:
    key_id = keys.add("main", SECRET).key.id
    refused = KeyHealth(Fault.AUTH, datetime.now(UTC) + timedelta(hours=1), (), 3)
    prepared.upstream_keys.update_one(
        {"_id": key_id}, {"$set": {"health": health_document(refused)}}
    )
    assert keys.enable(key_id).key.health == keys.get(key_id).key.health == KeyHealth()
    assert audit(prepared, key_id)[-1] == ("ada", "upstream_key.enable")


def test_what_is_not_there(keys: UpstreamKeyStore) -> None:
    for act in (keys.get, keys.enable, keys.disable):
        with pytest.raises(NotFound, match="uk_none"):
            act("uk_none")


def test_another_secret_key_opens_nothing(keys: UpstreamKeyStore, prepared: SyncDatabase) -> None:
    made = keys.add("main", SECRET)
    with pytest.raises(Unsealable):
        store_on(prepared, "another").secret_of(made)
