"""A worker that leaves: what is under way ends well, and nothing new is taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import pytest

import addons.worker
from addons.worker import leaving_on_signals
from shared.domain.catalog import Dialect
from tests.support import streams
from tests.support.gateway_worker import RunningWorker, named, request, running_worker
from tests.support.raw_client import RawClient
from tests.support.raw_upstream import Do, Pause, RawUpstream, chunk, response, stream_head

DIALECTS = list(Dialect)


@pytest.fixture
def leaving(tmp_path: Path, raw_upstream: RawUpstream) -> Iterator[RunningWorker]:
    """A worker of the test's own, that it may stop."""
    with running_worker(tmp_path, {"raw": raw_upstream.port}) as running:
        yield running
    assert not running.holds.held
    assert not running.ledger.faults


def leave(worker: RunningWorker) -> None:
    worker.loop.call_soon_threadsafe(worker.worker.leave)
    worker.wait_for(lambda: worker.worker.lifecycle.draining)


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_idle_connections_are_closed_and_new_ones_refused(leaving: RunningWorker) -> None:
    with leaving.client() as client:
        client.ask(request("GET", "/health"))
        leave(leaving)
        assert client.is_closed()
    leaving.wait_for(lambda: is_refused(leaving.port))


def test_a_client_in_the_midst_of_its_work_is_told_to_close(leaving: RunningWorker) -> None:
    ask = leaving.keyed("GET", "/v1/models")
    with leaving.client() as client:
        assert "connection" not in client.ask(ask).headers
        leave(leaving)
        answer = client.ask(ask)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.is_closed()


@pytest.mark.parametrize(("proxies", "left"), [([], 3), ([ip_network("127.0.0.0/8")], 6)])
def test_an_address_keeps_so_many_idle_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxies: list[IPv4Network], left: int
) -> None:
    for name, value in (("MAX_WAITING", 3), ("ABOUT_TO_ASK_S", 0.0)):
        monkeypatch.setattr(addons.worker, name, value)
    with running_worker(tmp_path, {"raw": 1}) as running, contextlib.ExitStack() as stack:
        running.worker._proxies = proxies
        clients = [stack.enter_context(running.client()) for _ in range(6)]
        for client in clients:
            client.ask(request("GET", "/health"))
        running.run(running.worker._sweep)
        running.wait_for(lambda: len(running.worker.master.waiting()) == left)
        for client in clients[-left:]:
            assert client.ask(request("GET", "/health")).status == 200
        assert all(client.is_closed() for client in clients[:-left])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_under_way_is_sent_to_its_end(
    leaving: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    first, *rest = map(chunk, streams.events(dialect))
    raw_upstream.script(stream_head(), first, Pause(0.3), *rest, chunk(b""))
    with leaving.client() as client:
        client.send(leaving.post(dialect, named("raw", dialect), stream=True))
        head = client.read_until(b"\n\n\r\n")
        leave(leaving)
        assert streams.last_word(dialect) in head + client.read_until(b"0\r\n\r\n")
        assert client.is_closed()
    assert [record.end_reason for record in leaving.ledger.settled] == ["complete"]


def test_an_answer_under_way_tells_its_client_to_close(
    leaving: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    raw_upstream.script(Pause(0.3), response(streams.body(dialect)))
    with leaving.client() as client:
        client.send(leaving.post(dialect, named("raw", dialect)))
        raw_upstream.wait_for(lambda upstream: upstream.requests)
        leave(leaving)
        answer = client.read()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.is_closed()


def test_what_was_sent_just_before_is_still_served(
    leaving: RunningWorker, raw_upstream: RawUpstream
) -> None:
    raw_upstream.script(Pause(0.4), response(b"{}"))
    dialect = Dialect.OPENAI
    with leaving.client() as busy, leaving.client() as late:
        busy.send(leaving.post(dialect, named("raw", dialect)))
        late.send(b"GET /v1/mod")
        raw_upstream.wait_for(lambda upstream: upstream.requests)
        leave(leaving)
        late.send(b"els HTTP/1.1\r\nhost: x\r\nx-api-key: " + leaving.key.encode() + b"\r\n\r\n")
        assert late.read().status == 200
        assert busy.read().status == 200


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_waits_for_its_key_is_served(
    leaving: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    leaving.gate.pause_s = 0.3
    raw_upstream.script(response(streams.body(dialect)))
    with leaving.client() as client:
        client.send(leaving.post(dialect, named("raw", dialect)))
        leaving.wait_for(lambda: leaving.gate.looked_up)
        leave(leaving)
        answer = client.read()
    assert (answer.status, answer.body) == (200, streams.body(dialect))
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("stream", [False, True])
def test_what_takes_too_long_is_cut_with_an_error(
    leaving: RunningWorker,
    raw_upstream: RawUpstream,
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,
) -> None:
    monkeypatch.setattr(addons.worker, "DRAIN_S", 0.3)
    dialect = Dialect.ANTHROPIC
    first = chunk(streams.events(dialect)[0])
    raw_upstream.script(*((stream_head(), first) if stream else ()), Do.STALL)
    with leaving.client() as client:
        client.send(leaving.post(dialect, named("raw", dialect), stream=stream))
        raw_upstream.wait_for(lambda upstream: upstream.requests)
        if stream:
            client.read_until(b"\n\n\r\n")
        leave(leaving)
        told = read_all(client)
    assert b"timeout_error" in told
    assert told.endswith(b"0\r\n\r\n") == stream
    assert [record.end_reason for record in leaving.ledger.settled] == ["upstream_timeout"]


def read_all(client: RawClient) -> bytes:
    received = b""
    while piece := client.read_some():
        received += piece
    return received


class Leaver:
    """In the place of a worker."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    def leave(self) -> None:
        self.left.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_makes_it_leave(number: signal.Signals) -> None:
    loop = asyncio.get_running_loop()
    worker: Any = Leaver()
    before = signal.getsignal(number)
    try:
        async with leaving_on_signals(worker, None):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(worker.left.wait(), 5)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(number, before)


async def test_the_end_of_the_supervisor_makes_it_leave() -> None:
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    worker: Any = Leaver()
    alive, held = os.pipe()
    try:
        async with leaving_on_signals(worker, alive):
            await asyncio.sleep(0.05)
            assert not worker.left.is_set()
            os.close(held)
            await asyncio.wait_for(worker.left.wait(), 5)
    finally:
        os.close(alive)
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
