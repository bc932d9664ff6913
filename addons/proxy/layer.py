"""All requests of one client connection, on mitmproxy's HttpLayer.

What it adds: deadlines, the upstream key put on a copy of the request as it leaves, upstream
connections that are forgotten once dead, and one piece of data per read instead of one per chunk.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Generator, Iterable
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpLayer,
    HTTPMode,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders, ResponseData

from addons.proxy.attempts import AbandonUpstream
from addons.proxy.deadlines import Deadlines
from addons.proxy.headers import FastHeaders
from addons.proxy.http1_server import GatewayHttp1Server
from addons.proxy.plan import LayerPolicy, UpstreamPlan
from addons.proxy.stream import GatewayStream, UpstreamTimedOut

Commands = Generator[commands.Command, Any, None]


class _Deaf(Layer):
    """In the place of an abandoned connection: whatever still arrives means nothing."""

    def _handle_event(self, _event: events.Event) -> Commands:
        yield from ()


class CutRequests(events.Event):
    """The worker leaves: live answers end now."""


class GatewayHttpLayer(HttpLayer):
    """The top layer of a client connection.

    Attributes:
        waiting_since: Monotonic clock from when no request was under way; None while one is.
    """

    def __init__(self, context: Context, policy: LayerPolicy) -> None:
        super().__init__(context, HTTPMode.transparent)
        self._policy = policy
        self._deadlines = Deadlines()
        self._timers: set[commands.RequestWakeup] = set()
        self._server = GatewayHttp1Server(context.fork(), policy)
        self.connections[context.client] = self._server
        self.served_connections: set[Server] = set()
        self._finished: Layer | None = None
        self.waiting_since: float | None = None
        self._abandoned: Layer | None = None

    @property
    def idle(self) -> bool:
        """Whether the connection waits for its next request."""
        return self._server.idle

    @property
    def holds_upload_back(self) -> bool:
        """Whether a body arrives that nobody takes yet: a hook is still looking at its head."""
        return self._server.reading_body and any(stream._paused for stream in self.streams.values())

    @property
    def unfinished(self) -> list[http.HTTPFlow]:
        """Flows that have begun and neither been answered nor lost."""
        flows = (getattr(stream, "flow", None) for stream in self.streams.values())
        return [flow for flow in flows if flow is not None and flow.killable]

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, CutRequests):
            yield from self._time_out("total")
        elif isinstance(event, events.Wakeup) and event.command in self._timers:
            self._timers.discard(event.command)
            for name in self._deadlines.expired(time.monotonic()):
                yield from self._expired(name)
        elif not self._is_late(event):
            yield from super()._handle_event(event)
        self._abandoned = None
        if self._finished is not None:
            self.release()
        yield from self._watch()

    def release(self) -> None:
        """Let go of a stream that is over: an idle connection keeps no bodies."""
        if isinstance(self._finished, GatewayStream):
            self._finished.let_go()
        self._finished = None
        self._policy.intake.release(self.context.client.id)

    def _is_late(self, event: events.Event) -> bool:
        """Whether an event comes from an upstream connection that was forgotten."""
        return (
            isinstance(event, events.ConnectionEvent)
            and event.connection is not self.context.client
            and event.connection not in self.connections
        )

    # Deadlines

    def _watch(self) -> Commands:
        """Keep the deadlines of the client's side up to date and a timer under way."""
        now = time.monotonic()
        waits = self.idle or self._server.reading_head
        self.waiting_since = (self.waiting_since or now) if waits else None
        self._follow("head", self._server.reading_head, now + self._policy.head_s)
        self._follow("idle_client", self._server.idle, now + self._policy.idle_s)
        due_at = self._deadlines.to_arm()
        if due_at is not None:
            timer = commands.RequestWakeup(max(0.001, due_at - now))
            self._timers.add(timer)
            yield timer

    def _follow(self, name: str, applies: bool, due_at: float) -> None:
        if not applies:
            self._deadlines.clear(name)
        elif not self._deadlines.has(name):
            self._deadlines.set(name, due_at)

    def _expired(self, name: str) -> Commands:
        if name.startswith("connect:"):
            yield from self._cancel_connect(name)
        elif name in ("first_byte", "idle", "total"):
            yield from self._time_out(name)
        else:
            yield commands.CloseConnection(self.context.client)

    def _time_out(self, reason: str) -> Commands:
        for stream_id, stream in list(self.streams.items()):
            yield from self.event_to_child(stream, UpstreamTimedOut(stream_id, reason))

    def _cancel_connect(self, name: str) -> Commands:
        """Close what is still connecting; its ordinary error path then reports the failure."""
        for connection in list(self.waiting_for_establishment):
            if _connect_deadline(connection) == name:
                top = self.connections[connection]
                for other, layer in list(self.connections.items()):
                    if layer is top:
                        yield commands.CloseConnection(other)

    # Streams and connections

    def make_stream(self, stream_id: int) -> Commands:
        """Start a stream of our own class."""
        stream = GatewayStream(
            self.context.fork(),
            stream_id,
            self._policy,
            self._deadlines,
            self.served_connections,
        )
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> Commands:
        """Connect or reuse, after forgetting dead connections, with a deadline."""
        self._forget_dead()
        plan = self._plan_of(event)
        before = set(self.waiting_for_establishment)
        yield from super().get_connection(event, reuse=reuse)
        for connection in set(self.waiting_for_establishment) - before:
            patience = plan.timeouts.connect_s if plan else self._policy.head_s
            self._deadlines.set(_connect_deadline(connection), time.monotonic() + patience)

    def register_connection(self, command: RegisterHttpConnection) -> Commands:
        """A connection is up, or failed: its deadline is over."""
        self._deadlines.clear(_connect_deadline(command.connection))
        yield from super().register_connection(command)

    def _plan_of(self, event: GetHttpConnection) -> UpstreamPlan | None:
        stream = self.command_sources.get(event)
        return UpstreamPlan.of(stream.flow) if isinstance(stream, GatewayStream) else None

    def _forget_dead(self) -> None:
        """Drop closed upstream connections: mitmproxy keeps them, and replays their errors."""
        for connection in list(self.connections):
            if (
                isinstance(connection, Server)
                and connection not in self.waiting_for_establishment
                and not connection.connected
            ):
                del self.connections[connection]
                self.served_connections.discard(connection)

    def _abandon(self, connection: Server) -> Commands:
        top = self.connections.get(connection)
        if top is None:
            return
        # It may be in the midst of telling what it has read.
        self._abandoned = top
        for other, layer in list(self.connections.items()):
            if layer is top:
                self.connections[other] = _Deaf(self.context.fork())
                yield commands.CloseConnection(other)

    # Commands

    def event_to_child(self, child: Layer, event: events.Event) -> Commands:
        """Hand an event to a child layer and carry out what it asks for."""
        asked: Iterable[commands.Command] = child.handle_event(event)
        if isinstance(event, events.DataReceived) and event.connection is not self.context.client:
            asked = merge_response_data(asked)
        for command in asked:
            if type(command) is commands.SendData:  # by far the most, and not for us
                yield command
                continue
            if command.blocking or isinstance(command, commands.RequestWakeup):
                self.command_sources[command] = child
            yield from self._carry_out(command, child)

    def _carry_out(self, command: commands.Command, child: Layer) -> Commands:
        match command:
            case ReceiveHttp() if child is not self._abandoned:
                yield from self._receive(command)
            case ReceiveHttp():
                pass
            case SendHttp():
                yield from self._send(command)
            case DropStream():
                self._finished = self.streams.pop(command.stream_id, None)
            case GetHttpConnection():
                yield from self.get_connection(command)
            case RegisterHttpConnection():
                yield from self.register_connection(command)
            case AbandonUpstream():
                yield from self._abandon(command.connection)
            case commands.OpenConnection():
                self.connections[command.connection] = child
                yield command
            case _:
                yield command

    def _receive(self, command: ReceiveHttp) -> Commands:
        if isinstance(command.event, RequestHeaders):
            yield from self.make_stream(command.event.stream_id)
        stream = self.streams.get(command.event.stream_id)
        if stream is not None:
            yield from self.event_to_child(stream, command.event)

    def _send(self, command: SendHttp) -> Commands:
        event = command.event
        if isinstance(event, RequestHeaders):
            event = self._with_credential(event)
        layer = self.connections.get(command.connection)
        if layer is not None:
            yield from self.event_to_child(layer, event)

    def _with_credential(self, event: RequestHeaders) -> RequestHeaders:
        """The upstream key goes on a copy, at the last moment: no flow ever holds it."""
        stream = self.streams[event.stream_id]
        plan = UpstreamPlan.of(stream.flow)
        if plan is None or not plan.allows(event.request):
            raise RuntimeError("a request without a decision was about to leave")
        name, value = plan.credential
        request = copy.copy(event.request)
        request.data = copy.copy(event.request.data)
        fields = event.request.headers.fields
        request.headers = FastHeaders.of((*fields, (name.encode(), value.encode())))
        return RequestHeaders(event.stream_id, request, event.end_stream)


def merge_response_data(asked: Iterable[commands.Command]) -> Commands:
    """Join consecutive pieces of a response body: each one costs a pass through the layers."""
    pending: list[bytes] = []
    source: ReceiveHttp | None = None
    for command in asked:
        if isinstance(command, ReceiveHttp) and isinstance(command.event, ResponseData):
            pending.append(command.event.data)
            source = command
            continue
        if source is not None:
            yield _joined(source, pending)
            pending, source = [], None
        yield command
    if source is not None:
        yield _joined(source, pending)


def _joined(source: ReceiveHttp, pieces: list[bytes]) -> ReceiveHttp:
    if len(pieces) == 1:
        return source
    return ReceiveHttp(ResponseData(source.event.stream_id, b"".join(pieces)))


def _connect_deadline(connection: object) -> str:
    return f"connect:{id(connection)}"
