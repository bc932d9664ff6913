"""What one connection takes as an answer, on a transport that only remembers."""

from __future__ import annotations

import asyncio
import struct
from types import SimpleNamespace
from typing import Any

import bson
import pytest
from bson import CodecOptions
from pymongo.server_description import ServerDescription

from shared.store.direct_connection import MOST_BYTES, DirectConnection

PING = bson.encode({"ping": 1, "$db": "admin"})
ADDRESS = ("127.0.0.1", 27017)


class Transport:
    """Remembers what is written, and tells of its end as a transport does."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.protocol: Any = None
        self.ended = self.reading = False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.ended

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        if not self.ended:
            self.ended = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Before:
    """The protocol that was there."""

    def __init__(self) -> None:
        self.lost = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1


class Pool:
    """Tells the generation of its connections."""

    generation = 3

    def stale_generation(self, generation: int, service_id: object) -> bool:
        return generation != self.generation


def connected(pool: Pool | None = None) -> tuple[DirectConnection, Transport, Before]:
    transport, before = Transport(), Before()
    pooled: Any = SimpleNamespace(
        conn=SimpleNamespace(conn=(transport, before)),
        pool_ref=lambda: pool,
        generation=3,
        service_id=None,
        address=ADDRESS,
    )
    return DirectConnection(pooled, CodecOptions(tz_aware=True)), transport, before


def answer(
    document: Any = None,
    *,
    to: int = 1,
    length: int = 0,
    operation: int = 2013,
    flags: int = 0,
    kind: int = 0,
) -> bytes:
    body = bson.encode({"ok": 1}) if document is None else document
    return struct.pack("<iiiiIB", length or 21 + len(body), 9, to, operation, flags, kind) + body


async def asking(connection: DirectConnection) -> asyncio.Task[dict[str, Any]]:
    task = asyncio.ensure_future(connection.ask(PING))
    await asyncio.sleep(0)
    return task


async def test_a_command_is_one_message_of_one_section() -> None:
    connection, transport, _ = connected()
    for number in (1, 2):
        asked = await asking(connection)
        head = struct.pack("<iiiiIB", 21 + len(PING), number, 0, 2013, 0, 0)
        assert transport.written[-1] == head + PING
        connection.data_received(answer(to=number))
        assert await asked == {"ok": 1}
    assert transport.reading
    assert not transport.ended


async def test_an_answer_may_come_in_pieces() -> None:
    connection, _, _ = connected()
    for number in (1, 2):
        asked = await asking(connection)
        for byte in answer(to=number):
            connection.data_received(bytes([byte]))
        assert await asked == {"ok": 1}


@pytest.mark.parametrize(
    "received",
    [
        answer(to=7),
        answer(operation=1),
        answer(operation=2012),
        answer(flags=1),
        answer(flags=2),
        answer(kind=1),
        answer(length=21),
        answer(length=-1),
        answer(length=MOST_BYTES + 1),
        answer() + b"\0",
        answer() + answer(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_anything_else_ends_the_connection(received: bytes) -> None:
    connection, transport, before = connected()
    asked = await asking(connection)
    connection.data_received(received)
    with pytest.raises(ConnectionError):
        await asked
    await connection.lost
    assert transport.ended
    assert before.lost == 1


async def test_an_answer_that_is_no_document_ends_the_connection() -> None:
    connection, transport, _ = connected()
    asked = await asking(connection)
    connection.data_received(answer(b"\x08\0\0\0\x7fxx\0"))
    with pytest.raises(bson.errors.InvalidBSON):
        await asked
    assert transport.ended


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    connection, transport, _ = connected()
    connection.data_received(answer())
    await connection.lost
    assert transport.ended


async def test_an_answer_after_the_answer_ends_the_connection() -> None:
    connection, transport, _ = connected()
    asked = await asking(connection)
    connection.data_received(answer())
    connection.data_received(answer())
    assert await asked == {"ok": 1}
    assert transport.ended


async def test_a_cancelled_caller_ends_the_connection() -> None:
    connection, transport, before = connected()
    asked = await asking(connection)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await connection.lost
    assert transport.ended
    assert before.lost == 1


async def test_one_that_is_closed_already_is_not_taken_over() -> None:
    transport, before = Transport(), Before()
    transport.ended = True
    pooled: Any = SimpleNamespace(conn=SimpleNamespace(conn=(transport, before)))
    with pytest.raises(ConnectionError):
        DirectConnection(pooled, CodecOptions())
    assert transport.protocol is None


def described(*, address: tuple[str, int] = ADDRESS, writable: bool = True) -> Any:
    server = SimpleNamespace(is_writable=writable)
    return SimpleNamespace(server_descriptions=lambda: {address: server})


@pytest.mark.parametrize(
    ("description", "usable"),
    [
        (described(), True),
        (described(writable=False), False),
        (described(address=("127.0.0.1", 27018)), False),
    ],
)
async def test_it_is_used_only_while_it_leads_to_a_primary(description: Any, usable: bool) -> None:
    connection, _, _ = connected(Pool())
    assert connection.is_usable(description, 0) is usable


async def test_it_is_not_used_once_pymongo_has_given_its_generation_up() -> None:
    pool = Pool()
    connection, _, _ = connected(pool)
    assert connection.is_usable(described(), 0)
    pool.generation = 4
    assert not connection.is_usable(described(), 0)


async def test_it_is_not_used_without_its_pool_nor_when_closed_nor_when_long_unused() -> None:
    assert not connected()[0].is_usable(described(), 0)
    connection, transport, _ = connected(Pool())
    assert connection.is_usable(described(), connection.used_s)
    assert not connection.is_usable(described(), connection.used_s + 1)
    transport.abort()
    assert not connection.is_usable(described(), 0)


def test_pymongos_description_tells_what_is_asked_of_it() -> None:
    assert ServerDescription(ADDRESS).is_writable is False
