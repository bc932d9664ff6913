import json
import time

import pytest

from addons.metering import StreamMeter
from addons.relay import NOTE_BYTES, Relay
from shared.domain.catalog import Dialect, FilterRule, FilterSpec
from shared.domain.usage import Usage
from shared.wire import errors as wire
from shared.wire.content_filter import ContentFilter
from shared.wire.formats import WireFormat
from shared.wire.requests import parse_request
from tests.support import streams
from tests.support.gateway_flows import (
    REQUEST_ID,
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


def responses_relay():
    """A relay of the events of a response, and its context."""
    context = sent_context(services(), stream=True)
    content = b'{"model": "m", "input": "hi", "stream": true}'
    context.parsed = context.outgoing = parse_request(WireFormat.RESPONSES, content)
    meter = StreamMeter(context.upstream_format)
    return Relay(context, meter, lambda *_: None), context, meter


def test_any_split_of_a_response_gives_the_same_bytes_and_bill() -> None:
    data = b"".join(streams.responses())
    for size in range(1, len(data) + 1):
        relay, context, meter = responses_relay()
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        sent = [chunk for piece in (*pieces, b"") for chunk in relay(piece)]
        assert b"".join(sent) == data
        assert not context.end_reason
        usage = meter.usage(99)
        assert usage == Usage(streams.INPUT_TOKENS, streams.OUTPUT_TOKENS)


def test_a_response_that_ends_early_ends_in_its_own_error_event() -> None:
    events = streams.responses()
    for count in range(len(events)):
        relay, context, _ = responses_relay()
        for event in events[:count]:
            assert relay(event) == [event]
        (last,) = relay(b"")
        name, data = last.strip(b"\n").split(b"\n")
        assert name == b"event: error"
        told = json.loads(data.removeprefix(b"data: "))
        assert (told["type"], told["error"]["type"]) == ("error", "api_error")
        assert context.end_reason == "upstream_error"


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


def test_an_error_event_shows_neither_host_nor_key() -> None:
    made = services()
    context = sent_context(made, Dialect.OPENAI, stream=True)
    context.outgoing = routed_context(made, Dialect.ANTHROPIC).parsed
    meter = StreamMeter(Dialect.ANTHROPIC)
    relay = Relay(context, meter, lambda *_: None, secrets=("up.example", "odd+key"))
    told = b'{"type":"error","error":{"type":"api_error","message":"up.example: odd+key"}}'
    (event,) = relay(b"event: error\ndata: " + told + b"\n\n")
    assert is_error(event, Dialect.OPENAI, "api_error")
    assert b"[removed]: [removed]" in event


def test_an_end_that_clients_cannot_read_is_an_early_one() -> None:
    """Clients of the Messages API go by the `event:` line; a translation does not need it."""
    data = b"".join(streams.events(Dialect.ANTHROPIC)).replace(b"event: message_stop\n", b"")
    relay, context, _ = relay_of(Dialect.ANTHROPIC)
    (passed,) = relay(data)
    (last,) = relay(b"")
    assert passed == data
    assert is_error(last, Dialect.ANTHROPIC, "api_error")
    relay, context = translating_relay_of(Dialect.OPENAI)
    assert b"".join(relay(data)).endswith(b"data: [DONE]\n\n")
    assert relay(b"") == relay.fail(wire.upstream_failed()) == []
    assert not context.end_reason


def test_a_translated_stream_ends_with_its_finish_reason() -> None:
    """Some upstreams of OpenAI's dialect close without `[DONE]`."""
    *events, done = streams.events(Dialect.OPENAI)
    relay, context = translating_relay_of(Dialect.ANTHROPIC)
    relay(b"".join(events))
    (last,) = relay(b"")
    assert last.endswith(b'{"type":"message_stop"}\n\n')
    assert not context.end_reason
    relay, context = translating_relay_of(Dialect.ANTHROPIC)
    relay(b"".join(events) + done.rstrip(b"\n"))
    assert relay(b"")[-1].endswith(b'{"type":"message_stop"}\n\n')
    assert not context.end_reason


# The content filter

LONGEST = ContentFilter(FilterSpec(rules=(FilterRule("Droid", "the assistant"),)))


def chat_chunk(content: str) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def filtering_relay(client: Dialect, **fields):
    context = sent_context(services(), client, stream=True, **fields)
    return Relay(context, StreamMeter(client), lambda *_: None, LONGEST), context


def test_text_is_cleared_across_the_pieces_of_a_stream() -> None:
    relay, _ = filtering_relay(Dialect.OPENAI)
    sent = [*relay(chat_chunk("I am Dr")), *relay(chat_chunk("oid, hello"))]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    sent += relay(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")
    data = b"".join([*sent, *relay(b"")])
    assert b"oid" not in data
    lines = [line[6:] for line in data.splitlines() if line.startswith(b"data: {")]
    deltas = [json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines]
    assert "".join(deltas) == "I am the assistant, hello"


def test_structured_output_is_left_alone() -> None:
    relay, _ = filtering_relay(Dialect.OPENAI, response_format={"type": "json_object"})
    event = chat_chunk('{"name": "Droid"}')
    assert relay(event) == [event]


@pytest.mark.parametrize("cut", [True, False])
def test_text_that_waits_is_said_before_an_error(cut: bool) -> None:
    relay, _ = filtering_relay(Dialect.OPENAI)
    event = chat_chunk("I am Dr")
    assert relay(event) == []
    said, error = relay(b"") if cut else relay.fail(wire.upstream_failed())
    assert said == event
    assert is_error(error, Dialect.OPENAI, "api_error")


def test_an_event_in_many_pieces_is_searched_once() -> None:
    """A megabyte in pieces of a hundred bytes: seconds of work if each piece meant all of it."""
    relay, _, _ = relay_of(Dialect.ANTHROPIC)
    piece = b"x" * 100
    began_s = time.process_time()
    for _ in range(10_000):
        assert relay(piece) == []
    assert relay(b"\n\n") == [piece * 10_000 + b"\n\n"]
    assert time.process_time() - began_s < 3
