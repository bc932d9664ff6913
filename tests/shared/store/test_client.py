from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import errors, timeout

from shared.errors import Conflict, StoreError, StoreRefused, StoreUnavailable
from shared.store.client import (
    AsyncClient,
    SyncDatabase,
    connect,
    connect_async,
    database_name,
    translate,
    translating_errors,
)
from shared.store.embedded import EmbeddedMongod


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mongodb://localhost:27017/trollllm", "trollllm"),
        ("mongodb://localhost:27017/other?replicaSet=rs0", "other"),
        ("mongodb://localhost", "trollllm"),
        ("mongodb://u:p@a:1,b:2/?replicaSet=rs0", "trollllm"),
    ],
)
def test_database_name(uri: str, name: str) -> None:
    assert database_name(uri) == name


@pytest.mark.parametrize(
    "uri", ["", "localhost", "http://localhost", "mongodb://", "mongodb://u:hunter2@x@h/db"]
)
@pytest.mark.parametrize("use", [connect, connect_async, database_name])
def test_an_unusable_address_is_one_clear_line_without_its_password(uri: str, use: object) -> None:
    assert callable(use)
    with pytest.raises(StoreRefused, match="MONGODB_URI cannot be used") as caught:
        use(uri)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_clients_write_to_the_majority_and_read_aware_times(mongo_uri: str) -> None:
    with connect(mongo_uri) as client:
        assert client.write_concern.document == {"w": "majority"}
        assert client.codec_options.tz_aware
        assert client.options.retry_writes
        assert client.options.timeout == 5


async def test_the_gateways_client_waits_800_ms(mongo_uri: str) -> None:
    async with connect_async(mongo_uri) as client:
        assert client.options.timeout == 0.8
        assert client.write_concern.document == {"w": "majority"}


def test_a_weaker_write_concern_of_the_address_does_not_win(mongo_uri: str) -> None:
    with connect(mongo_uri + "&w=1") as client:
        assert client.write_concern.document == {"w": "majority"}


def test_a_taken_value_is_a_conflict_that_names_the_field_alone(prepared: SyncDatabase) -> None:
    claim = {"_id": "ann", "userId": "usr_1", "createdAt": _now()}
    prepared.usernames.insert_one(claim)
    with pytest.raises(Conflict) as caught, translating_errors():
        prepared.usernames.insert_one(claim)
    assert str(caught.value) == "already taken: _id"


def test_many_taken_values_are_a_conflict(prepared: SyncDatabase) -> None:
    claim = {"_id": "ann", "userId": "usr_1", "createdAt": _now()}
    with pytest.raises(Conflict), translating_errors():
        prepared.usernames.insert_many([claim, claim], ordered=False)


def test_a_document_that_breaks_the_schema_is_refused(prepared: SyncDatabase) -> None:
    with pytest.raises(StoreRefused, match="schema"), translating_errors():
        prepared.usernames.insert_one({"_id": "ann"})
    with pytest.raises(StoreRefused, match="schema"), translating_errors():
        prepared.usernames.insert_many([{"_id": "ann"}])


def test_an_operation_the_server_does_not_know_is_refused(prepared: SyncDatabase) -> None:
    with pytest.raises(StoreRefused, match="CommandNotFound"), translating_errors():
        prepared.command("noSuchCommand")


def test_wrong_credentials_are_refused_without_being_repeated(mongo_uri: str) -> None:
    password = urlsplit(mongo_uri).password
    assert password
    with (
        connect(mongo_uri.replace(password, "hunter2")) as client,
        pytest.raises(StoreRefused, match="user name or password") as caught,
        translating_errors(),
    ):
        client.admin.command("ping")
    assert "hunter2" not in str(caught.value)


def test_a_slow_answer_is_none_in_time(prepared: SyncDatabase) -> None:
    prepared.scratch.insert_many([{"count": 100_000} for _ in range(20)])
    numbers = {"$range": [0, "$count"]}
    adding = {"input": numbers, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}
    slow = {"$expr": {"$gt": [{"$reduce": adding}, 0]}}
    with pytest.raises(StoreUnavailable), translating_errors(), timeout(0.02):
        list(prepared.scratch.find(slow))


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (errors.AutoReconnect("x"), StoreUnavailable),
        (errors.NetworkTimeout("x"), StoreUnavailable),
        (errors.ServerSelectionTimeoutError("x"), StoreUnavailable),
        (errors.NotPrimaryError("x"), StoreUnavailable),
        (errors.WTimeoutError("x", 64), StoreUnavailable),
        (errors.WriteConcernError("x", 100), StoreUnavailable),
        (errors.ExecutionTimeout("x", 50), StoreUnavailable),
        (errors.WriteError("x", 121), StoreRefused),
        (errors.OperationFailure("x", 18), StoreRefused),
        (errors.OperationFailure("x", 59), StoreRefused),
        (
            errors.OperationFailure("x", 112, {"errorLabels": ["TransientTransactionError"]}),
            StoreUnavailable,
        ),
        (errors.DuplicateKeyError("x"), Conflict),
        (errors.BulkWriteError({"writeErrors": []}), StoreUnavailable),
    ],
)
def test_every_failure_has_a_name(error: errors.PyMongoError, ours: type[StoreError]) -> None:
    assert type(translate(error)) is ours


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), translating_errors():
        raise KeyError


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[EmbeddedMongod]:
    """A server that a test may freeze."""
    with EmbeddedMongod(tmp_path) as server:
        yield server


async def test_a_frozen_server_gives_an_error_within_a_second(own_mongod: EmbeddedMongod) -> None:
    pid = own_mongod.pid
    assert pid is not None
    async with connect_async(own_mongod.uri()) as client:
        await client.admin.command("ping")
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(2):  # on an open connection, then on one that cannot be opened
                started = time.monotonic()
                with pytest.raises(StoreUnavailable), translating_errors():
                    await asyncio.gather(*[client.admin.command("ping") for _ in range(5)])
                assert time.monotonic() - started < 1.5
        finally:
            os.kill(pid, signal.SIGCONT)
        await _answers_again(client)


async def _answers_again(client: AsyncClient) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with translating_errors():
                await client.admin.command("ping")
        except StoreUnavailable:
            assert time.monotonic() < deadline
        else:
            return


def _now() -> datetime:
    return datetime.now(UTC)
