"""A client connection from end to end, and faults inside of the proxy layers themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from addons.proxy.http1_server import GatewayHttp1Server
from addons.proxy.layer import GatewayHttpLayer
from addons.proxy.stream import GatewayStream
from shared.domain.catalog import Dialect
from tests.support import streams
from tests.support.gateway_worker import RunningWorker, named, request
from tests.support.raw_upstream import Do, RawUpstream, chunk, response, stream_head

DIALECT = Dialect.ANTHROPIC
FAILED = "the proxy layers failed"

PLACES: list[tuple[type, str]] = [
    (GatewayHttp1Server, "read_headers"),
    (GatewayHttp1Server, "read_body"),
    (GatewayHttp1Server, "mark_done"),
    (GatewayHttp1Server, "send"),
    (GatewayHttpLayer, "make_stream"),
    (GatewayHttpLayer, "get_connection"),
    (GatewayHttpLayer, "register_connection"),
    (GatewayHttpLayer, "_with_credential"),
    (GatewayStream, "state_wait_for_request_headers"),
    (GatewayStream, "state_consume_request_body"),
    (GatewayStream, "make_server_connection"),
    (GatewayStream, "_connected"),
    (GatewayStream, "state_wait_for_response_headers"),
    (GatewayStream, "state_stream_response_body"),
    (GatewayStream, "send_response"),
]


def broken(calls: list[str]) -> Callable[..., Any]:
    """A method that raises, always."""

    def method(self: object, *args: object, **fields: object) -> Any:
        calls.append(type(self).__name__)
        raise RuntimeError("planted in a layer")

    return method


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
def test_a_fault_in_a_layer_closes_the_connection_and_ends_the_request(
    worker: RunningWorker,
    raw_upstream: RawUpstream,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
) -> None:
    raw_upstream.script(stream_head(), *map(chunk, streams.events(DIALECT)), chunk(b""))
    calls: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken(calls))
        with worker.client() as client:
            client.send(worker.post(DIALECT, named("raw", DIALECT), stream=True))
            while client.read_some():
                pass
    assert calls
    worker.wait_for(lambda: not worker.worker.master.proxyserver.connections)
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)
    assert any(FAILED in line for line in worker.records.lines)
    worker.records.lines.clear()
    worker.assert_clean()
    opened = [step for step, _ in worker.ledger.steps if step == "open"]
    assert len(worker.ledger.settled) == len(opened)


def test_a_client_that_reads_slowly_slows_the_upstream(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    event = b"data: " + b"x" * 50_000 + b"\n\n"
    raw_upstream.script(stream_head(), *[chunk(event)] * 1_000, Do.STALL)
    with worker.client() as client:
        client.send(worker.post(DIALECT, named("raw", DIALECT), stream=True))
        client.read_until(b"\r\n\r\n")
        raw_upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
        time.sleep(0.3)
        assert worker.run(lambda: waiting_bytes(worker)) < 2_000_000
    worker.settled()
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)


def waiting_bytes(worker: RunningWorker) -> int:
    """Bytes that the worker holds for all its peers."""
    return sum(
        io.writer.transport.get_write_buffer_size()
        for handler in worker.worker.master.proxyserver.connections.values()
        for io in handler.transports.values()
        if io.writer is not None
    )


def test_no_task_outlives_its_connection(worker: RunningWorker, raw_upstream: RawUpstream) -> None:
    count = len(worker.run(asyncio.all_tasks))
    for _ in range(5):
        raw_upstream.script(Do.STALL)
        raw_upstream.script(response(b"{}"))
        with worker.client() as left, worker.client() as client:
            left.send(worker.post(DIALECT, named("raw", DIALECT)))
            raw_upstream.wait_for(lambda upstream: upstream.requests)
            client.ask(worker.post(DIALECT, named("raw", DIALECT)))
            client.ask(request("GET", "/health"))
    worker.wait_for(lambda: len(worker.run(asyncio.all_tasks)) <= count)


def test_connections_without_a_request_are_let_go(worker: RunningWorker) -> None:
    clients = [worker.client() for _ in range(20)]
    worker.wait_for(lambda: len(worker.worker.master.proxyserver.connections) == 20)
    assert worker.worker.lifecycle.live == 0
    for client in clients:
        client.close()
    worker.wait_for(lambda: not worker.worker.master.proxyserver.connections)
