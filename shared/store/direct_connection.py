"""A connection that pymongo opened and logged in, spoken to without pymongo.

It carries one command at a time, as OP_MSG with one section and no flags, and takes nothing but
the whole answer to that command. On anything else it is closed.

Format: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import bson
from bson import CodecOptions
from pymongo.asynchronous.pool import AsyncConnection
from pymongo.topology_description import TopologyDescription

MOST_BYTES = 1 << 20
"""Longest answer that is taken; those to the commands sent here have some hundred bytes."""

_OP_MSG = 2013
_LAST_NUMBER = (1 << 31) - 1
_LENGTH = struct.Struct("<i")
# Length of all, request id, id of what it answers, operation, flags, kind of the one section.
_HEAD = struct.Struct("<iiiiIB")


class DirectConnection(asyncio.Protocol):
    """Takes the place of pymongo's protocol on the transport of a connection.

    Args:
        connection: Checked out, and nothing under way on it.
        options: How answers are decoded.

    Raises:
        ConnectionError: It is closed already.
    """

    def __init__(self, connection: AsyncConnection, options: CodecOptions[dict[str, Any]]) -> None:
        transport, before = connection.conn.conn
        if transport.is_closing():
            raise ConnectionError("closed before its first command")
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.used_s = loop.time()
        self.checked: TopologyDescription | None = None
        self._loop = loop
        self._connection = connection
        self._options = options
        self._transport = transport
        self._before = before
        self._number = 0
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        transport.set_protocol(self)
        transport.resume_reading()  # pymongo pauses it after each answer

    def is_usable(self, description: TopologyDescription, since_s: float) -> bool:
        """Whether a command may go this way.

        Args:
            description: What is known of the servers now.
            since_s: Time of the loop; it must have been used since.
        """
        if self._transport.is_closing() or self.used_s < since_s:
            return False
        if self.checked is not description:
            if not self._leads_to_primary(description):
                return False
            self.checked = description
        return True

    async def ask(self, command: bytes) -> dict[str, Any]:
        """The answer to a command in BSON, whatever it says. Closed unless the answer is whole.

        Raises:
            ConnectionError: Lost, or closed because of what it received.
            bson.errors.BSONError: The answer is no document.
        """
        self._number = self._number % _LAST_NUMBER + 1
        self._answer = self._loop.create_future()
        head = _HEAD.pack(_HEAD.size + len(command), self._number, 0, _OP_MSG, 0, 0)
        self._transport.write(head + command)
        try:
            answer = bson.decode((await self._answer)[_HEAD.size :], self._options)
        except BaseException:
            self.abort()  # what comes now would be taken for the answer to the next command
            raise
        self.used_s = self._loop.time()
        return answer

    def abort(self) -> None:
        """Close at once; `lost` tells when it is done."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Collect an answer; see `asyncio.Protocol`."""
        received = self._received + data if self._received else data
        length = _LENGTH.unpack_from(received)[0] if len(received) >= _LENGTH.size else MOST_BYTES
        waiting = self._answer is not None and not self._answer.done()
        if not waiting or not _HEAD.size < length <= MOST_BYTES or len(received) > length:
            self.abort()
        elif len(received) < length:
            self._received = received
        else:
            self._received = b""
            self._complete(received)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait, pymongo's protocol too; see `asyncio.Protocol`."""
        self._before.connection_lost(exc)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("lost before the answer"))
        if not self.lost.done():
            self.lost.set_result(None)

    def _complete(self, message: bytes) -> None:
        _, _, answered, operation, flags, kind = _HEAD.unpack_from(message)
        if (answered, operation, flags, kind) != (self._number, _OP_MSG, 0, 0):
            self.abort()
        elif self._answer is not None:
            self._answer.set_result(message)

    def _leads_to_primary(self, description: TopologyDescription) -> bool:
        """Whether pymongo itself would still write through this connection."""
        connection = self._connection
        pool = connection.pool_ref()
        if pool is None or pool.stale_generation(connection.generation, connection.service_id):
            return False
        server = description.server_descriptions().get(connection.address)
        return server is not None and server.is_writable
