"""The set of connections: how many there are, what pymongo's pool counts, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.pool import Pool
from pymongo.errors import OperationFailure, PyMongoError

from shared.store.client import AsyncClient, connect_async
from shared.store.direct import CONNECTIONS, DirectCommands
from tests.support.certificates import make_certificate
from tests.support.mongo_relay import MongoRelay

PING = {"ping": 1, "$db": "admin"}


@pytest.fixture
async def client(mongo_uri: str) -> AsyncIterator[AsyncClient]:
    async with connect_async(mongo_uri, timeout_ms=20_000, max_pool=4) as client:
        yield client


def soon_s(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def pings(direct: DirectCommands, number: int) -> None:
    answers = await asyncio.gather(*[direct.run(PING, soon_s()) for _ in range(number)])
    assert {answer["ok"] for answer in answers} == {1}


def pool_of(client: AsyncClient) -> Pool:
    (server,) = client._topology._servers.values()
    pool: Pool = server.pool
    return pool


async def test_no_more_connections_than_are_allowed_however_many_ask(client: AsyncClient) -> None:
    assert not client.direct._open
    await pings(client.direct, 200)
    assert len(client.direct._open) <= CONNECTIONS
    assert pool_of(client).active_sockets == len(client.direct._open)


async def test_one_after_the_other_needs_one_connection(client: AsyncClient) -> None:
    for _ in range(20):
        await pings(client.direct, 1)
    assert len(client.direct._open) == 1


async def test_pymongo_has_connections_of_its_own_beside_them(client: AsyncClient) -> None:
    await pings(client.direct, 200)
    assert pool_of(client).max_pool_size == 4 + CONNECTIONS
    commands = [client.admin.command("ping") for _ in range(40)]
    assert {answer["ok"] for answer in await asyncio.gather(*commands)} == {1}


async def test_a_connection_that_ends_is_given_back_to_the_pool(client: AsyncClient) -> None:
    await pings(client.direct, 100)
    for connection in list(client.direct._open):
        connection.abort()
    await asyncio.wait(client.direct._keepers)
    pool = pool_of(client)
    assert (pool.active_sockets, pool.requests, len(pool.conns)) == (0, 0, 0)
    assert not client.direct._free
    await pings(client.direct, 1)
    assert pool.active_sockets == 1


async def test_with_the_client_all_are_closed_and_given_back(mongo_uri: str) -> None:
    client = connect_async(mongo_uri, timeout_ms=20_000)
    await pings(client.direct, 100)
    pool, opened = pool_of(client), list(client.direct._open)
    await client.close()
    assert opened
    assert all(connection.lost.done() for connection in opened)
    assert not client.direct._open
    assert (pool.active_sockets, pool.requests) == (0, 0)
    await client.close()


async def test_a_client_may_be_closed_while_connections_are_opened(mongo_uri: str) -> None:
    client = connect_async(mongo_uri, timeout_ms=20_000)
    await client.admin.command("ping")
    pool = pool_of(client)
    asked = [asyncio.ensure_future(client.direct.run(PING, soon_s())) for _ in range(8)]
    await asyncio.sleep(0)
    await client.close()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, dict | OSError | PyMongoError) for outcome in outcomes)
    assert (pool.active_sockets, pool.requests) == (0, 0)


async def test_a_connection_opened_for_a_caller_who_is_gone_serves_the_next(
    client: AsyncClient,
) -> None:
    asked = asyncio.ensure_future(client.direct.run(PING, soon_s()))
    while not client.direct._keepers:
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    while not client.direct._free:
        await asyncio.sleep(0.005)
    await pings(client.direct, 1)
    assert len(client.direct._open) == 1


async def test_when_the_connections_are_all_being_opened_there_is_none_to_be_had(
    client: AsyncClient,
) -> None:
    direct = DirectCommands(client, most=1)
    asked = asyncio.ensure_future(direct.run(PING, soon_s()))
    while not direct._keepers:
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(ConnectionError):
        await direct.run(PING, soon_s())
    await asyncio.wait([asked])
    await direct.close()


async def test_waiting_for_a_turn_is_bounded(client: AsyncClient) -> None:
    direct = DirectCommands(client, most=1)
    async with direct._turns:
        with pytest.raises(TimeoutError):
            await direct.run(PING, soon_s(0.02))
    await pings(direct, 3)
    await direct.close()


async def test_one_left_unused_for_long_is_replaced(client: AsyncClient) -> None:
    await pings(client.direct, 1)
    (first,) = client.direct._open
    first.used_s -= 301
    await pings(client.direct, 1)
    assert first not in client.direct._open
    assert first.lost.done()


async def test_why_none_could_be_opened_is_told(mongo_uri: str) -> None:
    user, rest = mongo_uri.split("@")
    async with connect_async(f"{user}x@{rest}", timeout_ms=20_000) as client:
        with pytest.raises(OperationFailure):
            await client.direct.run(PING, soon_s())


async def test_over_tls(mongo_uri: str, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    context = certificate.server_context()
    async with MongoRelay(mongo_uri, context) as relay:
        uri = f"{relay.uri}&tls=true&tlsCAFile={certificate.certificate}"
        async with connect_async(uri, timeout_ms=20_000) as client:
            long: dict[str, Any] = {"echo": "x" * 100_000, **PING}
            for _ in range(3):
                assert (await client.direct.run(PING, soon_s()))["ok"] == 1
                assert (await client.direct.run(long, soon_s()))["ok"] == 0
            (connection,) = client.direct._open
            assert connection._transport.get_extra_info("cipher")
            connection.abort()
            await connection.lost
            await pings(client.direct, 8)
