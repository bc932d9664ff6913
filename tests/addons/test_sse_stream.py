import json
import time

import pytest

from addons.metering import BodyMeter, StreamMeter
from addons.sse_stream import NOTE_BYTES, Relay, SseStream
from shared.domain.accounts import RateState
from shared.domain.catalog import Dialect
from shared.domain.usage import Usage
from shared.errors import GatewayError
from shared.wire import errors as wire
from tests.support import streams
from tests.support.gateway_flows import (
    REQUEST_ID,
    answer_of,
    answered_context,
    flow_of,
    ledger_of,
    routed_context,
    sent_context,
    services,
)

DIALECTS = list(Dialect)
STREAM = "text/event-stream"


def relay_of(dialect: Dialect, *, shows_usage: bool = True):
    """A relay, its context and the checkpoints it notes."""
    extra = {}
    if dialect is Dialect.OPENAI and shows_usage:
        extra = {"stream_options": {"include_usage": True}}
    context = sent_context(services(), dialect, stream=True, **extra)
    noted: list[tuple[str, Usage]] = []
    meter = StreamMeter(dialect)
    relay = Relay(context, meter, lambda request_id, usage: noted.append((request_id, usage)))
    return relay, context, noted


def is_error(chunk: bytes, dialect: Dialect, kind: str) -> bool:
    """Whether a chunk is one error event of the dialect."""
    lines = chunk.strip(b"\n").split(b"\n")
    data = json.loads(lines[-1].removeprefix(b"data: "))
    named = lines[0] == b"event: error" if dialect is Dialect.ANTHROPIC else len(lines) == 1
    return named and data["error"]["type"] == kind and data["request_id"] == REQUEST_ID


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_split_gives_whole_events_and_the_same_bytes(dialect: Dialect, end: bytes) -> None:
    data = b"".join(streams.events(dialect)).replace(b"\n", end)
    for cut in range(len(data) + 1):
        relay, context, _ = relay_of(dialect)
        pieces = [piece for piece in (data[:cut], data[cut:]) if piece]
        sent = [chunk for piece in pieces for chunk in relay(piece)]
        assert all(chunk.endswith(end * 2) for chunk in sent)
        sent += relay(b"")
        assert b"".join(sent) == data
        assert all(sent)
        assert not relay.failed
        assert not context.end_reason


@pytest.mark.parametrize("dialect", DIALECTS)
def test_single_bytes_give_one_chunk_for_each_event(dialect: Dialect) -> None:
    events = streams.events(dialect)
    relay, _, _ = relay_of(dialect)
    sent = [chunk for byte in b"".join(events) for chunk in relay(bytes([byte]))]
    assert sent == events
    assert relay(b"") == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_usage_is_noted_at_first_and_every_few_kilobytes(dialect: Dialect) -> None:
    relay, _, noted = relay_of(dialect)
    for event in streams.events(dialect):
        relay(event)
    assert [request_id for request_id, _ in noted] == [REQUEST_ID]
    assert noted[0][1].estimated
    relay(b": " + b"x" * NOTE_BYTES + b"\n\n")
    assert len(noted) == 2
    last = noted[-1][1]
    assert (last.input, last.output) == (streams.INPUT_TOKENS, streams.OUTPUT_TOKENS)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_upstream_that_breaks_behind_its_last_word_has_not_failed(dialect: Dialect) -> None:
    relay, context, _ = relay_of(dialect)
    data = b"".join(streams.events(dialect))
    sent = b"".join(relay(data)) + b"".join(relay.fail(wire.upstream_failed()))
    assert sent == data
    assert not context.end_reason


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_fault_of_ours_is_reported_behind_the_end_and_once(dialect: Dialect) -> None:
    relay, context, _ = relay_of(dialect)
    for event in (*streams.events(dialect), b""):
        relay(event)
    (event,) = relay.report(wire.internal_error())
    assert b"error" in event
    assert relay.report(wire.internal_error()) == []
    assert context.end_reason == "internal_error"


