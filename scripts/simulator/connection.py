"""One client connection: requests in, replies out step by step, and what became of them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Protocol, cast

from scripts.simulator.http_message import Ending, Pause, Reply, Request, Step
from scripts.simulator.http_parser import MalformedRequest, RequestParser
from scripts.simulator.request_log import Exchange

WRITE_BYTES = 64 * 1024
# A reset discards what the peer has not read yet: what was sent gets this long to arrive.
RESET_GRACE_S = 0.02
RESET = struct.pack("ii", 1, 0)
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


class Service(Protocol):
    """What a connection asks for replies and tells of its life."""

    def answer(self, request: Request) -> tuple[Reply, Exchange]:
        """Decides the reply and opens its log entry."""

    def refuse(self, error: MalformedRequest) -> tuple[Reply, Exchange]:
        """The reply to bytes that are no request."""

    def opened(self, connection: Connection) -> None:
        """A client connected."""

    def closed(self, connection: Connection) -> None:
        """It is gone."""


class Connection(asyncio.Protocol):
    """Serves requests one after another; pipelined ones wait for their turn."""

    def __init__(self, service: Service, clock: Callable[[], float]) -> None:
        self._service = service
        self._clock = clock
        self._parser = RequestParser()
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._reply: Reply | None = None
        self._steps: Iterator[Step] = iter(())
        self._timer: asyncio.Handle | None = None
        self._is_write_paused = False
        self._keep_alive = True
        self._is_chunked = False
        self._is_fresh = True
        self.is_control = False

    # -- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the socket; asyncio has set TCP_NODELAY on it."""
        self._transport = cast(asyncio.Transport, transport)
        self._service.opened(self)

    def data_received(self, data: bytes) -> None:
        """Takes bytes of the client."""
        self._parser.feed(data)
        self._serve_next()

    def pause_writing(self) -> None:
        """The client reads slower than the reply comes."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._is_write_paused = False
        if self._exchange is not None and self._timer is None:
            self._pump()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The connection is gone; a reply under way is over."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._exchange is not None:
            self._exchange.ended("client_left", self._clock())
            self._exchange = None
        self._service.closed(self)

    def abort(self) -> None:
        """Drops the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- requests

    def _serve_next(self) -> None:
        if self._exchange is not None:
            return
        try:
            request = self._parser.next_request()
        except MalformedRequest as error:
            self._keep_alive = False
            self._begin(*self._service.refuse(error), is_chunkable=True)
            return
        if request is not None:
            self._keep_alive = request.keep_alive
            if self._is_fresh:
                self._is_fresh, self.is_control = False, request.path.startswith("/_")
            reply, exchange = self._service.answer(request)
            self._begin(reply, exchange, is_chunkable=request.version == "HTTP/1.1")
        elif self._parser.expects_continue and self._transport is not None:
            self._parser.expects_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _begin(self, reply: Reply, exchange: Exchange, *, is_chunkable: bool) -> None:
        self._reply, self._exchange = reply, exchange
        self._is_chunked = reply.length is None and is_chunkable
        self._keep_alive = self._keep_alive and (reply.length is not None or is_chunkable)
        self._steps = iter(reply.steps)
        if reply.delay_s:
            self._later(reply.delay_s, self._send_head)
        else:
            self._send_head()

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire, call)

    def _fire(self, call: Callable[[], None]) -> None:
        self._timer = None
        call()

    # -- replies

    def _send_head(self) -> None:
        if self._reply is None:
            return
        steps = self._steps
        first = next(steps, None)
        if first is Ending.RESET:
            self._stop_short(Ending.RESET)
            return
        if self._exchange is not None:
            self._exchange.started(self._clock())
        self._pump(_head(self._reply, keep_alive=self._keep_alive, chunked=self._is_chunked), first)

    def _pump(self, head: bytes = b"", first: Step | None = None) -> None:
        """Sends until the reply ends or has to wait: for a pause, or for the client to read."""
        out = bytearray(head)
        step = first if first is not None else next(self._steps, None)
        while step is not None:
            if isinstance(step, bytes):
                self._put(out, step)
                if self._must_wait(out):
                    return
            else:
                self._write(out)
                self._hold(step)
                return
            step = next(self._steps, None)
        self._finish(out)

    def _put(self, out: bytearray, piece: bytes) -> None:
        if self._is_chunked:
            out += b"%x\r\n%b\r\n" % (len(piece), piece)
        else:
            out += piece
        if self._exchange is not None:
            self._exchange.sent(len(piece))

    def _must_wait(self, out: bytearray) -> bool:
        is_separate = self._reply is not None and self._reply.separate
        if not is_separate and len(out) < WRITE_BYTES:
            return False
        self._write(out)
        if is_separate and not self._is_write_paused:
            self._timer = asyncio.get_running_loop().call_soon(self._fire, self._pump)
        return is_separate or self._is_write_paused

    def _hold(self, step: Pause | Ending) -> None:
        if isinstance(step, Pause):
            self._later(step.seconds, self._pump)
        elif step is Ending.RESET:
            self._later(RESET_GRACE_S, lambda: self._stop_short(Ending.RESET))
        elif self._exchange is not None:
            self._exchange.stalled(self._clock())
            self._steps = repeat(Ending.STALL)

    def _write(self, out: bytearray) -> None:
        if out and self._transport is not None:
            self._transport.write(bytes(out))
            out.clear()

    def _finish(self, out: bytearray) -> None:
        if self._is_chunked:
            out += b"0\r\n\r\n"
        self._write(out)
        exchange, self._exchange, self._reply = self._exchange, None, None
        if exchange is not None:
            exchange.ended("complete", self._clock())
        if self._transport is None:
            return
        if not self._keep_alive:
            self._transport.close()
        elif self._parser.is_mid_request:
            asyncio.get_running_loop().call_soon(self._serve_next)

    def _stop_short(self, ending: Ending) -> None:
        if self._exchange is not None:
            self._exchange.ended(ending.value, self._clock())
            self._exchange = None
        if self._transport is not None:
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()


def _head(reply: Reply, *, keep_alive: bool, chunked: bool) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if reply.length is not None:
        lines.append(f"content-length: {reply.length}")
    elif chunked:
        lines.append("transfer-encoding: chunked")
    lines.append("connection: keep-alive" if keep_alive else "connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
