"""Upstream attempts over real sockets: what is sent where, and what becomes of failures."""

from __future__ import annotations

import dataclasses
import gzip
import json
import time

import pytest

from shared.domain.catalog import Dialect
from tests.support import streams
from tests.support.gateway_errors import check_error
from tests.support.gateway_worker import (
    COST_NANO,
    MAX_RESPONSE,
    RunningWorker,
    named,
)
from tests.support.raw_upstream import Do, Pause, RawUpstream, Step, chunk, response, stream_head

DIALECTS = list(Dialect)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@dataclasses.dataclass(frozen=True)
class Fault:
    """How an upstream fails before a byte of its answer has gone on.

    Attributes:
        status: What the client is answered with.
        steps: What the upstream does.
        place: Which upstream of the catalogue.
    """

    status: int
    steps: tuple[Step, ...] = ()
    place: str = "raw"


def error(status: int, text: str = "no", *headers: str) -> bytes:
    """An upstream's error in JSON."""
    data = json.dumps({"error": {"type": "some_error", "message": text}}).encode()
    return response(data, status, *headers)


FAULTS = {
    "connect refused": Fault(502, place="dead"),
    "connect hangs": Fault(502, place="deaf"),
    "no first byte": Fault(504, (Do.STALL,), "hasty"),
    "half a head": Fault(504, (HEAD, Do.STALL), "hasty"),
    "reset at once": Fault(502, (Do.RESET,)),
    "closed at once": Fault(502, (Do.CLOSE,)),
    "reset in the head": Fault(502, (HEAD, Do.RESET)),
    "closed in the head": Fault(502, (HEAD, Do.CLOSE)),
    "no http": Fault(502, (b"SSH-2.0-OpenSSH_9.2\r\n\r\n",)),
    "reset in the body": Fault(502, (HEAD + b"content-length: 99\r\n\r\n{", Do.RESET)),
    "closed in the body": Fault(502, (HEAD + b"content-length: 99\r\n\r\n{", Do.CLOSE)),
    "stall in the body": Fault(504, (HEAD + b"content-length: 99\r\n\r\n{", Do.STALL), "hasty"),
    "bad chunk": Fault(502, (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",)),
    "trickle": Fault(
        504,
        (HEAD + b"content-length: 99\r\n\r\n", *[b" ", Pause(0.1)] * 9),
        "hurried",
    ),
    "oversize": Fault(502, (response(b" " * (MAX_RESPONSE + 1)),)),
    "two lengths": Fault(502, (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",)),
    "length and encoding": Fault(
        502,
        (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",),
    ),
    "bad header": Fault(502, (HEAD + b"bad header: x\r\ncontent-length: 2\r\n\r\n{}",)),
    "interim 100": Fault(502, (b"HTTP/1.1 100 Continue\r\n\r\n", response(b"{}"))),
    "interim 103": Fault(502, (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", response(b"{}"))),
    "101": Fault(502, (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",)),
    "html 200": Fault(502, (response(b"<html>", content_type="text/html"),)),
    "no type": Fault(502, (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",)),
    "204": Fault(502, (b"HTTP/1.1 204 No Content\r\n\r\n",)),
    "redirect": Fault(502, (response(b"", 302, "location: http://evil.test/"),)),
    "bad gzip": Fault(502, (response(b"no gzip", 200, "content-encoding: gzip"),)),
    "unknown coding": Fault(502, (response(b"{}", 200, "content-encoding: rot13"),)),
    "gzip bomb": Fault(
        502, (response(gzip.compress(b" " * 20_000_000), 200, "content-encoding: gzip"),)
    ),
    "gzip stream": Fault(502, (stream_head("content-encoding: gzip"), Do.STALL)),
    "bad gzip in an error": Fault(502, (response(b"no gzip", 500, "content-encoding: gzip"),)),
    "401": Fault(502, (error(401),)),
    "402": Fault(502, (error(402),)),
    "403": Fault(502, (error(403),)),
    "500": Fault(502, (error(500),)),
    "html 503": Fault(502, (response(b"<html>", 503, content_type="text/html"),)),
    "400": Fault(400, (error(400),)),
    "404": Fault(404, (error(404),)),
    "413": Fault(413, (error(413),)),
    "422": Fault(422, (error(422),)),
    "429": Fault(429, (error(429, "slow", "retry-after: 13"),)),
    "529": Fault(529, (error(529),)),
    "our account": Fault(502, (error(400, "Your credit balance is too low to go on."),)),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_failure_before_the_first_byte_is_an_error_and_free(
    worker: RunningWorker, raw_upstream: RawUpstream, name: str, dialect: Dialect
) -> None:
    fault = FAULTS[name]
    if fault.steps:
        raw_upstream.script(*fault.steps)
    with worker.client() as client:
        # Streamed: an answer in one piece may take as long as the whole.
        answer = client.ask(worker.post(dialect, named(fault.place, dialect), stream=True))
        check_error(answer, fault.status, dialect)
        record = worker.settled()
        assert (record.cost_nano, record.status) == (0, fault.status)
        assert record.end_reason in ("upstream_error", "upstream_timeout")
        # The client's connection is as good as new, whatever the upstream did to its own.
        raw_upstream.script(response(streams.body(dialect)))
        again = client.ask(worker.post(dialect, named("raw", dialect)))
        assert (again.status, again.body) == (200, streams.body(dialect))
    assert worker.settled(2).cost_nano == COST_NANO


def test_an_upstream_s_limit_tells_when_to_come_back(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    raw_upstream.script(*FAULTS["429"].steps)
    answer = worker.ask(worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI)))
    assert answer.headers["retry-after"] == "13"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("place", "code"), [("keyless", "no key"), ("proxied", "no proxy"), ("unpriced", "no price")]
)
def test_what_cannot_be_sent_never_leaves(
    worker: RunningWorker, raw_upstream: RawUpstream, place: str, code: str, dialect: Dialect
) -> None:
    answer = worker.ask(worker.post(dialect, named(place, dialect)))
    check_error(answer, 503, dialect)
    assert raw_upstream.opened == 0


# Connections to upstreams


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_to_an_upstream_is_used_again(
    worker: RunningWorker, raw_upstream: RawUpstream, stream: bool, dialect: Dialect
) -> None:
    events = [chunk(event) for event in streams.events(dialect)]
    whole = (stream_head(), *events, chunk(b"")) if stream else (response(streams.body(dialect)),)
    with worker.client() as client:
        for _ in range(3):
            raw_upstream.script(*whole)
            post = worker.post(dialect, named("raw", dialect), stream=stream)
            assert client.ask(post).status == 200
    assert raw_upstream.opened == 1
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)


def test_a_connection_that_the_upstream_wants_closed_is_not_used_again(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    with worker.client() as client:
        for _ in range(3):
            raw_upstream.script(response(b"{}", 200, "connection: close"))
            assert client.ask(worker.post(dialect, named("raw", dialect))).status == 200
    assert raw_upstream.opened == 3


@pytest.mark.parametrize("end", [Do.RESET, Do.CLOSE])
def test_a_connection_gone_stale_is_replaced_unseen(
    worker: RunningWorker, raw_upstream: RawUpstream, end: Do
) -> None:
    dialect = Dialect.ANTHROPIC
    raw_upstream.script(response(b"{}"))
    raw_upstream.script(end)
    raw_upstream.script(response(streams.body(dialect)))
    with worker.client() as client:
        assert client.ask(worker.post(dialect, named("raw", dialect))).status == 200
        answer = client.ask(worker.post(dialect, named("raw", dialect)))
        assert (answer.status, answer.body) == (200, streams.body(dialect))
    record = worker.settled(2)
    assert (record.attempts, record.cost_nano) == (2, COST_NANO)
    assert [received.connection for received in raw_upstream.requests] == [1, 1, 2]
    assert raw_upstream.requests[1].raw == raw_upstream.requests[2].raw


def test_a_connection_gone_stale_is_replaced_once(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.ANTHROPIC
    raw_upstream.script(response(b"{}"))
    raw_upstream.script(Do.RESET)
    raw_upstream.script(Do.RESET)
    with worker.client() as client:
        assert client.ask(worker.post(dialect, named("raw", dialect))).status == 200
        check_error(client.ask(worker.post(dialect, named("raw", dialect))), 502, dialect)
    assert worker.settled(2).attempts == 2


def test_a_fresh_connection_that_breaks_is_not_retried(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    raw_upstream.script(Do.RESET)
    worker.ask(worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI)))
    assert len(raw_upstream.requests) == 1


def test_a_connection_that_an_upstream_has_closed_is_forgotten(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    with worker.client() as client:
        for number in range(1, 4):
            raw_upstream.script(response(b"{}"), Do.CLOSE)
            assert client.ask(worker.post(dialect, named("raw", dialect))).status == 200
            raw_upstream.wait_for(lambda upstream: upstream.live == 0)
            time.sleep(0.05)
            assert raw_upstream.opened == number
        (handler,) = worker.worker.master.proxyserver.connections.values()
        assert len(handler.layer.connections) <= 2
    assert worker.settled(3).attempts == 1


# Clients that leave


def test_a_client_that_leaves_during_the_connect_costs_nothing(worker: RunningWorker) -> None:
    dialect = Dialect.OPENAI
    with worker.client() as client:
        client.send(worker.post(dialect, named("deaf", dialect)))
        worker.wait_for(lambda: worker.ledger.open_requests)
    record = worker.settled()
    assert (record.cost_nano, record.end_reason) == (0, "client_disconnected")
    assert ("sent", record.request_id) not in worker.ledger.steps


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_that_leaves_while_it_is_journaled_costs_nothing(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    worker.ledger.pause_s["open"] = 0.1
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect)))
        worker.wait_for(lambda: worker.ledger.open_requests)
    record = worker.settled()
    assert (record.cost_nano, record.end_reason) == (0, "client_disconnected")
    assert raw_upstream.opened == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_that_leaves_before_the_first_byte_pays_the_input(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    raw_upstream.script(Do.STALL)
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect)))
        raw_upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)
    record = worker.settled()
    assert (record.status, record.end_reason) == (499, "client_disconnected")
    assert record.usage.estimated
    assert record.usage.output == 0
    assert record.cost_nano == record.usage.input * 3000 > 0
