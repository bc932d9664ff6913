from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64
from pymongo import MongoClient, monitoring
from pymongo.errors import DuplicateKeyError, WriteError

from shared.errors import StoreRefused
from shared.store.client import SyncDatabase, connect
from shared.store.collection_specs import TTL_INDEX, collections
from shared.store.schema import ensure_schema

NOT_MONEY = [1, 1.0, float("nan"), float("inf"), Decimal128("1"), "1", True, None]


class Recorder(monitoring.CommandListener):
    """Names of the commands that were sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to note."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to note."""


def user(**fields: Any) -> dict[str, Any]:
    document = {
        "_id": "usr_1",
        "username": "ann",
        "passwordHash": None,
        "role": "user",
        "tier": "dev",
        "rpm": None,
        "isActive": True,
        "creditsNano": Int64(1),
        "heldNano": Int64(0),
        "refCreditsNano": Int64(0),
        "refHeldNano": Int64(0),
        "holds": {},
        "tokensUsed": Int64(0),
        "creditsExpireAt": None,
        "createdAt": datetime.now(UTC),
    }
    return document | fields


def ledger_row(**fields: Any) -> dict[str, Any]:
    document = {
        "_id": "led_1",
        "userId": "usr_1",
        "username": "ann",
        "kind": "topup",
        "purse": "main",
        "amountNano": Int64(1),
        "reason": "test",
        "createdAt": datetime.now(UTC),
    }
    return document | fields


def shape(database: SyncDatabase) -> dict[str, Any]:
    """Validators and indexes of a database."""
    listed = {entry["name"]: entry["options"] for entry in database.list_collections()}
    return {name: (options, database[name].index_information()) for name, options in listed.items()}


def test_a_second_run_finds_all_done_and_only_reads(
    database: SyncDatabase, database_uri: str
) -> None:
    ensure_schema(database)
    first = shape(database)
    recorder = Recorder()
    with MongoClient[dict[str, Any]](database_uri, event_listeners=[recorder]) as client:
        ensure_schema(client[database.name])
    assert "listIndexes" in recorder.names
    assert not {"create", "collMod", "createIndexes"} & set(recorder.names)
    assert shape(database) == first
    assert set(first) == {spec.name for spec in collections(90)}


def test_several_processes_at_once(database: SyncDatabase, database_uri: str) -> None:
    together = threading.Barrier(6)

    def run(_: int) -> None:
        with connect(database_uri, timeout_ms=60_000) as client:
            together.wait(30)
            ensure_schema(client[database.name])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    found = shape(database)
    for spec in collections(90):
        options, indexes = found[spec.name]
        assert options["validator"] == spec.validator
        assert set(indexes) == {"_id_"} | {model.document["name"] for model in spec.indexes}


def test_a_collection_that_was_there_before_gets_its_validator(database: SyncDatabase) -> None:
    database.users.insert_one({"_id": "old"})
    ensure_schema(database)
    with pytest.raises(WriteError, match="validation"):
        database.users.insert_one({"_id": "new"})


def test_a_changed_validator_is_mended(database: SyncDatabase) -> None:
    ensure_schema(database)
    database.command("collMod", "users", validator={})
    ensure_schema(database)
    with pytest.raises(WriteError, match="validation"):
        database.users.insert_one({"_id": "new"})


def test_a_dropped_index_comes_back(database: SyncDatabase) -> None:
    ensure_schema(database)
    database.user_keys.drop_index("hash")
    ensure_schema(database)
    assert database.user_keys.index_information()["hash"]["unique"]


def test_how_long_request_logs_are_kept_can_be_changed(database: SyncDatabase) -> None:
    for days in (90, 7, 7, 400):
        ensure_schema(database, log_days=days)
        ttl = database.request_logs.index_information()[TTL_INDEX]
        assert ttl["expireAfterSeconds"] == days * 86_400
        assert ttl["key"] == [("createdAt", 1)]


def test_an_index_that_means_something_else_is_refused(database: SyncDatabase) -> None:
    database.users.create_index("username", name="username")
    with pytest.raises(StoreRefused, match=r"index of users exists .*\(username"):
        ensure_schema(database)


