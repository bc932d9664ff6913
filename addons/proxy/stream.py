"""One request and its answer; here is the side of the answer.

What it adds to mitmproxy's HttpStream: an answer is bounded and has deadlines, one that cannot be
trusted or breaks off is a failed attempt, and a stream that breaks ends with an error event.
"""

from __future__ import annotations

from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.net.http import status_codes
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
)

from addons.proxy.attempts import TIMEOUTS, AbandonUpstream, AttemptStream, failure
from addons.proxy.deadlines import Deadlines
from addons.proxy.headers import FastHeaders
from addons.proxy.plan import LayerPolicy, StreamRelay
from addons.proxy.upload import Answer, Commands
from shared.wire import errors as refusals
from shared.wire.upstream_faults import may_be_fault


@dataclass
class UpstreamTimedOut(HttpEvent):
    """A deadline of the upstream passed: `first_byte`, `idle` or `total`."""

    reason: str


class GatewayStream(AttemptStream):
    """A request of a client, its upstream attempts, and the one answer it gets."""

    def __init__(
        self,
        context: Context,
        stream_id: int,
        policy: LayerPolicy,
        deadlines: Deadlines,
        served: set[Server],
    ) -> None:
        super().__init__(context, stream_id, policy, deadlines, served)
        self._client_gone = False

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, UpstreamTimedOut):
            if self._client_gone:
                return
            yield from self.upstream_failed(event.reason, f"no answer in time ({event.reason})")
        else:
            yield from super()._handle_event(event)

    # Answers

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> Commands:
        """The answer begins: the addons decide how it is relayed."""
        self._deadlines.clear("first_byte")
        if event.response.status_code < 200:
            yield from self.upstream_failed("broken", f"an interim {event.response.status_code}")
            return
        event = ResponseHeaders(event.stream_id, _detached(event.response), event.end_stream)
        if may_be_fault(event.response.status_code):
            yield from self._hear_out(event.response)
            return
        yield from super().state_wait_for_response_headers(event)
        if self._replaced_upstream_response(event):
            yield AbandonUpstream(self.context.server)
            yield from self.send_response()
            return
        if event.end_stream and self._relay() is not None:
            # A stream without a body is one that was cut: the relay must see its end.
            yield from self.start_response_stream()
        self._touch()

    def check_body_size(self, request: bool) -> Answer:
        """Bound both bodies; an answer that grows too large has failed."""
        if request:
            return (yield from super().check_body_size(request))
        if len(self.response_body_buf) <= self._policy.max_response:
            return False
        yield from self.upstream_failed("broken", "the response body is too large")
        return True

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

    def send_response(self, already_streamed: bool = False) -> Commands:
        """Send the answer; an error that the last hooks raised still reaches a stream."""
        self._deadlines.clear(*TIMEOUTS)
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
            self._expect_no_more()
            self._deadlines.clear(*TIMEOUTS)
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
        if self._uploading():
            yield from self._cut_upload()
            return
        if self._streaming():
            yield AbandonUpstream(self.context.server)
            yield from self._end_broken_stream(reason)
            return
        answered = self.server_state == self.state_consume_response_body
        hearing = self.server_state == self.state_consume_error_body
        waiting = self.server_state == self.state_wait_for_response_headers
        if not (waiting or hearing or answered):
            return
        yield AbandonUpstream(self.context.server)
        response = self._heard() if hearing else None
        self.response_body_buf.clear()
        if (yield from self._ask(reason, message, answered=answered, response=response)):
            yield from self._send_again()

    def _end_broken_stream(self, reason: str) -> Commands:
        relay = self._relay()
        if relay is not None:
            for chunk in relay.fail(failure(reason)):
                yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)
        yield from self.send_response(already_streamed=True)

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
