"""One request and its answer, on mitmproxy's HttpStream.

What it adds: no upstream without a plan, failed attempts are told to the addons before a byte has
gone to the client, refusals are answered without reading the body to its end, and a stream that
breaks ends with an error event.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.net.http import http1, status_codes
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpResponseHook

from addons.proxy.deadlines import Deadlines
from addons.proxy.headers import FastHeaders
from addons.proxy.plan import Attempt, LayerPolicy, StreamRelay, UpstreamPlan
from shared.errors import GatewayError, TrollError
from shared.wire import errors as refusals

UNREAD_BODY_BYTES = 64 * 1024

Commands = Generator[commands.Command, Any, None]
Answer = Generator[commands.Command, Any, bool]


@dataclass
class UpstreamAttemptFailedHook(commands.StartHook):
    """An upstream attempt failed before a byte went to the client: answer it, or retry."""

    attempt: Attempt


@dataclass
class AbandonUpstream(HttpCommand):
    """Close an upstream connection and hear no more of it."""

    connection: Server

    def __hash__(self) -> int:
        return id(self)


@dataclass
class UpstreamTimedOut(HttpEvent):
    """A deadline of the upstream passed: `first_byte`, `idle` or `total`."""

    reason: str


class GatewayStream(HttpStream):
    """A request of a client, its upstream attempts, and the one answer it gets."""

    def __init__(
        self,
        context: Context,
        stream_id: int,
        policy: LayerPolicy,
        deadlines: Deadlines,
        served: set[Server],
    ) -> None:
        super().__init__(context, stream_id)
        self._policy = policy
        self._deadlines = deadlines
        self._served = served
        self._attempts = 0
        self._reused = False
        self._unread_bytes = 0
        self._client_gone = False
        self._idle_s = 0.0

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, UpstreamTimedOut):
            if self._client_gone:
                return
            yield from self.upstream_failed(event.reason, f"no answer in time ({event.reason})")
        else:
            yield from super()._handle_event(event)

    # Requests

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        """Let the addons see the head; answer at once what they refuse."""
        expects = "expect" in event.request.headers
        if not event.end_stream:
            self._deadlines.set("body", time.monotonic() + self._policy.body_s)
        yield from super().state_wait_for_request_headers(event)
        if self.client_state != self.state_consume_request_body or self.flow.response is None:
            return
        if not event.end_stream and (expects or self._unread_size() > UNREAD_BODY_BYTES):
            yield from self._answer_early()

    def state_consume_request_body(self, event: HttpEvent) -> Commands:
        """Buffer the body, with a deadline between its pieces."""
        if isinstance(event, RequestData):
            self._deadlines.set("body", time.monotonic() + self._policy.body_s)
        elif isinstance(event, RequestEndOfMessage):
            self._deadlines.clear("body")
        yield from super().state_consume_request_body(event)

    def check_body_size(self, request: bool) -> Answer:
        """Bound both bodies; a request that grows too large is answered at once."""
        if request:
            if len(self.request_body_buf) <= self._policy.max_body:
                return False
            self.flow.response = self._policy.answer(
                self.flow, refusals.request_too_large(self._policy.max_body)
            )
            yield from self._answer_early()
            return True
        if len(self.response_body_buf) <= self._policy.max_response:
            return False
        yield from self.upstream_failed("broken", "the response body is too large")
        return True

    def state_errored(self, event: HttpEvent) -> Commands:
        """Swallow what still arrives, up to a bound."""
        if isinstance(event, RequestData):
            self._unread_bytes += len(event.data)
            if self._unread_bytes > UNREAD_BODY_BYTES:
                yield commands.CloseConnection(self.context.client)
        yield from ()

    def _unread_size(self) -> int:
        size = http1.expected_http_body_size(self.flow.request)
        return UNREAD_BODY_BYTES + 1 if size is None else size

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
        self._deadlines.clear("body")
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
        self._deadlines.set("linger", time.monotonic() + 2.0)

    # Upstream

    def make_server_connection(self) -> Answer:
        """Connect where the plan says; without a plan nothing leaves."""
        while True:
            plan = UpstreamPlan.of(self.flow)
            if plan is None or not plan.allows(self.flow.request):
                return (yield from self._give_up("refused", "no decision where to send this"))
            self._attempts += 1
            connection, error = yield GetHttpConnection(
                (plan.host, plan.port),
                plan.scheme == "https",
                self.flow.server_conn.via,
                self.flow.server_conn.transport_protocol,
            )
            if (yield from self.check_killed(True)):
                return False
            reason = "connect"
            if not error:
                error, reason = self._connected(connection, plan), "journal"
                if not error:
                    return True
            if not (yield from self._ask(reason, error)):
                return False

    def _connected(self, connection: Server, plan: UpstreamPlan) -> str:
        """Take a connection into use; a message when the request must not leave after all."""
        self._reused = connection in self._served
        self._served.add(connection)
        self.context.server = self.flow.server_conn = connection
        self._idle_s = plan.timeouts.idle_s
        now = time.monotonic()
        self._deadlines.set("first_byte", now + plan.timeouts.first_byte_s)
        self._deadlines.set("total", now + plan.timeouts.total_s)
        try:
            plan.on_sent()
        except TrollError as error:
            return str(error)
        return ""

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> Commands:
        """The answer begins: the addons decide how it is relayed."""
        self._deadlines.clear("first_byte")
        if event.response.status_code < 200:
            yield from self.upstream_failed("broken", f"an interim {event.response.status_code}")
            return
        event = ResponseHeaders(event.stream_id, _detached(event.response), event.end_stream)
        yield from super().state_wait_for_response_headers(event)
        if self._replaced_upstream_response(event):
            yield AbandonUpstream(self.context.server)
            yield from self.send_response()
            return
        if event.end_stream and self._relay() is not None:
            # A stream without a body is one that was cut: the relay must see its end.
            yield from self.start_response_stream()
        self._touch()

    def check_invalid(self, request: bool) -> Answer:
        """An upstream whose headers cannot be trusted has failed like any other."""
        if request:
            return False  # `read_head` was stricter already
        assert self.flow.response is not None
        try:
            validate_headers(self.flow.response)
        except ValueError as error:
            yield from self.upstream_failed("broken", f"malformed headers: {error}")
            return True
        return False

    def _replaced_upstream_response(self, event: ResponseHeaders) -> bool:
        """Whether an addon put a response of our own in the place of the upstream's."""
        waiting = self.server_state == self.state_consume_response_body
        return waiting and self.flow.response is not event.response

    def state_stream_response_body(self, event: HttpEvent) -> Commands:
        """Relay pieces; a relay that has failed ends the answer."""
        self._touch()
        yield from super().state_stream_response_body(event)
        relay = self._relay()
        if relay is not None and relay.failed and self._streaming():
            yield AbandonUpstream(self.context.server)
            yield from self.send_response(already_streamed=True)

    def state_consume_response_body(self, event: HttpEvent) -> Commands:
        """Buffer an answer that is not streamed."""
        self._touch()
        yield from super().state_consume_response_body(event)

    def _touch(self) -> None:
        self._deadlines.set("idle", time.monotonic() + self._idle_s)

    def send_response(self, already_streamed: bool = False) -> Commands:
        """Send the answer; an error that the last hooks raised still reaches a stream."""
        self._deadlines.clear("first_byte", "idle", "total")
        response = self.flow.response
        generator = super().send_response(already_streamed)
        for_stream = self._relay() if already_streamed else None
        if for_stream is None:
            yield from generator
            return
        yield from self._send_streamed_end(generator, for_stream, response)

    def _send_streamed_end(
        self, generator: Commands, relay: StreamRelay, response: http.Response | None
    ) -> Commands:
        """Run the response hook, then add an error event if it replaced the response."""
        hook = next(generator)
        yield hook
        if self.flow.response is not response:
            self.flow.response = response
            for chunk in relay.report(refusals.internal_error()):
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        yield from generator

    # Failure

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> Commands:
        """An upstream that breaks is answered for; a client that leaves ends the flow."""
        if not isinstance(event, ResponseProtocolError):
            self._client_gone = True
            self._deadlines.clear("body", "first_byte", "idle", "total")
            yield from super().handle_protocol_error(event)
            return
        # We closed the upstream ourselves when the client left: that is no failure of its.
        if not self._client_gone and self.server_state not in (
            self.state_done,
            self.state_errored,
        ):
            yield from self.upstream_failed("broken", event.message)

    def upstream_failed(self, reason: str, message: str) -> Commands:
        """The upstream broke or was too slow, wherever the answer had come to."""
        if self.client_state == self.state_consume_request_body:
            yield from self._cut_upload()
            return
        if self._streaming():
            yield AbandonUpstream(self.context.server)
            yield from self._end_broken_stream(reason)
            return
        answered = self.server_state == self.state_consume_response_body
        if self.server_state != self.state_wait_for_response_headers and not answered:
            return
        yield AbandonUpstream(self.context.server)
        self.response_body_buf.clear()
        if (yield from self._ask(reason, message, answered=answered)):
            self.server_state = self.state_wait_for_response_headers
            yield from self._send_again()

    def _end_broken_stream(self, reason: str) -> Commands:
        relay = self._relay()
        if relay is not None:
            for chunk in relay.fail(_broken(reason)):
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        yield from self.send_response(already_streamed=True)

    def _ask(self, reason: str, message: str, *, answered: bool = False) -> Answer:
        """Ask the addons: True to try again, False when the failure has been answered."""
        self._deadlines.clear("first_byte", "idle", "total")
        attempt = Attempt(self.flow, self._attempts, reason, message, self._reused, answered)
        self.flow.response = None
        yield UpstreamAttemptFailedHook(attempt)
        if (yield from self.check_killed(True)):
            return False
        if attempt.retry and not answered:
            self.flow.server_conn = Server(address=None)
            return True
        return (yield from self._answer_failure())

    def _give_up(self, reason: str, message: str) -> Answer:
        attempt = Attempt(self.flow, self._attempts, reason, message)
        yield UpstreamAttemptFailedHook(attempt)
        if (yield from self.check_killed(True)):
            return False
        return (yield from self._answer_failure())

    def _answer_failure(self) -> Answer:
        if self.flow.response is None:
            self.flow.response = self._policy.answer(self.flow, _broken("broken"))
        self.server_state = self.state_consume_response_body
        yield from self.send_response()
        return False

    def _send_again(self) -> Commands:
        if not (yield from self.make_server_connection()):
            return
        request, content = self.flow.request, self.flow.request.raw_content or b""
        yield SendHttp(RequestHeaders(self.stream_id, request, not content), self.context.server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), self.context.server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    # Ends

    def let_go(self) -> None:
        """Break the circles of a finished stream, so that its memory is free at once.

        mitmproxy leaves that to the garbage collector: some 50 objects and both bodies a request.
        """
        self.client_state = self.server_state = _over
        self.context.layers = []

    def state_done(self, _event: HttpEvent) -> Commands:
        """Swallow what an abandoned upstream had sent already."""
        yield from ()

    def _streaming(self) -> bool:
        return bool(self.server_state == self.state_stream_response_body)

    def _relay(self) -> StreamRelay | None:
        response = self.flow.response
        stream = response.stream if response is not None else None
        # mitmproxy types the callable by its call alone; that it can fail is what tells ours.
        return stream if callable(stream) and hasattr(stream, "fail") else None  # type: ignore[return-value]


def _over(_event: HttpEvent) -> Commands:
    """State of a stream that was let go."""
    yield from ()


def _detached(response: http.Response) -> http.Response:
    """A response that addons may change: the upstream's own says if its connection is kept.

    Version and reason are those of our own answers.
    """
    data = response.data
    data.headers = FastHeaders.of(data.headers.fields)
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=data.status_code,
        reason=status_codes.RESPONSES.get(data.status_code, "").encode(),
        headers=data.headers,
        content=None,
        trailers=None,
        timestamp_start=data.timestamp_start,
        timestamp_end=None,
    )


def _broken(reason: str) -> GatewayError:
    if reason in ("first_byte", "idle", "total"):
        return refusals.upstream_timed_out()
    return refusals.upstream_failed()
