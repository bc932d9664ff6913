"""Upstreams that fail and clients that leave, over real sockets."""

from __future__ import annotations

import dataclasses
import gzip
import json
import time
import zlib

import pytest

from shared.domain.catalog import Dialect
from tests.support import streams
from tests.support.gateway_worker import (
    MAX_RESPONSE,
    PATHS,
    UPSTREAM_KEY,
    RunningWorker,
    body,
    named,
    request,
)
from tests.support.raw_client import Answer
from tests.support.raw_upstream import Do, Pause, RawUpstream, Step, chunk, response, stream_head

DIALECTS = list(Dialect)
COST_NANO = streams.INPUT_TOKENS * 3000 + streams.OUTPUT_TOKENS * 15000
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


def check_error(answer: Answer, status: int, dialect: Dialect) -> None:
    """An error of ours in the dialect, with the request id, without a word of the upstream's."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert (answer.json.get("type") == "error") == (dialect is Dialect.ANTHROPIC)
    shown = f"{answer.headers} {answer.body.decode()}"
    for word in (UPSTREAM_KEY, "127.0.0.1", "evil.test", "html"):
        assert word not in shown


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


# Whole answers


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 Fine\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n\r\n",
        b"HTTP/1.1 201 Made\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
    ],
)
def test_a_body_arrives_as_it_was_sent(
    worker: RunningWorker, raw_upstream: RawUpstream, head: bytes, dialect: Dialect
) -> None:
    data = streams.body(dialect)
    raw_upstream.script((head % len(data) if b"%d" in head else head) + data, Do.CLOSE)
    answer = worker.ask(worker.post(dialect, named("raw", dialect)))
    assert (answer.body, answer.version) == (data, "HTTP/1.1")
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["x-trollllm-cost-usd"] == "0.000135000"
    assert worker.settled().cost_nano == COST_NANO


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("wbits", [zlib.MAX_WBITS, 31])
def test_a_packed_body_arrives_unpacked_and_metered(
    worker: RunningWorker, raw_upstream: RawUpstream, wbits: int, dialect: Dialect
) -> None:
    coding = "gzip" if wbits == 31 else "deflate"
    packed = zlib.compress(streams.body(dialect), wbits=wbits)
    raw_upstream.script(response(packed, 200, f"content-encoding: {coding}"))
    answer = worker.ask(worker.post(dialect, named("raw", dialect)))
    assert answer.body == streams.body(dialect)
    assert "content-encoding" not in answer.headers
    assert worker.settled().cost_nano == COST_NANO


def test_headers_of_the_upstream_stay_here(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    given = ["server: up", "set-cookie: a=b", "x-request-id: theirs", "openai-organization: org-1"]
    given += ["anthropic-ratelimit-requests-limit: 5", "x-trollllm-cost-usd: 9", "via: 1.1 up"]
    raw_upstream.script(response(b"{}", 200, *given))
    answer = worker.ask(worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI)))
    assert set(answer.headers) == {
        "content-type",
        "content-length",
        "x-request-id",
        "request-id",
        "x-trollllm-cost-usd",
        *(f"x-ratelimit-{name}-requests" for name in ("limit", "remaining", "reset")),
        *(f"anthropic-ratelimit-requests-{name}" for name in ("limit", "remaining", "reset")),
    }
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "300"


# Streams


def ask_stream(worker: RunningWorker, dialect: Dialect, place: str = "raw") -> Answer:
    """An answer that is streamed, with the usage chunk."""
    extra = {"stream_options": {"include_usage": True}} if dialect is Dialect.OPENAI else {}
    return worker.ask(worker.post(dialect, named(place, dialect), stream=True, **extra))


def check_broken(answer: Answer, dialect: Dialect, sent: bytes) -> None:
    """What was sent, whole events only, then an error event, and no word of completeness."""
    assert answer.status == 200
    *passed, last = answer.events
    assert b"".join(event + b"\n\n" for event in passed) == sent[: sent.rfind(b"\n\n") + 2]
    assert streams.last_word(dialect) not in answer.body
    lines = last.strip().split(b"\n")
    assert (lines[0] == b"event: error") == (dialect is Dialect.ANTHROPIC)
    content = json.loads(lines[-1].removeprefix(b"data: "))
    assert content["request_id"] == answer.headers["x-request-id"]
    assert content["error"]["type"] in ("api_error", "timeout_error")


ENDS: dict[str, tuple[str, tuple[Step, ...]]] = {
    "reset": ("raw", (Do.RESET,)),
    "closed": ("raw", (Do.CLOSE,)),
    "ended": ("raw", (chunk(b""),)),
    "garbage": ("raw", (b"zz\r\n",)),
    "silent": ("hasty", (Do.STALL,)),
    "half a chunk": ("raw", (b"ff\r\ndata: {", Do.RESET)),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("end", "count"),
    [(end, count) for end in ENDS for count in ((0, 3) if end == "silent" else range(6))],
)
def test_a_stream_that_breaks_ends_in_an_error_event(
    worker: RunningWorker, raw_upstream: RawUpstream, end: str, count: int, dialect: Dialect
) -> None:
    place, steps = ENDS[end]
    sent = streams.events(dialect)[:count]
    raw_upstream.script(stream_head(), *map(chunk, sent), *steps)
    check_broken(ask_stream(worker, dialect, place), dialect, b"".join(sent))
    record = worker.settled()
    assert record.status == 200
    assert record.end_reason in ("upstream_error", "upstream_timeout")
    # The upstream's figures, where it came to them.
    if record.usage.total:
        assert record.usage.estimated == (count < 5 or dialect is Dialect.ANTHROPIC)
    # What produced nothing costs nothing.
    assert (record.cost_nano > 0) == (record.usage.total > 0)
    assert record.usage.total > 0 or count < 2


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("keep", [1, 10, 40])
def test_a_torn_event_is_not_shown(
    worker: RunningWorker, raw_upstream: RawUpstream, keep: int, dialect: Dialect
) -> None:
    first, second, *_ = streams.events(dialect)
    raw_upstream.script(stream_head(), chunk(first), chunk(second[:keep]), Do.RESET)
    check_broken(ask_stream(worker, dialect), dialect, first)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_takes_too_long_in_all_is_ended(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    event = streams.events(dialect)[1]
    raw_upstream.script(stream_head(), *[chunk(event), Pause(0.1)] * 12, Do.STALL)
    answer = ask_stream(worker, dialect, "hurried")
    assert len(answer.events) < 12
    assert b"took too long" in answer.events[-1]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_event_without_end_is_an_error(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    first = streams.events(dialect)[0]
    raw_upstream.script(stream_head(), chunk(first), *[chunk(b"data: " + b"x" * 200_000)] * 8)
    check_broken(ask_stream(worker, dialect), dialect, first)
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_of_no_bytes_is_an_error(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    raw_upstream.script(stream_head("content-length: 0"))
    check_broken(ask_stream(worker, dialect), dialect, b"")
    assert worker.settled().end_reason == "upstream_error"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_event_of_the_upstream_is_its_last_word(
    worker: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    first = streams.events(dialect)[0]
    told = {
        Dialect.ANTHROPIC: b'event: error\ndata: {"type": "error", "error": {"type": "x"}}\n\n',
        Dialect.OPENAI: b'data: {"error": {"message": "x"}}\n\n',
    }[dialect]
    raw_upstream.script(stream_head(), chunk(first), chunk(told), chunk(b""))
    assert ask_stream(worker, dialect).body == first + told
    assert worker.settled().end_reason == "upstream_error"


WAYS: dict[str, tuple[Step, ...]] = {
    "chunked": (stream_head(),),
    "with a length": (),
    "until it closes": (stream_head("connection: close"),),
    "http/1.0": (stream_head(version="1.0"),),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_arrives_byte_for_byte(
    worker: RunningWorker, raw_upstream: RawUpstream, way: str, size: int, dialect: Dialect
) -> None:
    data = b"".join(streams.events(dialect))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    if way == "chunked":
        raw_upstream.script(*WAYS[way], *map(chunk, pieces), chunk(b""))
    else:
        head = WAYS[way] or (stream_head(f"content-length: {len(data)}"),)
        raw_upstream.script(*head, *pieces, *([Do.CLOSE] if WAYS[way] else []))
    answer = ask_stream(worker, dialect)
    assert answer.body == data
    assert (answer.status, answer.version) == (200, "HTTP/1.1")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in answer.headers
    record = worker.settled()
    assert (record.cost_nano, record.end_reason) == (COST_NANO, "complete")
    assert record.ttft_ms is not None


def test_a_last_event_without_its_empty_line_arrives(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    data = b"".join(streams.events(Dialect.OPENAI)).rstrip(b"\n")
    raw_upstream.script(stream_head("connection: close"), data, Do.CLOSE)
    # Without the usage chunk: what hides it holds back what may be one.
    dialect = Dialect.OPENAI
    answer = worker.ask(worker.post(dialect, named("raw", dialect), stream=True))
    assert answer.body.endswith(b"data: [DONE]")


def test_the_usage_chunk_is_hidden_unless_it_was_asked_for(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    events = streams.events(Dialect.OPENAI)
    for _ in range(2):
        raw_upstream.script(stream_head(), *map(chunk, events), chunk(b""))
    dialect = Dialect.OPENAI
    hidden = worker.ask(worker.post(dialect, named("raw", dialect), stream=True))
    assert hidden.body == b"".join(event for event in events if b"usage" not in event)
    assert ask_stream(worker, dialect).body == b"".join(events)
    assert [record.cost_nano for record in worker.ledger.settled] == [COST_NANO] * 2
    for received in raw_upstream.requests:
        assert json.loads(received.body)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_client_of_http_1_0_gets_a_stream_that_ends_with_the_connection(
    worker: RunningWorker, raw_upstream: RawUpstream, keep_alive: bool, dialect: Dialect
) -> None:
    events = streams.events(dialect)
    raw_upstream.script(stream_head(), *map(chunk, events), chunk(b""))
    extra = {"stream_options": {"include_usage": True}} if dialect is Dialect.OPENAI else {}
    data = body(dialect, named("raw", dialect), stream=True, **extra)
    headers = [f"x-api-key: {worker.key}", *(["connection: keep-alive"] if keep_alive else [])]
    with worker.client() as client:
        answer = client.ask(request("POST", PATHS[dialect], *headers, data=data, version="1.0"))
        assert answer.body == b"".join(events)
        assert "transfer-encoding" not in answer.headers


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
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_after_the_last_byte_pays_in_full(
    worker: RunningWorker, raw_upstream: RawUpstream, stream: bool, dialect: Dialect
) -> None:
    worker.ledger.pause_s["settle"] = 0.1
    events = map(chunk, streams.events(dialect))
    body_ = (response(streams.body(dialect)),)
    raw_upstream.script(*((stream_head(), *events, chunk(b"")) if stream else body_))
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect), stream=stream))
        worker.wait_for(lambda: worker.ledger.settled)
    record = worker.settled()
    assert (record.cost_nano, record.end_reason) == (COST_NANO, "complete")


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


def test_a_client_that_leaves_in_a_body_pays_the_input(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    raw_upstream.script(HEAD + b"content-length: 99\r\n\r\n{", Do.STALL)
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect)))
        worker.wait_for(lambda: len(worker.spy.seen) == 3)  # its head has come
    record = worker.settled()
    assert (record.status, record.end_reason) == (499, "client_disconnected")
    assert record.cost_nano == record.usage.input * 3000 > 0


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_client_that_leaves_in_the_stream_pays_what_came(
    worker: RunningWorker, raw_upstream: RawUpstream, count: int, dialect: Dialect
) -> None:
    sent = streams.events(dialect)[:count]
    raw_upstream.script(stream_head(), *map(chunk, sent), Do.STALL)
    with worker.client() as client:
        client.send(worker.post(dialect, named("raw", dialect), stream=True))
        client.read_until(b"\n\n\r\n")
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)
    record = worker.settled()
    assert (record.status, record.end_reason) == (499, "client_disconnected")
    assert record.cost_nano > 0


def test_a_client_that_leaves_during_the_connect_costs_nothing(worker: RunningWorker) -> None:
    dialect = Dialect.OPENAI
    with worker.client() as client:
        client.send(worker.post(dialect, named("deaf", dialect)))
        worker.wait_for(lambda: worker.ledger.open_requests)
    record = worker.settled()
    assert (record.cost_nano, record.end_reason) == (0, "client_disconnected")
    assert ("sent", record.request_id) not in worker.ledger.steps


# What is sent


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
