"""What the layer adds to mitmproxy's, by itself; the rest is tested over sockets."""

from __future__ import annotations

import asyncio
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
from tests.support.gateway_worker import IDLE_S, UPSTREAM_KEY, RunningWorker, named, request
from tests.support.raw_upstream import Do, RawUpstream, chunk, response, stream_head

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
