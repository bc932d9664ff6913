"""Both ways to the document, and that the second is taken when the first does not end well."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import Int64, encode
from pymongo import AsyncMongoClient, WriteConcern, errors
from pymongo.asynchronous.collection import AsyncCollection

from shared.errors import StoreRefused, StoreUnavailable
from shared.store.client import AsyncDb, Document, connect_async, translating_errors
from shared.store.direct_connection import MOST_BYTES
from shared.store.embedded import EmbeddedMongod
from shared.store.find_and_modify import FindAndModify, encoded, within
from tests.support.mongo_relay import MongoRelay, Spoil, lose, withhold

COUNT: list[Document] = [{"$set": {"count": {"$add": ["$count", 1]}}}]
FIELDS = {"_id": 0, "count": 1}


@pytest.fixture
async def relay(database_uri: str) -> AsyncIterator[MongoRelay]:
    async with MongoRelay(database_uri) as relay:
        yield relay


@pytest.fixture
async def counter(relay: MongoRelay, database: Any) -> AsyncIterator[AsyncCollection[Document]]:
    """One document with a count of 0, through the relay."""
    database.counters.insert_one({"_id": "a", "count": Int64(0)})
    async with connect_async(relay.uri, timeout_ms=20_000) as client:
        yield client[database.name]["counters"]


async def count(updates: FindAndModify, update: Any = COUNT, name: str = "a") -> Any:
    with translating_errors():
        return await updates.run({"_id": name}, update, FIELDS, updates.deadline_s())


async def test_the_answer_is_the_document_after_the_update(
    counter: AsyncCollection[Document], relay: MongoRelay
) -> None:
    updates = FindAndModify(counter)
    assert [await count(updates) for _ in range(3)] == [{"count": n} for n in (1, 2, 3)]
    assert await count(updates, [encoded(COUNT[0])]) == {"count": 4}
    assert await count(updates, name="nobody") is None
    assert len({asked.connection for asked in relay.asked}) == 1
    assert not any(asked.by_pymongo for asked in relay.asked)


async def test_both_ways_tell_the_same(database: Any, async_database: AsyncDb) -> None:
    keys = async_database["keys"]
    await keys.insert_one({"_id": "a", "big": Int64(2**40), "small": Int64(1), "real": 1.5})
    now: list[Document] = [{"$set": {"at": "$$NOW", "list": [1, {"x": None}]}}]
    updates = FindAndModify(keys)
    direct = await updates.run({"_id": "a"}, now, {"at": 0}, updates.deadline_s())
    by_pymongo = await keys.find_one_and_update({"_id": "a"}, now, {"at": 0}, return_document=True)
    assert direct is not None
    assert direct == by_pymongo
    assert encode(direct) == encode(by_pymongo)
    dated = await updates.run({"_id": "a"}, now, {"at": 1}, updates.deadline_s())
    assert dated is not None
    assert dated["at"].tzinfo is not None


def other_id(answer: bytes) -> bytes:
    return answer[:8] + b"\x7f\x7f\x7f\x7f" + answer[12:]


def too_long(answer: bytes) -> bytes:
    return (MOST_BYTES + 1).to_bytes(4, "little") + answer[4:]


def garbage(answer: bytes) -> bytes:
    return answer[:21] + b"\xff" * (len(answer) - 21)


def half(answer: bytes) -> bytes:
    return answer[: len(answer) // 2]


def not_ok(answer: bytes) -> bytes:
    return answer.replace(b"\x01ok\0\0\0\0\0\0\0\xf0?", b"\x01ok\0\0\0\0\0\0\0\0\0")


def with_write_concern_error(answer: bytes) -> bytes:
    """`lastErrorObject` takes the other's name."""
    body = answer[21:].replace(b"lastErrorObject\0", b"writeConcernError\0")
    body = (len(answer) - 21 + 2).to_bytes(4, "little") + body[4:]
    return (21 + len(body)).to_bytes(4, "little") + answer[4:21] + body


@pytest.mark.parametrize("spoil", [lose, other_id, too_long, garbage])
async def test_a_connection_that_fails_is_replaced_and_the_update_sent_again(
    counter: AsyncCollection[Document], relay: MongoRelay, spoil: Spoil
) -> None:
    updates = FindAndModify(counter)
    await count(updates)
    relay.spoils.append(spoil)
    assert await count(updates) == {"count": 3}
    assert await count(updates) == {"count": 4}
    ways = [asked.by_pymongo for asked in relay.asked]
    assert ways == [False, False, True, False]
    assert relay.asked[0].connection == relay.asked[1].connection != relay.asked[3].connection


@pytest.mark.parametrize("spoil", [not_ok, with_write_concern_error])
async def test_an_answer_that_is_not_clean_is_asked_for_again_and_the_connection_kept(
    counter: AsyncCollection[Document], relay: MongoRelay, spoil: Spoil
) -> None:
    updates = FindAndModify(counter)
    relay.spoils.append(spoil)
    assert await count(updates) == {"count": 2}
    assert await count(updates) == {"count": 3}
    assert [asked.by_pymongo for asked in relay.asked] == [False, True, False]
    assert relay.asked[0].connection == relay.asked[2].connection


async def test_connections_that_were_cut_while_idle_are_not_used(
    counter: AsyncCollection[Document], relay: MongoRelay
) -> None:
    updates = FindAndModify(counter)
    await asyncio.gather(*[count(updates) for _ in range(8)])
    relay.cut()
    assert await count(updates) == {"count": 9}


