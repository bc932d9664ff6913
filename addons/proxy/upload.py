"""The client's side of a request, on mitmproxy's HttpStream: its head and its body.

What it adds: deadlines and a bound for the body, and refusals that are answered without reading
the body to its end.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from mitmproxy.net.http import http1
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._hooks import HttpResponseHook

from addons.proxy.deadlines import Deadlines
from addons.proxy.plan import LayerPolicy
from shared.wire import errors as refusals

UNREAD_BODY_BYTES = 64 * 1024
LINGER_S = 2.0

Commands = Generator[commands.Command, Any, None]
Answer = Generator[commands.Command, Any, bool]


class UploadStream(HttpStream):
    """Takes a request in, up to the moment when it is complete or has been answered early."""

    def __init__(
        self, context: Context, stream_id: int, policy: LayerPolicy, deadlines: Deadlines
    ) -> None:
        super().__init__(context, stream_id)
        self._policy = policy
        self._deadlines = deadlines
        self._unread_bytes = 0

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        """Let the addons see the head; answer at once what they refuse."""
        expects = "expect" in event.request.headers
        if not event.end_stream:
            now = time.monotonic()
            self._deadlines.set("body", now + self._policy.body_s)
            self._deadlines.set("upload", now + self._policy.upload_s)
        yield from super().state_wait_for_request_headers(event)
        if not self._uploading():
            return
        if self.flow.response is None:
            yield from self._shed(http1.expected_http_body_size(self.flow.request) or 0)
            return
        if not event.end_stream and (expects or self._unread_size() > UNREAD_BODY_BYTES):
            yield from self._answer_early()

    def state_consume_request_body(self, event: HttpEvent) -> Commands:
        """Buffer the body, with a deadline between its pieces and one for all of them."""
        if isinstance(event, RequestData):
            self._deadlines.set("body", time.monotonic() + self._policy.body_s)
            if self.flow.response is None and (yield from self._shed(len(event.data))):
                return
            self._policy.intake.take(self.context.client.id, len(event.data))
        elif isinstance(event, RequestEndOfMessage):
            self._expect_no_more()
        yield from super().state_consume_request_body(event)

    def check_body_size(self, request: bool) -> Answer:
        """Bound the request's body; one that grows too large is answered at once."""
        if not request or len(self.request_body_buf) <= self._policy.max_body:
            return False
        error = refusals.request_too_large(self._policy.max_body)
        self.flow.response = self._policy.answer(self.flow, error)
        yield from self._answer_early()
        return True

    def _shed(self, size: int) -> Answer:
        """Answer at once what would be more than this worker may hold."""
        if self._policy.intake.has_room(size):
            return False
        self.flow.response = self._policy.answer(self.flow, refusals.overloaded())
        yield from self._answer_early()
        return True

    def state_errored(self, event: HttpEvent) -> Commands:
        """Swallow what still arrives, up to a bound."""
        if isinstance(event, RequestData):
            self._unread_bytes += len(event.data)
            if self._unread_bytes > UNREAD_BODY_BYTES:
                yield commands.CloseConnection(self.context.client)
        yield from ()

    def _uploading(self) -> bool:
        return bool(self.client_state == self.state_consume_request_body)

    def _unread_size(self) -> int:
        size = http1.expected_http_body_size(self.flow.request)
        return UNREAD_BODY_BYTES + 1 if size is None else size

    def _expect_no_more(self) -> None:
        self._deadlines.clear("body", "upload")

    def _cut_upload(self) -> Commands:
        """The worker leaves while the body still comes: no upstream has heard of it."""
        if self.flow.response is None:
            error = refusals.service_unavailable("the worker left during the upload")
            self.flow.response = self._policy.answer(self.flow, error)
        yield from self._answer_early()

    def _answer_early(self) -> Commands:
        """Answer before the body is complete, then close: the rest is not worth reading."""
        response = self.flow.response
        assert response is not None
        self.request_body_buf.clear()
        self._policy.intake.release(self.context.client.id)
        self._expect_no_more()
        yield HttpResponseHook(self.flow)
        response.headers["connection"] = "close"
        yield SendHttp(ResponseHeaders(self.stream_id, response, False), self.context.client)
        if response.raw_content:
            data = ResponseData(self.stream_id, response.raw_content)
            yield SendHttp(data, self.context.client)
        self.client_state = self.server_state = self.state_errored
        self.flow.live = False
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        yield commands.CloseTcpConnection(self.context.client, half_close=True)
        self._deadlines.set("linger", time.monotonic() + LINGER_S)
