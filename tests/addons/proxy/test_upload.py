"""The side of the request over real sockets: early answers, slow and lost uploads."""

from __future__ import annotations

import contextlib

import pytest

from addons.proxy.mode import READ_BYTES
from addons.worker import MAX_BODIES
from shared.domain.catalog import Dialect
from shared.domain.keys import generate_key
from tests.support.gateway_errors import check_error
from tests.support.gateway_worker import (
    MAX_BODY,
    PATHS,
    UPLOAD_S,
    RunningWorker,
    body,
    named,
    request,
)
from tests.support.raw_client import RawClient
from tests.support.raw_upstream import Pause, RawUpstream, response

DIALECTS = list(Dialect)


# Early answers


def test_expect_is_answered_with_100(worker: RunningWorker, raw_upstream: RawUpstream) -> None:
    raw_upstream.script(response(b"{}"))
    data = body(Dialect.OPENAI, named("raw", Dialect.OPENAI))
    with worker.client() as client:
        headers = ("expect: 100-continue", f"content-length: {len(data)}")
        client.send(worker.keyed("POST", PATHS[Dialect.OPENAI], *headers))
        assert client.read_head_and_body().status == 100
        assert client.ask(data).status == 200
    assert "expect" not in raw_upstream.requests[0].headers


def test_expect_without_a_key_gets_no_100(worker: RunningWorker) -> None:
    with worker.client() as client:
        headers = ("expect: 100-continue", "content-length: 20")
        client.send(request("POST", PATHS[Dialect.OPENAI], *headers))
        check_error(client.read_head_and_body(), 401, Dialect.OPENAI)
        client.half_close()
        assert client.is_closed()


@pytest.mark.parametrize(
    ("framing", "status"),
    [
        ("content-length: 10000000", 413),
        ("content-length: 900000", 401),
        ("transfer-encoding: chunked", 401),
    ],
)
def test_a_large_upload_without_a_key_is_not_read(
    worker: RunningWorker, framing: str, status: int
) -> None:
    with worker.client() as client:
        answer = client.ask(request("POST", "/v1/messages", framing))
        check_error(answer, status, Dialect.ANTHROPIC)
        piece = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
        for _ in range(8):
            client.send(piece)
        assert client.is_closed()


def test_broken_chunks_after_an_early_answer_do_no_harm(worker: RunningWorker) -> None:
    with worker.client() as client:
        head = request("POST", "/v1/messages", "transfer-encoding: chunked")
        check_error(client.ask(head), 401, Dialect.ANTHROPIC)
        client.send(b"zz\r\n")
        assert client.is_closed()


# What a worker holds of bodies


def held(worker: RunningWorker) -> int:
    return worker.worker.master.listening.policy.intake.held


def unfinished(worker: RunningWorker, client: RawClient, size: int) -> None:
    """Send a body but for its last byte."""
    client.send(worker.keyed("POST", "/v1/messages", f"content-length: {size + 1}"))
    client.send(b" " * size)


@pytest.mark.parametrize("framing", ["content-length: 900000", "transfer-encoding: chunked"])
def test_bodies_beyond_what_a_worker_holds_are_shed(
    worker: RunningWorker, raw_upstream: RawUpstream, framing: str
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_BODIES):
            unfinished(worker, stack.enter_context(worker.client()), MAX_BODY - 1000)
        worker.wait_for(lambda: held(worker) >= MAX_BODIES * (MAX_BODY - 1000))
        client = stack.enter_context(worker.client())
        client.send(worker.keyed("POST", "/v1/messages", framing))
        if "chunked" in framing:
            client.send(b"ffff\r\n" + b" " * 0xFFFF)
        answer = client.read()
        check_error(answer, 529, Dialect.ANTHROPIC)
        assert answer.headers["retry-after"] == "1"
    worker.wait_for(lambda: held(worker) == 0)
    assert raw_upstream.opened == 0
    assert worker.holds.asked == []


def test_a_body_counts_until_its_answer_is_out(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    raw_upstream.script(Pause(0.3), response(b"{}"))
    data = worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI))
    with worker.client() as client:
        client.send(data)
        raw_upstream.wait_for(lambda upstream: upstream.requests)
        assert 0 < held(worker) < len(data)
        assert client.read().status == 200
        worker.wait_for(lambda: held(worker) == 0)
        (handler,) = worker.worker.master.proxyserver.connections.values()
        assert handler.layer._finished is None


@pytest.mark.parametrize("status", [401, 400])
def test_a_body_whose_key_is_looked_up_waits_outside(worker: RunningWorker, status: int) -> None:
    worker.gate.pause_s = 0.3
    key = generate_key() if status == 401 else worker.key
    with worker.client() as client:
        client.send(request("POST", "/v1/messages", f"x-api-key: {key}", data=b" " * 900_000))
        worker.wait_for(lambda: worker.gate.looked_up)
        assert worker.run(lambda: taken(worker)) < 2 * READ_BYTES
        check_error(client.read(), status, Dialect.ANTHROPIC)


def taken(worker: RunningWorker) -> int:
    """Bytes of a body that wait for a hook."""
    (handler,) = worker.worker.master.proxyserver.connections.values()
    (stream,) = handler.layer.streams.values()
    return sum(len(event.data) for event in stream._paused_event_queue)


# Clients that are slow


@pytest.mark.parametrize("framing", ["content-length: 30", "transfer-encoding: chunked"])
def test_an_upload_that_drips_is_ended(worker: RunningWorker, framing: str) -> None:
    piece = b" " if "length" in framing else b"1\r\n \r\n"
    with worker.client() as client:
        client.send(worker.keyed("POST", PATHS[Dialect.OPENAI], framing))
        # Each piece is in good time; complete, they would be answered.
        for _ in range(30):
            client.send(piece)
            if client.is_closed(within_s=UPLOAD_S / 20):
                break
        else:
            pytest.fail("as slow as one likes")
    assert worker.ledger.steps == []


def test_the_time_for_an_upload_ends_with_it(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    raw_upstream.script(Pause(UPLOAD_S + 0.2), response(b"{}"))
    assert worker.ask(worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI))).status == 200
    assert worker.settled().status == 200


# Clients that leave


def test_a_client_that_leaves_while_uploading_costs_nothing(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    with worker.client() as client:
        client.send(worker.keyed("POST", PATHS[Dialect.OPENAI], "content-length: 99", data=None))
        client.send(b'{"model":')
    worker.assert_clean()
    assert worker.ledger.steps == []
    assert raw_upstream.opened == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_that_leaves_while_it_is_looked_up_costs_nothing(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    worker.gate.pause_s = 0.1
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect)))
        worker.wait_for(lambda: worker.gate.looked_up)
    worker.assert_clean()
    assert worker.ledger.steps == []
    assert raw_upstream.opened == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_that_leaves_during_the_reserve_costs_nothing(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    worker.holds.pause_s = 0.05
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect)))
        worker.wait_for(lambda: worker.holds.asked)
    record = worker.settled()
    assert (record.cost_nano, record.status) == (0, 499)
    assert raw_upstream.opened == 0