async def test_no_answer_by_either_way_is_unavailable(
    counter: AsyncCollection[Document], relay: MongoRelay
) -> None:
    updates = FindAndModify(counter)
    await count(updates)
    relay.spoils += [lose, withhold]
    soon = asyncio.get_running_loop().time() + 0.5
    with pytest.raises(StoreUnavailable), translating_errors():
        await updates.run({"_id": "a"}, COUNT, FIELDS, soon)
    assert [asked.by_pymongo for asked in relay.asked] == [False, False, True]


@pytest.mark.parametrize("spoil", [withhold, half])
async def test_no_answer_in_time_is_unavailable_and_the_connection_is_not_used_again(
    counter: AsyncCollection[Document], relay: MongoRelay, spoil: Spoil
) -> None:
    updates = FindAndModify(counter)
    await count(updates)
    relay.spoils.append(spoil)
    soon = asyncio.get_running_loop().time() + 0.2
    with pytest.raises(StoreUnavailable):
        await updates.run({"_id": "a"}, COUNT, FIELDS, soon)
    assert await count(updates) == {"count": 3}
    assert [asked.by_pymongo for asked in relay.asked] == [False, False, False]
    assert relay.asked[1].connection != relay.asked[2].connection


async def test_the_connection_of_a_cancelled_caller_is_not_used_again(
    counter: AsyncCollection[Document], relay: MongoRelay
) -> None:
    updates = FindAndModify(counter)
    await count(updates)
    relay.spoils.append(withhold)
    asked = asyncio.ensure_future(count(updates))
    while len(relay.asked) < 2:
        await asyncio.sleep(0.005)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await count(updates) == {"count": 3}
    assert [asked.by_pymongo for asked in relay.asked] == [False] * 3
    assert relay.asked[1].connection != relay.asked[2].connection


async def test_what_the_server_refuses_is_told_as_pymongo_tells_it(
    counter: AsyncCollection[Document], relay: MongoRelay
) -> None:
    updates = FindAndModify(counter)
    impossible = [{"$set": {"count": {"$divide": [1, 0]}}}]
    with pytest.raises(errors.OperationFailure) as caught:
        await updates.run({"_id": "a"}, impossible, FIELDS, updates.deadline_s())
    assert caught.value.code is not None
    with pytest.raises(StoreRefused):
        await count(updates, impossible)
    assert await count(updates) == {"count": 1}
    assert {asked.connection for asked in relay.asked if not asked.by_pymongo} == {
        relay.asked[0].connection
    }


async def test_a_write_that_too_few_have_is_unavailable(
    counter: AsyncCollection[Document], relay: MongoRelay
) -> None:
    lonely = counter.with_options(write_concern=WriteConcern(2))
    with pytest.raises(StoreUnavailable, match="WriteConcernError"):
        await count(FindAndModify(lonely))


async def test_time_that_is_over_is_unavailable(counter: AsyncCollection[Document]) -> None:
    updates = FindAndModify(counter)
    await count(updates)
    past = asyncio.get_running_loop().time() - 1
    with pytest.raises(StoreUnavailable):
        await updates.run({"_id": "a"}, COUNT, FIELDS, past)
    with pytest.raises(StoreUnavailable):
        within(past)


async def test_a_client_of_another_make_is_refused(mongo_uri: str) -> None:
    client = AsyncMongoClient[Document](mongo_uri)
    with pytest.raises(TypeError):
        FindAndModify(client["x"]["y"])


async def test_after_the_client_is_closed_all_is_unavailable(
    counter: AsyncCollection[Document],
) -> None:
    updates = FindAndModify(counter)
    await count(updates)
    await counter.database.client.close()
    with pytest.raises(StoreUnavailable):
        await count(updates)


async def test_frozen_and_thawed_and_stepped_down(tmp_path: Any) -> None:
    with EmbeddedMongod(tmp_path) as server:
        async with connect_async(server.uri()) as client:
            updates = FindAndModify(client["trollllm"]["counters"])
            await client["trollllm"]["counters"].insert_one({"_id": "a", "count": 0})
            await asyncio.gather(*[count(updates) for _ in range(4)])
            await _frozen(server, updates)
        async with connect_async(server.uri(), timeout_ms=30_000) as client:
            await _stepped_down(client)


async def _frozen(server: EmbeddedMongod, updates: FindAndModify) -> None:
    """Late answers come to nobody: each count after the thaw is its own."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        started_s = time.monotonic()
        asked = [count(updates) for _ in range(24)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert time.monotonic() - started_s < 1.5
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    finally:
        os.kill(server.pid, signal.SIGCONT)
    async with asyncio.timeout(30):
        while True:
            try:
                assert await count(updates, name="nobody") is None
            except StoreUnavailable:
                continue
            break
    assert await count(updates) is not None
    assert [await count(updates, name="nobody") for _ in range(24)] == [None] * 24


async def _stepped_down(client: Any) -> None:
    """The update is repeated on the primary of then; no older connection is used any more."""
    updates = FindAndModify(client["trollllm"]["counters"])
    await asyncio.gather(*[count(updates) for _ in range(4)])
    before = set(client.direct._open)
    await client.admin.command("replSetStepDown", 1, force=True)
    counts = [await count(updates) for _ in range(3)]
    assert counts[0]["count"] + 2 == counts[2]["count"]
    await asyncio.gather(*[count(updates) for _ in range(8)])
    assert before
    assert not before & client.direct._open
