"""An upstream that answers byte for byte what a test tells it to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

WAIT_S = 5.0


class Do(Enum):
    """What an upstream does besides sending bytes."""

    RESET = auto()
    """Ends the connection with a TCP reset."""
    CLOSE = auto()
    """Ends it in the orderly way."""
    STALL = auto()
    """Sends nothing more, and waits until the peer leaves."""


@dataclass(frozen=True)
class Pause:
    """Nothing is sent for a while."""

    seconds: float


Step = bytes | Do | Pause


@dataclass(frozen=True)
class Received:
    """One request as it came.

    Attributes:
        head: Request line and headers, without the empty line.
        body: As its content-length says.
        connection: Number of its connection, from 1.
    """

    head: bytes
    body: bytes
    connection: int

    @property
    def headers(self) -> dict[str, str]:
        """By name in lower case; a repeated one is an error."""
        found: dict[str, str] = {}
        for line in self.head.decode().split("\r\n")[1:]:
            name, _, value = line.partition(":")
            assert name.lower() not in found, f"sent twice: {name}"
            found[name.lower()] = value.strip()
        return found

    @property
    def raw(self) -> bytes:
        return self.head + b"\r\n\r\n" + self.body


class RawUpstream:
    """Serves scripts, one for each request, in order.

    Attributes:
        port: Where it listens.
        requests: What came, in order.
        protocols: What each connection agreed on by TLS; None for plain ones.
        opened: Connections so far.
        live: Connections that are open.
    """

    def __init__(self) -> None:
        self.port = 0
        self._scripts: deque[tuple[Step, ...]] = deque()
        self.reset()

    def reset(self) -> None:
        """Forget scripts, requests and counts."""
        self._scripts.clear()
        self.requests: list[Received] = []
        self.protocols: list[str | None] = []
        self.opened = 0
        # A set anew: connections of before that end later are not counted.
        self._live: set[asyncio.StreamWriter] = set()

    @property
    def live(self) -> int:
        return len(self._live)

    def script(self, *steps: Step) -> None:
        """What the next request is answered with; without a script it is answered with 500."""
        self._scripts.append(steps)

    def wait_for(self, found: Callable[[RawUpstream], bool]) -> None:
        """Wait until something is so.

        Raises:
            AssertionError: It never was.
        """
        deadline = time.monotonic() + WAIT_S
        while not found(self):
            assert time.monotonic() < deadline, f"{self.requests} {self.opened=} {self.live=}"
            time.sleep(0.005)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        live = self._live
        live.add(writer)
        number = self.opened
        tls = writer.get_extra_info("ssl_object")
        self.protocols.append(tls.selected_alpn_protocol() if tls else None)
        try:
            while await self._request(reader, number) and await self._answer(reader, writer):
                pass
        except ConnectionError:
            pass
        finally:
            live.discard(writer)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, number: int) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        except asyncio.IncompleteReadError:
            return False
        length = Received(head, b"", number).headers.get("content-length", "0")
        body = await reader.readexactly(int(length))
        self.requests.append(Received(head, body, number))
        return True

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        steps = self._scripts.popleft() if self._scripts else (response(b"{}", status=500),)
        for step in steps:
            match step:
                case Pause():
                    await asyncio.sleep(step.seconds)
                case Do.STALL:
                    await reader.read()
                    return False
                case Do.CLOSE:
                    return False
                case Do.RESET:
                    await writer.drain()
                    await asyncio.sleep(0.02)  # a reset overtakes what is under way
                    _reset(writer)
                    return False
                case bytes():
                    writer.write(step)
                    await writer.drain()
        return True


def response(body: bytes, status: int = 200, *headers: str, content_type: str = "") -> bytes:
    """A whole answer with a content-length."""
    kind = content_type or "application/json"
    lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", *headers]
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def stream_head(*headers: str, version: str = "1.1") -> bytes:
    """The head of a chunked stream of events."""
    lines = [f"HTTP/{version} 200 OK", "content-type: text/event-stream; charset=utf-8", *headers]
    if version == "1.1" and not headers:
        lines.append("transfer-encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """A chunk; the empty one ends the body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def running_raw_upstream(tls: ssl.SSLContext | None = None) -> Iterator[RawUpstream]:
    """A raw upstream in a thread of its own, for as long as the context lasts."""
    upstream = RawUpstream()
    started = threading.Event()
    stopped: list[Callable[[], object]] = []

    async def main() -> None:
        leave = asyncio.Event()
        clients: list[asyncio.StreamWriter] = []  # Server.close_clients is new in Python 3.13

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.append(writer)
            await upstream.serve(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20, ssl=tls)
        upstream.port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        stopped.append(lambda: loop.call_soon_threadsafe(leave.set))
        started.set()
        await leave.wait()
        server.close()
        for client in clients:
            client.close()
        await asyncio.sleep(0.05)

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="raw upstream")
    thread.start()
    if not started.wait(WAIT_S):
        raise AssertionError("the upstream never listened")
    try:
        yield upstream
    finally:
        stopped[0]()
        thread.join(WAIT_S)