def test_the_usage_chunk_is_hidden_at_any_split() -> None:
    events = streams.events(Dialect.OPENAI)
    data = b"".join(events)
    expected = b"".join(event for event in events if b'"usage"' not in event)
    for cut in range(len(data) + 1):
        relay, _, _ = relay_of(Dialect.OPENAI, shows_usage=False)
        sent = b"".join(relay(data[:cut]) if cut else []) + b"".join(relay(data[cut:] or b""))
        assert sent + b"".join(relay(b"")) == expected
        assert relay._meter.usage(0).output == streams.OUTPUT_TOKENS


@pytest.mark.parametrize("shows_usage", [True, False])
def test_a_last_event_without_its_empty_line(shows_usage: bool) -> None:
    relay, context, _ = relay_of(Dialect.OPENAI, shows_usage=shows_usage)
    sent = b"".join(relay(b"data: {}\n\ndata: [DONE]"))
    assert sent + b"".join(relay(b"")) == b"data: {}\n\ndata: [DONE]"
    assert not context.end_reason


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_early_end_is_an_error_event(dialect: Dialect) -> None:
    events = streams.events(dialect)
    for count in range(len(events)):
        relay, context, _ = relay_of(dialect)
        for event in events[:count]:
            relay(event)
        (last,) = relay(b"")
        assert is_error(last, dialect, "api_error")
        assert context.end_reason == "upstream_error"
        assert relay(b"") == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_torn_event_is_not_shown_at_an_early_end(dialect: Dialect) -> None:
    first, second, *_ = streams.events(dialect)
    relay, _, _ = relay_of(dialect)
    assert relay(first + second[:-3]) == [first]
    (last,) = relay(b"")
    assert is_error(last, dialect, "api_error")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_fault_inside_is_an_error_event_and_the_end(dialect: Dialect) -> None:
    def broken(_request_id: str, _usage: Usage) -> None:
        raise RuntimeError("secret")

    _, context, _ = relay_of(dialect)
    relay = Relay(context, StreamMeter(dialect), broken)
    (last,) = relay(streams.events(dialect)[0])
    assert is_error(last, dialect, "api_error")
    assert b"secret" not in last
    assert relay.failed
    assert context.end_reason == "internal_error"
    assert relay(streams.events(dialect)[1]) == []
    assert relay(b"") == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_event_over_a_megabyte_is_the_upstream_s_failure(dialect: Dialect) -> None:
    relay, context, _ = relay_of(dialect)
    sent: list[bytes] = []
    for _ in range(20):
        sent += relay(b"data: " + b"x" * 100_000)
    assert len(sent) == 1
    assert is_error(sent[0], dialect, "api_error")
    assert relay.failed
    assert context.end_reason == "upstream_error"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_upstream_s_own_error_event_ends_it(dialect: Dialect) -> None:
    told = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'
    relay, context, _ = relay_of(dialect)
    assert relay(told) == [told]
    assert relay(b"") == []
    assert context.end_reason == "upstream_error"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_failing_it_from_outside_happens_once(dialect: Dialect) -> None:
    relay, context, _ = relay_of(dialect)
    (last,) = relay.fail(wire.upstream_timed_out())
    assert is_error(last, dialect, "timeout_error")
    assert relay.fail(wire.internal_error()) == []
    assert context.end_reason == "upstream_timeout"


def test_a_reason_that_was_given_is_kept() -> None:
    relay, context, _ = relay_of(Dialect.OPENAI)
    context.end_reason = "client_disconnected"
    relay.fail(wire.internal_error())
    assert context.end_reason == "client_disconnected"


def test_nothing_follows_a_complete_stream() -> None:
    relay, context, _ = relay_of(Dialect.ANTHROPIC)
    for event in streams.events(Dialect.ANTHROPIC):
        relay(event)
    assert relay(b"") == []
    assert relay.fail(wire.internal_error()) == []
    assert not context.end_reason


# The addon


def headers_of(context, response, made=None):
    SseStream(made or services()).responseheaders(flow_of(context, response=response))
    return dict(response.headers)


