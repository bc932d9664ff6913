"""A relay before mongod that can lose, spoil or withhold the answer to a findAndModify."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Spoil = Callable[[bytes], bytes | None]
"""From the answer to what is sent instead: b"" nothing, None an end of the connection."""


def lose(_answer: bytes) -> None:
    """End the connection in place of an answer."""


def withhold(_answer: bytes) -> bytes:
    """Never answer."""
    return b""


@dataclass(frozen=True)
class Asked:
    """A findAndModify that came by: on which connection, and whether pymongo made it."""

    connection: int
    by_pymongo: bool


class MongoRelay:
    """Listens on a loopback port and passes whole messages on.

    Args:
        target: Connection string of the server, with one host.
        context: Ends TLS here.

    Attributes:
        asked: Every findAndModify so far.
        spoils: What becomes of the next answers to findAndModify, one each.
    """

    def __init__(self, target: str, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.spoils: deque[Spoil] = deque()
        self.port = 0
        self._target = urlsplit(target)
        self._context = context
        self._server: asyncio.Server | None = None
        self._connections: list[asyncio.Task[None]] = []
        self._watching: set[asyncio.Task[None] | None] = set()

    @property
    def uri(self) -> str:
        """Connection string that leads here and to no other member."""
        target = self._target
        place = f"{target.username}:{target.password}@127.0.0.1:{self.port}"
        return f"mongodb://{place}{target.path}?authSource=admin&directConnection=true"

    def cut(self) -> None:
        """End all connections but those that watch the server.

        A client that is closed while it watches anew leaves pymongo's socket behind.
        """
        for task in self._connections:
            if task not in self._watching:
                task.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._watching.clear()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.append(task)
        number = len(self._connections)
        onward, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                while await self._exchange(number, (reader, writer), (onward, back)):
                    pass
        finally:
            writer.transport.abort()
            back.transport.abort()

    async def _exchange(
        self,
        number: int,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> bool:
        """Pass a command and its answer on; whether the connection goes on."""
        command = await _message(client[0])
        server[1].write(command)
        streaming = b"maxAwaitTimeMS" in command
        if streaming:
            self._watching.add(asyncio.current_task())
        spoiled: bytes | None = await _message(server[0])
        if b"findAndModify" in command:
            self.asked.append(Asked(number, b"lsid" in command))
            if self.spoils and spoiled is not None:
                spoiled = self.spoils.popleft()(spoiled)
        while spoiled is not None:
            client[1].write(spoiled)
            if not streaming:
                return True
            spoiled = await _message(server[0])
        return False


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack("<i", head)[0] - 4)
