"""What the gateway takes for granted about mitmproxy: each fact that its own code works around.

When one fails after an upgrade, the code that leans on it must be read again; see the pins too.
"""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import h11
import pytest
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import hooks, http
from mitmproxy.addons import block, proxyserver
from mitmproxy.connection import ConnectionState
from mitmproxy.flow import Error
from mitmproxy.proxy import commands, events, server_hooks
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, HttpRequestHook, HttpStream
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.test import taddons, tflow, tutils

from tests.support import mitmproxy_pins as pins

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def test_the_version_is_the_one_that_was_read() -> None:
    """12.3 ships a compromised CA key; 11 lacks security fixes. See also the pins below."""
    assert version("mitmproxy") == pins.VERSION


@pytest.mark.parametrize(("name", "function"), list(pins.functions()))
def test_what_is_overridden_or_leaned_on_is_unchanged(name: str, function: Any) -> None:
    old, new = pins.stored().get(name), pins.pin(function)
    assert old is not None, f"{name} is not pinned yet: run python -m tests.support.mitmproxy_pins"
    found = pins.difference(name, old, new)
    assert not found, f"{found}\n\nIt reads now:\n{inspect.getsource(function)}"


def test_nothing_is_pinned_that_is_gone() -> None:
    assert pins.stored().keys() == dict(pins.functions()).keys()


def test_a_change_is_told_in_words() -> None:
    def before(flow: object) -> None:
        print(flow)

    def after(flow: object, now: int = 0) -> None:
        repr(flow)
        print(now)

    told = pins.difference("f", pins.pin(before), pins.pin(after))
    assert "signature was (flow: 'object') -> 'None'" in told
    assert "now calls repr" in told
    assert pins.difference("f", pins.pin(before), pins.pin(before)) == ""


def test_comments_and_docstrings_are_no_change() -> None:
    def plain() -> int:
        return 1

    def explained() -> int:
        """Words."""
        return 1  # more words

    explained.__name__ = "plain"
    one, other = pins.pin(plain), pins.pin(explained)
    assert (one.signature, one.statements) == (other.signature, other.statements)


# Addons: why there is a table of hooks of our own


class Raising:
    """Raises in the request hook."""

    def request(self, _flow: http.HTTPFlow) -> None:
        raise RuntimeError("a check has failed")


