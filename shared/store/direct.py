"""Commands on connections of pymongo's, without pymongo's machinery around each of them.

pymongo finds the servers, opens the connections, secures them and logs in; see
`shared.store.direct_connection` for what happens on one. This is a first attempt only: whoever
uses it must be ready to take pymongo's own way when it fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from contextvars import Context
from typing import Any

import bson
from pymongo import AsyncMongoClient, timeout
from pymongo.errors import PyMongoError

from shared.store.direct_connection import DirectConnection

CONNECTIONS = 16
"""As many as the gateway's pool has beside them; they carry thousands of commands a second."""

_NO_TIMEOUT_S = 10.0


class DirectCommands:
    """A bounded set of direct connections to the primary, opened as they are needed.

    Each is checked out of pymongo's pool for as long as it lives and counts there.

    Args:
        client: Whose connections; its `timeoutMS` bounds the opening of one.
        most: Connections at most.
    """

    def __init__(self, client: AsyncMongoClient[dict[str, Any]], most: int = CONNECTIONS) -> None:
        self._client = client
        self._codec = client.codec_options
        self._timeout_s = client.options.timeout or _NO_TIMEOUT_S
        self._idle_s = client.options.pool_options.max_idle_time_seconds or float("inf")
        self._most = most
        self._turns = asyncio.Semaphore(most)
        self._free: list[DirectConnection] = []
        self._open: set[DirectConnection] = set()
        self._keepers: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, command: Mapping[str, Any], deadline_s: float) -> dict[str, Any]:
        """The server's answer, whatever it says.

        Args:
            command: Whole, with `$db`.
            deadline_s: Time of the loop; a connection that has not answered by then is closed,
                as is one whose caller is cancelled.

        Raises:
            OSError: No connection, none in time, or no answer in time.
            PyMongoError: None could be opened.
            bson.errors.BSONError: The answer, or the command, is no document.
        """
        encoded = bson.encode(command)
        async with asyncio.timeout_at(deadline_s), self._turns:
            connection = await self._take()
            answer = await connection.ask(encoded)
            self._free.append(connection)
        return answer

    async def close(self) -> None:
        """Close all connections and give them back to pymongo's pool. Idempotent."""
        self._closed = True
        for connection in self._open:
            connection.abort()
        if self._keepers:
            await asyncio.wait(self._keepers)

    async def _take(self) -> DirectConnection:
        while True:
            description = self._client.topology_description
            since_s = asyncio.get_running_loop().time() - self._idle_s
            while self._free:
                connection = self._free.pop()
                if connection.is_usable(description, since_s):
                    return connection
                connection.abort()
            await self._open_one()

    async def _open_one(self) -> None:
        """Have one more in `_free`. It is opened and kept in a task of its own.

        pymongo leaves a socket open when it is cancelled while it connects.
        """
        if self._closed or len(self._keepers) >= self._most:
            raise ConnectionError("no direct connection to be had")
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        keeper = loop.create_task(self._keep(opened), context=Context())
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        await opened

    async def _keep(self, opened: asyncio.Future[None]) -> None:
        """Check a connection out, leave it to commands until it is lost, and hand it back."""
        try:
            async with AsyncExitStack() as stack:
                with timeout(self._timeout_s):
                    checkout = await self._client._conn_for_writes(None, "findAndModify")
                    pooled = await stack.enter_async_context(checkout)
                stack.push_async_callback(pooled.close_conn, None)
                if self._closed:
                    raise ConnectionError("the client is being closed")
                connection = DirectConnection(pooled, self._codec)
                self._open.add(connection)
                self._free.append(connection)
                _tell(opened)
                await self._until_lost(connection)
        except (PyMongoError, OSError) as error:
            _tell(opened, error)
        finally:
            _tell(opened, ConnectionError("no direct connection was opened"))

    async def _until_lost(self, connection: DirectConnection) -> None:
        try:
            await connection.lost
        finally:
            self._open.discard(connection)
            if connection in self._free:
                self._free.remove(connection)


def _tell(opened: asyncio.Future[None], error: Exception | None = None) -> None:
    """Wake the one who asked, if it is still there."""
    if opened.done():
        return
    if error is None:
        opened.set_result(None)
    else:
        opened.set_exception(error)