@pytest.mark.parametrize("kind", [STREAM, "text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_a_stream_is_relayed(kind: str) -> None:
    context = sent_context(services(), stream=True)
    response = answer_of(kind=kind, content_length="5", set_cookie="a=b", server="up")
    found = headers_of(context, response)
    assert found == {
        "content-type": kind,
        "x-request-id": REQUEST_ID,
        "request-id": REQUEST_ID,
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
        "transfer-encoding": "chunked",
    }
    assert isinstance(response.stream, Relay)
    assert isinstance(context.meter, StreamMeter)
    assert context.upstream_status == 200
    assert context.first_byte_s is not None


def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    context = sent_context(services(), stream=True)
    context.http_1_0 = True
    assert "transfer-encoding" not in headers_of(context, answer_of(kind=STREAM))


def test_the_rate_limit_is_told() -> None:
    context = sent_context(services())
    context.rate = RateState(300, 5, 60)
    found = headers_of(context, answer_of(x_ratelimit_remaining_requests="9999"))
    assert found["x-ratelimit-remaining-requests"] == "5"


def test_a_body_is_not_streamed() -> None:
    context = sent_context(services())
    response = answer_of(content_encoding="gzip", server="up")
    assert set(headers_of(context, response)) == {
        "content-type",
        "content-encoding",
        "x-request-id",
        "request-id",
    }
    assert not response.stream
    assert context.meter is None


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        (STREAM, {"content_encoding": "gzip"}),
        ("text/html", {}),
        ("", {}),
        ("text/plain; charset=utf-8", {}),
    ],
)
def test_what_no_client_can_read_is_refused(kind: str, extra: dict[str, str]) -> None:
    with pytest.raises(GatewayError) as caught:
        headers_of(sent_context(services()), answer_of(kind=kind, **extra))
    assert caught.value.status == 502


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json", "text/json"])
def test_all_kinds_of_json_pass(kind: str) -> None:
    response = answer_of(kind=kind)
    headers_of(sent_context(services()), response)
    assert response.headers["content-type"] == kind
    assert not response.stream


def test_an_error_of_the_upstream_is_left_to_failover() -> None:
    context = sent_context(services(), stream=True)
    response = answer_of(500, kind=STREAM, server="up")
    headers_of(context, response)
    assert not response.stream
    assert context.upstream_status == 500


@pytest.mark.parametrize("case", ["not sent", "failed", "no context"])
def test_answers_of_our_own_are_left_alone(case: str) -> None:
    made = services()
    context = routed_context(made) if case == "not sent" else sent_context(made)
    context.failed_unanswered = case == "failed"
    response = answer_of(kind=STREAM)
    flow = flow_of(None if case == "no context" else context, response=response)
    SseStream(made).responseheaders(flow)
    assert not response.stream
    assert context.upstream_status is None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("coding", [None, "gzip"])
def test_a_body_is_metered(dialect: Dialect, coding: str | None) -> None:
    context = sent_context(services(), dialect)
    context.upstream_status = 200
    response = answer_of(content=streams.body(dialect))
    if coding:
        response.encode(coding)
    SseStream(services()).response(flow_of(context, response=response))
    assert isinstance(context.meter, BodyMeter)
    assert context.meter.usage(0).output == streams.OUTPUT_TOKENS
    assert response.raw_content == streams.body(dialect)
    assert "content-encoding" not in response.headers
    assert response.headers["content-length"] == str(len(streams.body(dialect)))


@pytest.mark.parametrize("case", ["no status", "500", "failed", "ended", "streamed", "metered"])
def test_other_bodies_are_not(case: str) -> None:
    made = services()
    context = answered_context(made) if case == "metered" else sent_context(made)
    context.upstream_status = {"no status": None, "500": 500}.get(case, 200)
    context.failed_unanswered = case == "failed"
    context.end_reason = "upstream_error" if case == "ended" else ""
    before = context.meter
    response = answer_of()
    response.stream = case == "streamed"
    SseStream(made).response(flow_of(context, response=response))
    assert context.meter is before