@pytest.mark.parametrize("amount", NOT_MONEY)
@pytest.mark.parametrize("field", ["creditsNano", "heldNano", "refCreditsNano", "refHeldNano"])
def test_a_balance_is_long_and_nothing_else(
    prepared: SyncDatabase, field: str, amount: object
) -> None:
    prepared.users.insert_one(user(**{field: Int64(-5)}))
    with pytest.raises(WriteError, match="validation"):
        prepared.users.update_one({}, {"$set": {field: amount}})


@pytest.mark.parametrize("amount", NOT_MONEY)
def test_a_hold_is_long_and_nothing_else(prepared: SyncDatabase, amount: object) -> None:
    hold = {"amountNano": Int64(1), "purse": "main", "worker": "w", "at": datetime.now(UTC)}
    prepared.users.insert_one(user(holds={"req_1": hold}))
    with pytest.raises(WriteError, match="validation"):
        prepared.users.update_one({}, {"$set": {"holds.req_2": hold | {"amountNano": amount}}})


@pytest.mark.parametrize("amount", NOT_MONEY)
def test_a_ledger_row_is_long_and_nothing_else(prepared: SyncDatabase, amount: object) -> None:
    with pytest.raises(WriteError, match="validation"):
        prepared.ledger.insert_one(ledger_row(amountNano=amount))


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "root"},
        {"tier": "gold"},
        {"rpm": 0},
        {"rpm": 1.5},
        {"isActive": "yes"},
        {"tokensUsed": 1},
        {"username": None},
        {"holds": []},
        {"creditsExpireAt": "tomorrow"},
    ],
)
def test_other_fields_of_an_account_are_typed(
    prepared: SyncDatabase, fields: dict[str, Any]
) -> None:
    with pytest.raises(WriteError, match="validation"):
        prepared.users.insert_one(user(**fields))


@pytest.mark.parametrize("fields", [{"kind": "gift"}, {"purse": "other"}, {"createdAt": 0}])
def test_other_fields_of_a_row_are_typed(prepared: SyncDatabase, fields: dict[str, Any]) -> None:
    with pytest.raises(WriteError, match="validation"):
        prepared.ledger.insert_one(ledger_row(**fields))


def test_names_and_referral_codes_are_unique(prepared: SyncDatabase) -> None:
    prepared.users.insert_one(user(referralCode="x"))
    for fields in ({}, {"username": "bob", "referralCode": "x"}):
        with pytest.raises(DuplicateKeyError):
            prepared.users.insert_one(user(**{"_id": "usr_2"} | fields))
    prepared.users.insert_one(user(_id="usr_2", username="bob"))
    prepared.users.insert_one(user(_id="usr_3", username="eve"))


def test_an_idempotency_key_is_unique_within_an_account(prepared: SyncDatabase) -> None:
    prepared.ledger.insert_one(ledger_row(idempotencyKey="k"))
    prepared.ledger.insert_one(ledger_row(_id="led_2", userId="usr_2", idempotencyKey="k"))
    prepared.ledger.insert_many([ledger_row(_id="led_3"), ledger_row(_id="led_4")])
    with pytest.raises(DuplicateKeyError):
        prepared.ledger.insert_one(ledger_row(_id="led_5", idempotencyKey="k"))


@pytest.mark.parametrize(
    ("collection", "query", "index"),
    [
        ("users", {"heldNano": {"$gt": 0}}, "heldNano"),
        ("users", {"refHeldNano": {"$gt": 0}}, "refHeldNano"),
        ("user_keys", {"hash": "x", "isActive": True, "ownerActive": True}, "hash"),
    ],
)
def test_queries_use_their_index(
    prepared: SyncDatabase, collection: str, query: dict[str, Any], index: str
) -> None:
    plan = prepared[collection].find(query).explain()["queryPlanner"]["winningPlan"]
    assert plan["inputStage"]["indexName"] == index


@pytest.mark.parametrize(
    ("collection", "owner"), [("ledger", {"userId": "x"}), ("request_logs", {"username": "x"})]
)
def test_pages_are_read_in_the_order_of_an_index(
    prepared: SyncDatabase, collection: str, owner: dict[str, Any]
) -> None:
    newest = [("createdAt", -1), ("_id", -1)]
    plan = prepared[collection].find(owner).sort(newest).limit(5).explain()
    assert "'SORT'" not in str(plan["queryPlanner"]["winningPlan"])