class Seeing:
    """Notes that it was called."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def request(self, _flow: http.HTTPFlow) -> None:
        self.seen.append("request")

    def update(self, _flows: object) -> None:
        self.seen.append("update")


async def test_an_exception_in_a_hook_lets_the_flow_go_on() -> None:
    seeing = Seeing()
    flow = tflow.tflow()
    with taddons.context(loadcore=False) as context:
        context.master.addons.add(Raising(), seeing)
        await context.master.addons.handle_lifecycle(HttpRequestHook(flow))
    assert seeing.seen == ["request", "update"]
    assert flow.response is None
    assert flow.error is None


def test_every_hook_has_one_argument_and_waits_unless_told() -> None:
    for name in ("requestheaders", "request", "responseheaders", "response", "error"):
        hook = hooks.all_hooks[name](tflow.tflow())
        assert len(hook.args()) == 1
        assert hook.blocking  # type: ignore[attr-defined]
    assert server_hooks.ClientConnectedHook in hooks.all_hooks.values()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("connection_strategy", "eager"),
        ("body_size_limit", None),
        ("validate_inbound_headers", True),
        ("store_streamed_bodies", False),
        ("keep_host_header", False),
        ("tcp_timeout", 600),
    ],
)
def test_defaults_that_are_not_ours(option: str, value: object) -> None:
    with taddons.context(proxyserver.Proxyserver()) as context:
        assert getattr(context.options, option) == value


def test_public_clients_are_killed_by_an_addon_that_we_leave_out() -> None:
    with taddons.context(block.Block()) as context:
        assert context.options.block_global is True


# The client's side: why heads are read strictly and answers are our own


def context_of() -> Context:
    with taddons.context(proxyserver.Proxyserver()) as made:
        options = made.options
    client = tflow.tclient_conn()
    client.state = ConnectionState.OPEN
    return Context(client, options)


def server() -> Http1Server:
    made = Http1Server(context_of())
    list(made.handle_event(events.Start()))
    return made


def receive(side: Http1Server | Http1Client, data: bytes) -> list[commands.Command]:
    return list(side.handle_event(events.DataReceived(side.conn, data)))


def sent(found: list[commands.Command]) -> bytes:
    return b"".join(one.data for one in found if isinstance(one, commands.SendData))


def answer(side: Http1Server, *events_: Any) -> bytes:
    return b"".join(sent(list(side.handle_event(event))) for event in events_)


def chunked() -> http.Response:
    return http.Response.make(200, b"", {"transfer-encoding": "chunked"})


def test_heads_have_no_limit() -> None:
    assert receive(server(), b"GET / HTTP/1.1\r\nx: " + b"y" * 1_000_000) == []


def test_a_bad_head_gets_a_page_with_the_version() -> None:
    page = sent(receive(server(), b"GET / HTTP/9\r\n\r\n"))
    assert b"Server: mitmproxy" in page
    assert b"text/html" in page


def test_trailers_are_a_crash() -> None:
    side = server()
    receive(side, POST)
    with pytest.raises(NotImplementedError):
        receive(side, b"0\r\nx: y\r\n\r\n")


def test_an_empty_piece_ends_a_chunked_answer() -> None:
    side = server()
    receive(side, GET)
    assert answer(side, ResponseHeaders(1, chunked()), ResponseData(1, b"")).endswith(b"0\r\n\r\n")


def test_an_answer_to_head_is_given_its_body() -> None:
    side = server()
    receive(side, b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
    response = http.Response.make(404, b"body")
    assert answer(side, ResponseHeaders(1, response), ResponseData(1, b"body")).endswith(b"body")


def test_the_connection_goes_by_the_headers_of_the_answer() -> None:
    side = server()
    receive(side, GET)
    response = http.Response.make(200, b"", {"connection": "close"})
    found = list(side.handle_event(ResponseHeaders(1, response)))
    found += side.handle_event(ResponseEndOfMessage(1))
    assert any(isinstance(one, commands.CloseConnection) for one in found)


def test_a_client_that_half_closes_has_left() -> None:
    side = server()
    receive(side, GET)
    found = list(side.handle_event(events.ConnectionClosed(side.conn)))
    (told,) = [one for one in found if isinstance(one, ReceiveHttp)]
    assert told.event.code is ErrorCode.CLIENT_DISCONNECTED  # type: ignore[attr-defined]


def test_a_second_request_waits_in_a_buffer_without_bound() -> None:
    side = server()
    receive(side, GET)
    for _ in range(10):
        assert receive(side, b"x" * 100_000) == []
    assert len(side.buf) == 1_000_000


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.KILL, None),
        (ErrorCode.CLIENT_DISCONNECTED, None),
        (ErrorCode.REQUEST_VALIDATION_FAILED, 400),
        (ErrorCode.GENERIC_SERVER_ERROR, 502),
    ],
)
def test_what_is_answered_to_an_error(code: ErrorCode, status: int | None) -> None:
    assert code.http_status_code() == status


def test_the_reader_of_chunks_knows_how_much_is_to_come() -> None:
    reader, buffer = ChunkedReader(), ReceiveBuffer()
    buffer += b"ff\r\nx"
    assert isinstance(reader(buffer), h11.Data)
    assert reader._bytes_in_chunk == 0xFF - 1


# The upstream's side: why responses are copied and checked


def client() -> Http1Client:
    made = Http1Client(context_of())
    list(made.handle_event(events.Start()))
    request = tutils.treq(headers=http.Headers(host="x"), content=b"")
    list(made.handle_event(RequestHeaders(1, request, True)))
    list(made.handle_event(RequestEndOfMessage(1)))
    return made


def test_an_interim_answer_is_taken_for_the_answer() -> None:
    found = receive(client(), b"HTTP/1.1 100 Continue\r\n\r\n")
    told = [one.event for one in found if isinstance(one, ReceiveHttp)]
    assert [type(one) for one in told] == [ResponseHeaders, ResponseEndOfMessage]


def test_what_comes_unasked_closes_the_connection() -> None:
    side = client()
    receive(side, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    found = receive(side, b"HTTP/1.1 200 OK\r\n")
    assert any(isinstance(one, commands.CloseConnection) for one in found)


def test_a_request_goes_out_as_the_flow_has_it() -> None:
    """So what is on a flow is what an upstream sees; and what it must not see cannot be there."""
    side = Http1Client(context_of())
    list(side.handle_event(events.Start()))
    request = tutils.treq(headers=http.Headers(host="x", te="trailers", x_secret="y"))
    raw = sent(list(side.handle_event(RequestHeaders(1, request, False))))
    assert b"x-secret: y" in raw
    assert b"te: trailers" in raw


def test_a_packed_body_is_unpacked_without_bound() -> None:
    response = http.Response.make(200, b"", {"content-encoding": "gzip"})
    response.raw_content = gzip.compress(b" " * 20_000_000)
    assert len(response.content or b"") == 20_000_000


def test_a_broken_packed_body_raises() -> None:
    response = http.Response.make(200, b"", {"content-encoding": "gzip"})
    response.raw_content = b"no gzip"
    with pytest.raises(ValueError, match="gzip"):
        _ = response.content


# Requests


def test_methods_are_shown_in_upper_case() -> None:
    request = tutils.treq(method=b"post")
    assert request.method == "POST"
    assert request.data.method == b"post"


def test_a_new_host_rewrites_the_host_header_and_a_new_scheme_does_not() -> None:
    request = tutils.treq(headers=http.Headers(host="old"))
    request.scheme = "https"
    assert request.headers["host"] == "old"
    request.host = "new"
    assert request.headers["host"].startswith("new")


# Streams: why ours override what they do


def stream() -> HttpStream:
    context = context_of()
    HttpLayer(context, HTTPMode.transparent)
    made = HttpStream(context, 1)
    made.flow = tflow.tflow(resp=chunked())
    made.server_state = made.state_stream_response_body
    made.client_state = made.state_done
    return made


def relay(act: Any) -> Iterator[Any]:
    one = stream()
    assert one.flow.response is not None
    one.flow.response.stream = act
    return one.handle_event(ResponseData(1, b"piece"))


def test_a_relay_that_raises_loses_the_piece() -> None:
    def act(_data: bytes) -> bytes:
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError):
        list(relay(act))
    # What calls the layers logs that and goes on with the next piece.
    assert "except Exception" in inspect.getsource(ConnectionHandler.server_event)


def test_a_relay_may_give_several_pieces() -> None:
    found = list(relay(lambda data: [data, data]))
    assert [one.event.data for one in found] == [b"piece", b"piece"]


def test_an_upstream_that_breaks_in_a_stream_cuts_the_client() -> None:
    one = stream()
    list(one.handle_event(ResponseProtocolError(1, "reset", ErrorCode.GENERIC_SERVER_ERROR)))
    assert one.flow.error is not None
    assert one.flow.error.msg == "reset"


def test_a_killed_flow_is_known_by_its_message() -> None:
    flow = tflow.tflow()
    flow.live = True
    assert flow.killable
    flow.kill()
    assert flow.error is not None
    assert flow.error.msg == Error.KILLED_MESSAGE
    assert not flow.killable


# Connections


def test_a_hook_is_a_task_and_a_flow_can_be_paused_in_stock() -> None:
    """Both are what our handler does without; it overrides exactly these."""
    assert "create_task" in inspect.getsource(ConnectionHandler.server_event)
    assert "wait_for_resume" in inspect.getsource(ProxyConnectionHandler.handle_hook)


def test_connections_are_known_by_identity() -> None:
    one, other = tflow.tserver_conn(), tflow.tserver_conn()
    assert one != other
    assert len({one, other}) == 2