def test_a_relay_tells_the_ledger() -> None:
    made = services()
    context = sent_context(made, stream=True)
    response = answer_of(kind=STREAM)
    headers_of(context, response, made)
    assert callable(response.stream)
    response.stream(streams.events(Dialect.OPENAI)[0])
    assert [request_id for request_id, _ in ledger_of(made).checkpoints] == [REQUEST_ID]


def test_an_event_in_many_pieces_is_searched_once() -> None:
    """A megabyte in pieces of a hundred bytes: seconds of work if each piece meant all of it."""
    relay, _, _ = relay_of(Dialect.ANTHROPIC)
    piece = b"x" * 100
    began_s = time.process_time()
    for _ in range(10_000):
        assert relay(piece) == []
    assert relay(b"\n\n") == [piece * 10_000 + b"\n\n"]
    assert time.process_time() - began_s < 3


# Streams of the other dialect

OTHER = {Dialect.OPENAI: Dialect.ANTHROPIC, Dialect.ANTHROPIC: Dialect.OPENAI}


def translating_relay_of(client: Dialect):
    """A relay for a client of one dialect at an upstream of the other."""
    made = services()
    context = sent_context(made, client, stream=True)
    context.outgoing = routed_context(made, OTHER[client]).parsed
    relay = Relay(context, StreamMeter(OTHER[client]), lambda *_: None)
    return relay, context


@pytest.mark.parametrize("client", DIALECTS)
def test_a_stream_of_the_other_dialect_is_translated(client: Dialect) -> None:
    relay, context = translating_relay_of(client)
    data = b"".join(streams.events(OTHER[client]))
    sent = b"".join(chunk for byte in data for chunk in relay(bytes([byte])))
    sent += b"".join(relay(b""))
    end = b"data: [DONE]\n\n" if client is Dialect.OPENAI else b'{"type":"message_stop"}\n\n'
    assert sent.endswith(end)
    assert not relay.failed
    assert not context.end_reason
    assert context.parsed is not None
    assert relay._meter.usage(0).output == streams.OUTPUT_TOKENS


@pytest.mark.parametrize("client", DIALECTS)
def test_a_translated_stream_that_is_cut_ends_with_an_error(client: Dialect) -> None:
    relay, context = translating_relay_of(client)
    events = streams.events(OTHER[client])
    for event in events[:2]:
        relay(event)
    (last,) = relay(b"")
    assert is_error(last, client, "api_error")
    assert context.end_reason == "upstream_error"
    assert relay(b"") == []


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("breaks", [True, False])
def test_an_error_event_of_the_upstream_is_told_once(client: Dialect, breaks: bool) -> None:
    relay, context = translating_relay_of(client)
    relay(streams.events(OTHER[client])[0])
    told = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    name = b"event: error\n" if client is Dialect.OPENAI else b""
    (event,) = relay(name + b"data: " + told + b"\n\n")
    assert is_error(event, client, "overloaded_error")
    assert (relay.fail(wire.upstream_failed()) if breaks else relay(b"")) == []
    assert context.end_reason == "upstream_error"


@pytest.mark.parametrize("client", DIALECTS)
def test_an_answer_in_one_piece_is_translated(client: Dialect) -> None:
    made = services()
    context = sent_context(made, client)
    context.outgoing = routed_context(made, OTHER[client]).parsed
    context.upstream_status = 200
    response = answer_of(content=streams.body(OTHER[client]))
    SseStream(made).response(flow_of(context, response=response))
    shown = json.loads(response.content or b"")
    assert ("choices" in shown) == (client is Dialect.OPENAI)
    assert context.meter is not None
    assert context.meter.usage(0).output == streams.OUTPUT_TOKENS


@pytest.mark.parametrize("client", DIALECTS)
def test_a_body_that_is_no_answer_of_the_other_dialect(client: Dialect) -> None:
    made = services()
    context = sent_context(made, client)
    context.outgoing = routed_context(made, OTHER[client]).parsed
    context.upstream_status = 200
    with pytest.raises(GatewayError) as caught:
        SseStream(made).response(flow_of(context, response=answer_of(content=b"[]")))
    assert caught.value.status == 502
