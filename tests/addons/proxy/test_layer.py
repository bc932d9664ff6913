"""What the layer adds to mitmproxy's: merged pieces, the key on a copy, deadlines, cuts."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.test import tflow, tutils

from addons.proxy.layer import merge_response_data
from addons.proxy.plan import PLAN_KEY
from shared.domain.catalog import Dialect
from tests.support import streams
from tests.support.gateway_worker import (
    IDLE_S,
    PATHS,
    UPSTREAM_KEY,
    RunningWorker,
    body,
    named,
    request,
)
from tests.support.raw_upstream import Do, Pause, RawUpstream, chunk, response, stream_head

DIALECTS = list(Dialect)


def data(content: bytes) -> ReceiveHttp:
    return ReceiveHttp(ResponseData(1, content))


HEAD = ReceiveHttp(ResponseHeaders(1, tutils.tresp()))
END = ReceiveHttp(ResponseEndOfMessage(1))
CLOSE = commands.CloseConnection(tflow.tserver_conn())


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], []),
        ([HEAD, END], [HEAD, END]),
        ([HEAD, data(b"a"), END], [HEAD, b"a", END]),
        ([HEAD, data(b"a"), data(b"b"), data(b"c"), END], [HEAD, b"abc", END]),
        ([data(b"a"), data(b"b")], [b"ab"]),
        ([data(b"a"), CLOSE, data(b"b"), data(b"c")], [b"a", CLOSE, b"bc"]),
    ],
)
def test_pieces_of_one_read_become_one(
    asked: list[commands.Command], expected: list[object]
) -> None:
    found = [
        one.event.data
        if isinstance(one, ReceiveHttp) and isinstance(one.event, ResponseData)
        else one
        for one in merge_response_data(asked)
    ]
    assert found == expected


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_key_goes_on_a_copy(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    raw_upstream.script(response(b"{}"))
    flows = []
    original = worker.addon("AccessLog").response
    with worker.replaced(
        "AccessLog", "response", lambda flow: (flows.append(flow), original(flow))[1]
    ):
        assert worker.ask(worker.post(dialect, named("raw", dialect))).status == 200
    (flow,) = flows
    assert UPSTREAM_KEY in raw_upstream.requests[0].head.decode()
    assert UPSTREAM_KEY not in repr(flow.request.headers.fields)
    assert UPSTREAM_KEY not in repr(flow.get_state())


def test_the_upstream_key_is_on_no_flow(worker: RunningWorker, raw_upstream: RawUpstream) -> None:
    raw_upstream.script(Do.RESET)
    raw_upstream.script(stream_head(), chunk(b""))
    raw_upstream.script(response(b"{}"))
    dialect = Dialect.ANTHROPIC
    for stream in (False, True, False):
        worker.ask(worker.post(dialect, named("raw", dialect), stream=stream))
    assert all(UPSTREAM_KEY.encode() in received.head for received in raw_upstream.requests)
    assert len(raw_upstream.requests) == 3
    assert len(worker.spy.seen) >= 11
    assert UPSTREAM_KEY not in "".join(worker.spy.seen)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_only_what_is_named_goes_to_the_upstream(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    raw_upstream.script(response(b"{}"))
    data = body(dialect, named("prefixed", dialect, "model-7"), metadata={"a": 1})
    headers = ("anthropic-version: 2024-01-01", "anthropic-beta: one,two", "user-agent: me/1")
    more = ("cookie: a=b", "x-forwarded-for: 6.6.6.6", "te: trailers", "proxy-authorization: x")
    path = f"{PATHS[dialect]}?beta=true&key=1"
    worker.ask(worker.keyed("POST", path, *headers, *more, "x-secret: s", data=data))
    (received,) = raw_upstream.requests
    common = {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "TrollLLM",
        "host": f"127.0.0.1:{raw_upstream.port}",
        "content-length": str(len(received.body)),
    }
    own = {
        Dialect.OPENAI: {"authorization": f"Bearer {UPSTREAM_KEY}"},
        Dialect.ANTHROPIC: {
            "x-api-key": UPSTREAM_KEY,
            "anthropic-version": "2024-01-01",
            "anthropic-beta": "one,two",
        },
    }
    query = "?beta=true" if dialect is Dialect.ANTHROPIC else ""
    line = f"POST /prefix{PATHS[dialect]}{query} HTTP/1.1"
    assert received.head.split(b"\r\n")[0].decode() == line
    assert received.headers == common | own[dialect]
    sent = json.loads(received.body)
    assert sent["model"] == "model-7"
    assert worker.key.encode() not in received.raw


@pytest.mark.parametrize("field", ["host", "port", "scheme", "plan"])
def test_a_flow_that_was_turned_elsewhere_does_not_leave(
    worker: RunningWorker, raw_upstream: RawUpstream, field: str
) -> None:
    def turn(flow) -> None:
        if field == "plan":
            flow.metadata.pop(PLAN_KEY, None)
        else:
            setattr(flow.request, field, {"host": "localhost", "port": 1, "scheme": "https"}[field])

    dialect = Dialect.OPENAI
    with worker.replaced("Spy", "request", turn):
        answer = worker.ask(worker.post(dialect, named("raw", dialect)))
    assert answer.status == 502
    assert answer.json["error"]["code"] == "upstream_error"
    assert raw_upstream.opened == 0
    assert worker.settled().cost_nano == 0


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    raw_upstream.script(stream_head(), chunk(streams.events(dialect)[0]), Do.STALL)
    with worker.client() as idle, worker.client() as busy:
        idle.ask(request("GET", "/health"))
        busy.send(worker.post(dialect, named("raw", dialect), stream=True))
        busy.read_until(b"\n\n\r\n")
        assert idle.is_closed(IDLE_S + 3)
        assert worker.worker.lifecycle.live == 1
    worker.settled()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_takes_too_long_in_all_is_ended(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    event = streams.events(dialect)[1]
    raw_upstream.script(stream_head(), *[chunk(event), Pause(0.1)] * 12, Do.STALL)
    answer = worker.ask(worker.post(dialect, named("hurried", dialect), stream=True))
    assert len(answer.events) < 12
    assert b"took too long" in answer.events[-1]


def test_one_timer_serves_a_connection(worker: RunningWorker) -> None:
    with worker.client() as client:
        for _ in range(20):
            client.ask(request("GET", "/health"))
        (handler,) = worker.worker.master.proxyserver.connections.values()
        assert len(handler.wakeup_timer) <= 2


def test_unfinished_requests_can_be_cut(worker: RunningWorker, raw_upstream: RawUpstream) -> None:
    for dialect in DIALECTS:
        raw_upstream.script(stream_head(), chunk(streams.events(dialect)[0]), Do.STALL)
        with worker.client() as client:
            client.send(worker.post(dialect, named("raw", dialect), stream=True))
            client.read_until(b"\n\n\r\n")
            worker.run(worker.worker.master.cut_requests)
            rest = client.read_until(b"0\r\n\r\n")
            assert b"took too long" in rest
    worker.settled(2)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_waiting_requests_can_be_cut(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    raw_upstream.script(Do.STALL)
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect)))
        raw_upstream.wait_for(lambda upstream: upstream.requests)
        worker.run(worker.worker.master.cut_requests)
        assert client.read().status == 504
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)
    worker.settled()


@pytest.mark.parametrize("rest", [b"", b'{"model": 1}'])
def test_an_upload_can_be_cut(worker: RunningWorker, rest: bytes) -> None:
    with worker.client() as client:
        client.send(worker.keyed("POST", "/v1/messages", "content-length: 12", data=None))
        worker.wait_for(lambda: worker.worker.lifecycle.live == 1)
        worker.run(worker.worker.master.cut_requests)
        assert client.read().status == 503
        client.send(rest)
        client.half_close()
        assert client.is_closed()
    assert worker.ledger.steps == []


def test_what_comes_from_a_connection_that_was_given_up_means_nothing(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    late = response(streams.body(dialect))
    raw_upstream.script(b"HTTP/1.1 100 Continue\r\n\r\n", late)
    with worker.client() as client:
        assert client.ask(worker.post(dialect, named("raw", dialect))).status == 502
        time.sleep(0.05)
        raw_upstream.script(response(b'{"second": 2}'))
        assert client.ask(worker.post(dialect, named("raw", dialect))).json == {"second": 2}


def test_loops_of_the_test_and_the_worker_are_two(worker: RunningWorker) -> None:
    assert worker.run(asyncio.get_running_loop) is worker.loop
