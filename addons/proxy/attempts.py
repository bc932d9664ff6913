"""Upstream attempts of a request: connect, send, and what follows when that fails.

What it adds to mitmproxy's HttpStream: no upstream without a plan, and failed attempts are told to
the addons before a byte has gone to the client. An upstream's error is one of them: it is read to
its end, so that it can be judged and its connection stays usable.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import GetHttpConnection, SendHttp
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
)
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook

from addons.proxy.deadlines import Deadlines
from addons.proxy.plan import Attempt, LayerPolicy, UpstreamPlan
from addons.proxy.upload import Answer, Commands, UploadStream
from shared.errors import GatewayError, TrollError
from shared.wire import errors as refusals

TIMEOUTS = ("first_byte", "idle", "total")


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


class AttemptStream(UploadStream):
    """Sends a request that is complete to where its plan says, as often as the addons want."""

    def __init__(
        self,
        context: Context,
        stream_id: int,
        policy: LayerPolicy,
        deadlines: Deadlines,
        served: set[Server],
    ) -> None:
        super().__init__(context, stream_id, policy, deadlines)
        self._served = served
        self._attempts = 0
        self._reused = False
        self._idle_s = 0.0
        self._first_sent_s: float | None = None

    def make_server_connection(self) -> Answer:
        """Connect where the plan says; without a plan nothing leaves."""
        while True:
            plan = UpstreamPlan.of(self.flow)
            if plan is None or not plan.allows(self.flow.request):
                return (yield from self._ask("refused", "no decision where to send this"))
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
        if self._first_sent_s is None:
            self._first_sent_s = now
        # Where both are due at once, the one behind which nothing is tried again comes first.
        self._deadlines.set("total", self._first_sent_s + plan.timeouts.total_s)
        self._deadlines.set("first_byte", now + plan.timeouts.first_byte_s)
        try:
            plan.on_sent()
        except TrollError as error:
            return str(error)
        return ""

    def _ask(
        self,
        reason: str,
        message: str,
        *,
        answered: bool = False,
        response: http.Response | None = None,
    ) -> Answer:
        """Ask the addons: True to try again, False when the failure has been answered.

        What has no place to go to, or came back with a good answer, is not tried again.
        """
        self._deadlines.clear(*TIMEOUTS)
        attempt = Attempt(
            self.flow, self._attempts, reason, message, self._reused, answered, response
        )
        self.flow.response = None
        yield UpstreamAttemptFailedHook(attempt)
        if (yield from self.check_killed(True)):
            return False
        stays = answered or reason == "refused" or self.flow.response is not None
        if attempt.retry and not stays:
            self.flow.server_conn = Server(address=None)
            return True
        yield from self._conclude(attempt)
        return False

    def _conclude(self, attempt: Attempt) -> Commands:
        """Answer with what the addons said, else with the upstream's own error."""
        if self.flow.response is None and attempt.response is not None:
            self.flow.response = attempt.response
            yield HttpResponseHeadersHook(self.flow)
            if (yield from self.check_killed(True)):
                return
        if self.flow.response is None:
            self.flow.response = self._policy.answer(self.flow, failure("broken"))
        self.server_state = self.state_consume_response_body
        yield from self.send_response()

    # Errors of the upstream

    def _hear_out(self, response: http.Response) -> Commands:
        """Take an error to its end before anybody is told of it."""
        self.flow.response = response
        if (yield from self.check_invalid(False)):
            return
        self._touch()
        self.server_state = self.state_consume_error_body

    def state_consume_error_body(self, event: HttpEvent) -> Commands:
        """Buffer an error; of one that is too large the beginning will do."""
        self._touch()
        if isinstance(event, ResponseData):
            self.response_body_buf += event.data
            if len(self.response_body_buf) <= self._policy.max_error:
                return
            yield AbandonUpstream(self.context.server)
        elif not isinstance(event, ResponseEndOfMessage):
            return
        response = self._heard()
        message = f"it answered {response.status_code}"
        if (yield from self._ask("status", message, response=response)):
            yield from self._send_again()

    def _heard(self) -> http.Response:
        """The error with as much of its body as came, in a framing that fits."""
        response = self.flow.response
        assert response is not None
        body = bytes(self.response_body_buf)[: self._policy.max_error]
        self.response_body_buf.clear()
        response.data.content = body
        response.headers.pop("transfer-encoding", None)
        response.headers["content-length"] = str(len(body))
        return response

    def _touch(self) -> None:
        self._deadlines.set("idle", time.monotonic() + self._idle_s)

    def _send_again(self) -> Commands:
        self.server_state = self.state_wait_for_response_headers
        if not (yield from self.make_server_connection()):
            return
        request, content = self.flow.request, self.flow.request.raw_content or b""
        yield SendHttp(RequestHeaders(self.stream_id, request, not content), self.context.server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), self.context.server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)


def failure(reason: str) -> GatewayError:
    """What a client is told of an upstream that failed for that reason."""
    return refusals.upstream_timed_out() if reason in TIMEOUTS else refusals.upstream_failed()
