"""The client side of HTTP/1: strict heads, bounded buffers, errors in JSON."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import h11
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server, make_body_reader

from addons.proxy.head import bad_head, head_length, read_head
from addons.proxy.headers import FastHeaders
from addons.proxy.plan import LayerPolicy
from shared.errors import GatewayError
from shared.wire.errors import internal_error, request_too_large

MAX_PIPELINED_BYTES = 64 * 1024
# A chunk's size and extensions, incomplete: h11 would wait for their end for ever.
MAX_CHUNK_HEAD_BYTES = 1024
# Larger than any body ever: no size but an attack on whoever adds it up.
MAX_CHUNK_BYTES = 0xFFFF_FFFF

Commands = Generator[commands.Command, Any, None]


class GatewayHttp1Server(Http1Server):
    """Reads requests of one client connection, answers what cannot be a request."""

    def __init__(self, context: Context, policy: LayerPolicy) -> None:
        super().__init__(context)
        self._policy = policy

    @property
    def reading_head(self) -> bool:
        """Whether part of a head is here and the rest is awaited."""
        return self.state == self.read_headers and len(self.buf) > 0

    @property
    def idle(self) -> bool:
        """Whether the connection waits for its next request."""
        return self.state == self.read_headers and not len(self.buf)

    @property
    def reading_body(self) -> bool:
        """Whether the body of a request is not complete yet."""
        return self.state == self.read_body

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Read one head, strictly; everything else about the body is the parent's."""
        if not isinstance(event, events.DataReceived):
            yield from super().read_headers(event)
            return
        buffered = bytes(self.buf)
        try:
            lines = read_head(buffered)
        except GatewayError as error:
            yield from self._refuse(buffered, error)
            return
        if lines is None:
            return
        self.buf.maybe_extract_at_most(head_length(lines))
        try:
            self.request = http1.read_request_head(lines)
            self.request.headers = FastHeaders.of(self.request.headers.fields)
            size = http1.expected_http_body_size(self.request)
        except ValueError as error:
            yield from self._refuse(buffered, bad_head(f"The request head is malformed: {error}."))
            return
        yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, size == 0))
        self.body_reader = make_body_reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def read_body(self, event: events.Event) -> Commands:
        """Read the body; broken framing and trailers, which mitmproxy cannot carry, end it all."""
        if not isinstance(event, events.DataReceived):
            yield from super().read_body(event)
            return
        while True:
            try:
                part = self._body_part()
            except GatewayError as error:
                yield from self._refuse(self._request_line(), error)
                message = str(error)
                code = ErrorCode.GENERIC_CLIENT_ERROR
                yield ReceiveHttp(RequestProtocolError(self.stream_id, message, code))
                return
            if part is None:
                return
            if isinstance(part, h11.EndOfMessage):
                yield ReceiveHttp(RequestEndOfMessage(self.stream_id))
                yield from self.mark_done(request=True)
                return
            if part.data:
                yield ReceiveHttp(RequestData(self.stream_id, bytes(part.data)))

    def _body_part(self) -> h11.Data | h11.EndOfMessage | None:
        """The next part of the body, None when more bytes are needed.

        Raises:
            GatewayError: 400 for broken framing, 413 for a chunk larger than a body may be.
        """
        try:
            part = self.body_reader(self.buf)
        except h11.ProtocolError as error:
            raise bad_head("The framing of the request body is malformed.") from error
        if isinstance(part, h11.EndOfMessage) and part.headers:
            raise bad_head("Trailers are not accepted.")
        if part is None and len(self.buf) > MAX_CHUNK_HEAD_BYTES:
            raise bad_head("The head of a chunk is too long.")
        self._check_chunk(getattr(self.body_reader, "_bytes_in_chunk", 0))
        return part

    def _check_chunk(self, size: int) -> None:
        if size > MAX_CHUNK_BYTES:
            raise bad_head("The size of a chunk is not one.")
        if size > self._policy.max_body:
            raise request_too_large(self._policy.max_body)

    def wait(self, event: events.Event) -> Commands:
        """Hold a pipelined request back until the answer is out, but not without bound."""
        yield from super().wait(event)
        if len(self.buf) > MAX_PIPELINED_BYTES and self.conn.state & ConnectionState.CAN_READ:
            self.buf.maybe_extract_at_most(len(self.buf))
            yield commands.CloseConnection(self.conn)

    def send(self, event: HttpEvent) -> Commands:
        """Send a response; a protocol error becomes our own JSON instead of an HTML page."""
        if isinstance(event, ResponseData) and self.request and self.request.method == "HEAD":
            return  # a body would be read as the next answer
        if not isinstance(event, ResponseProtocolError):
            yield from super().send(event)
            return
        if not self.conn.state & ConnectionState.CAN_WRITE:
            return
        status = event.code.http_status_code()
        if self.response is None and status is not None:
            error = _protocol_error(status, event.message)
            yield from self._refuse(self._request_line(), error)
            return
        yield commands.CloseConnection(self.conn)

    def _request_line(self) -> bytes:
        """Of the request whose head was read: its path decides the dialect of errors."""
        return f"{self.request.method} {self.request.path}".encode() if self.request else b""

    def _refuse(self, head: bytes, error: GatewayError) -> Commands:
        if self.conn.state & ConnectionState.CAN_WRITE:
            response = self._policy.answer_head(head, error)
            response.headers["connection"] = "close"
            yield commands.SendData(self.conn, http1.assemble_response(response))
        yield commands.CloseConnection(self.conn)
        self.state = self.done


def _protocol_error(status: int, message: str) -> GatewayError:
    if status < 500:
        return bad_head(f"The request is malformed: {message}")
    return internal_error(message)
