"""The side of the answer over real sockets: bodies, streams, and where they break."""

from __future__ import annotations

import json
import zlib

import pytest

from shared.domain.catalog import Dialect
from tests.support import streams
from tests.support.gateway_worker import COST_NANO, PATHS, RunningWorker, body, named, request
from tests.support.raw_client import Answer
from tests.support.raw_upstream import Do, RawUpstream, Step, chunk, response, stream_head

DIALECTS = list(Dialect)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


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


# Clients that leave


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
