"""Streams of the Messages API for clients of Chat Completions: all that recordings and noise do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.catalog import Dialect
from shared.errors import StreamError
from shared.wire.sse import MAX_EVENT_BYTES
from shared.wire.translation.interfaces import Asked
from shared.wire.translation.messages_answer_to_chat import translate_message
from shared.wire.translation.messages_stream_to_chat import MessagesToChatStream
from shared.wire.usage_reader import openai_body_usage, stream_usage
from tests.support.crossed import (
    ASKED,
    message_of,
    read_chunks,
    read_completion,
    recorded_answers,
    said,
    said_to_client,
)
from tests.support.message_streams import (
    block,
    call,
    chunks,
    deltas,
    ended,
    event,
    sent,
    started,
    text,
    thinking,
)
from tests.support.recorded import Turn
from tests.support.sdk_reads import TEXT_CHARS, expected_reads
from tests.support.stream_vectors import (
    MATERIAL,
    SIZES,
    FedBytes,
    OpenAIRead,
    Sent,
    StreamVector,
    check,
    stream_vectors,
    translated,
)

Json = dict[str, Any]

RECORDED = recorded_answers(MATERIAL, stream=True)
READS = expected_reads(MATERIAL) if RECORDED else {}
# An upstream that started anew in the middle of a tool call: no message in one piece is like it.
SPLICED = "anthropic/ai--spliced-message-start--a7eec7#0"

STOP = event("message_stop")

needs_vectors = pytest.mark.skipif(
    not MATERIAL.joinpath("vectors").is_dir(), reason="no ../shared/vectors beside the checkout"
)
needs_recordings = pytest.mark.skipif(not RECORDED, reason="no ../shared/fixtures")


@needs_vectors
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(vector, id=vector.id)
        for vector in stream_vectors(Dialect.ANTHROPIC, Dialect.OPENAI)
    ],
)
def test_vectors(vector: StreamVector, size: int | None) -> None:
    check(vector, sent(vector.data, size=size))


@needs_vectors
@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(vector, id=vector.id)
        for vector in stream_vectors(Dialect.ANTHROPIC, Dialect.ANTHROPIC)
    ],
)
def test_vectors_of_native_routes_are_charged_as_they_say(vector: StreamVector) -> None:
    check(vector, Sent(vector.data))


@needs_recordings
@pytest.mark.parametrize("turn", [pytest.param(turn, id=turn.name) for turn in RECORDED])
def test_recorded_streams(turn: Turn) -> None:
    data, truth = turn.body.encode(), message_of(turn.body.encode())
    whole = sent(data)
    completion = read_chunks(whole.data)
    assert said_to_client(completion) == said(truth)
    assert openai_body_usage(json.dumps(completion).encode()).total_input == metered(data)[0]
    assert completion["usage"]["completion_tokens"] == metered(data)[1]
    if turn.name != SPLICED:
        body = translate_message(json.dumps(truth).encode(), ASKED)
        assert completion == read_completion(body)
    for size in SIZES:
        assert sent(data, size=size) == whole


def metered(data: bytes) -> tuple[int, int]:
    """Tokens in and out that the upstream's stream is charged with."""
    meter = stream_usage(Dialect.ANTHROPIC)
    meter.feed(data)
    return meter.usage.total_input, meter.usage.output


@needs_recordings
@pytest.mark.parametrize("turn", [pytest.param(turn, id=turn.name) for turn in RECORDED])
def test_recorded_streams_say_what_the_sdk_read(turn: Turn) -> None:
    read = READS[f"stream:{turn.name}"]
    completion = read_chunks(sent(turn.body.encode()).data)
    found = said_to_client(completion)
    assert found["text"][:TEXT_CHARS] == read["text"]
    assert len(found["calls"]) == read["blocks"].count("tool_use")
    kept = completion["choices"][0]["message"].get("thinking_blocks", [])
    thoughts = [kind for kind in read["blocks"] if kind in ("thinking", "redacted_thinking")]
    assert [thought["type"] for thought in kept] == thoughts


def test_every_chunk_carries_the_same_head() -> None:
    for chunk in chunks(started(model="claude-x") + text(0, "Hi") + ended()):
        head = (chunk["id"], chunk["object"], chunk["created"], chunk["model"])
        assert head == ("msg_1", "chat.completion.chunk", ASKED.created_s, "claude-x")
        assert "service_tier" not in chunk


def test_names_are_made_up_where_the_upstream_gives_none() -> None:
    first = chunks(started(id=None, model=7) + ended())[0]
    assert (first["id"], first["model"]) == ("chatcmpl-req_1", "")


def test_a_service_tier_is_in_every_chunk() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": "priority"}
    found = chunks(started(usage=usage) + text(0, "Hi") + ended())
    assert {chunk["service_tier"] for chunk in found} == {"priority"}


def test_text_at_every_split() -> None:
    """tricky-37: what is cut within a character arrives whole."""
    data = started() + text(0, "北京 ist groß", "🙂") + ended()
    whole = sent(data)
    assert OpenAIRead(whole).text == "北京 ist groß🙂"
    assert all(sent(data, size=size) == whole for size in range(1, 40))


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(event("message_note", text="x"), id="tricky-39 an unknown event"),
        pytest.param(b"event: note\ndata: no json\n\n", id="tricky-39 unknown, no JSON"),
        pytest.param(b'data: {"type":"note"}\n\n', id="unknown without a name"),
        pytest.param(b"data: {}\n\n", id="of no type"),
        pytest.param(b": comment\n\nretry: 5\n\n", id="tricky-38 comments and fields"),
        pytest.param(block(9, {"type": "note"}, {"type": "note_delta"}), id="an unknown block"),
        pytest.param(event("content_block_stop", index=9), id="a stop of no block"),
        pytest.param(block(9, {"type": "text", "text": ""}, {"type": "x"}), id="an unknown delta"),
        pytest.param(call(9).replace(b"tool_use", b"mcp_tool_use"), id="an MCP tool"),
        pytest.param(started(id="msg_2"), id="tricky-42 a second start"),
    ],
)
def test_what_says_nothing_is_ignored(extra: bytes) -> None:
    plain = started() + text(0, "Hi") + ended()
    assert sent(started() + extra + text(0, "Hi") + ended()) == sent(plain)


def test_pings_are_comments() -> None:
    """tricky-39: OpenAI's dialect has no pings."""
    data = event("ping") + started() + event("ping") + text(0, "Hi") + ended()
    found = sent(data)
    assert found.data.count(b": ping\n\n") == 2
    assert found.data.replace(b": ping\n\n", b"") == sent(data.replace(event("ping"), b"")).data


def test_events_without_names_crlf_and_several_data_lines() -> None:
    """tricky-38."""
    data = started() + text(0, "Hi") + ended()
    expected = sent(data)
    unnamed = b"\n".join(line for line in data.split(b"\n") if not line.startswith(b"event"))
    assert sent(unnamed) == expected
    assert sent(data.replace(b"\n", b"\r\n"), size=1) == expected
    assert sent(data.replace(b',"index"', b'\ndata: ,"index"')) == expected


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        pytest.param("end_turn", "stop", id="tricky-49 end_turn"),
        pytest.param("stop_sequence", "stop", id="tricky-49 stop_sequence"),
        pytest.param("pause_turn", "stop", id="tricky-49 pause_turn"),
        pytest.param("max_tokens", "length", id="tricky-49 max_tokens"),
        pytest.param("model_context_window_exceeded", "length", id="tricky-49 context window"),
        pytest.param("tool_use", "tool_calls", id="tricky-49 tool_use"),
        pytest.param("refusal", "content_filter", id="tricky-49 refusal"),
        pytest.param("new_reason", "stop", id="unknown"),
        pytest.param(None, "stop", id="none"),
    ],
)
def test_stop_reasons(stop_reason: str | None, finish_reason: str) -> None:
    *_, finish, _ = chunks(started() + text(0, "Hi") + ended(stop_reason))
    assert finish["choices"][0]["finish_reason"] == finish_reason


def test_a_stop_reason_stays() -> None:
    note = event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 8})
    *_, finish, usage = chunks(started() + ended("max_tokens").replace(STOP, note + STOP))
    assert finish["choices"][0]["finish_reason"] == "length"
    assert usage["usage"]["completion_tokens"] == 8


def test_calls_without_a_stop_reason() -> None:
    *_, finish, _ = chunks(started() + call(0) + ended(None))
    assert finish["choices"][0]["finish_reason"] == "tool_calls"


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    data = started() + text(0, "Well") + ended("refusal", stop_details=details)
    assert deltas(data) == [{"content": "Well"}, {"refusal": "Not this."}]


def test_usage() -> None:
    """tricky-51, tricky-53, tricky-55: the prompt includes what is cached, reasoning is inside."""
    cached = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    split = {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15}
    usage = {**cached, "cache_creation": split, "output_tokens": 1}
    last = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    delta = event("message_delta", delta={"stop_reason": "end_turn"}, usage=last)
    found = chunks(started(usage=usage) + delta + STOP)
    assert found[-1]["usage"] == {
        "prompt_tokens": 125,
        "completion_tokens": 9,
        "total_tokens": 134,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    assert [chunk["usage"] for chunk in found[:-1]] == [None, None]


def test_no_usage_unless_asked_for() -> None:
    """tricky-46: some clients read `choices[0]` of every chunk."""
    asked = Asked(request_id="req_1", created_s=1)
    found = chunks(started() + text(0, "Hi") + ended(), asked)
    assert all(chunk["choices"] and "usage" not in chunk for chunk in found)


def test_no_usage_where_the_upstream_reports_none() -> None:
    stop = event("message_delta", delta={"stop_reason": "end_turn"}) + STOP
    assert chunks(started(usage=None) + stop)[-1]["usage"] is None


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        pytest.param(
            {"type": "overloaded_error", "message": "Overloaded"},
            "overloaded",
            "Overloaded",
            id="tricky-48 overloaded",
        ),
        pytest.param(
            {"type": "api_error", "message": "Ask https://api.anthropic.com with sk-ant-123456"},
            "upstream_error",
            "Ask [url] with [key]",
            id="redacted",
        ),
        pytest.param(
            {"type": "authentication_error", "message": "invalid x-api-key"},
            "upstream_error",
            "The model provider failed to answer. Try again.",
            id="about our account",
        ),
        pytest.param(None, "upstream_error", "The model provider refused this.", id="no object"),
    ],
)
def test_an_error_in_mid_stream(error: Json | None, code: str, words: str) -> None:
    """tricky-47, tricky-48: the client sees an error, and no end as if all were well."""
    translator = MessagesToChatStream(ASKED)
    found = translated(translator, started() + text(0, "Hi") + event("error", error=error))
    read = OpenAIRead(found)
    assert read.text == "Hi"
    assert [(each["code"], each["message"]) for each in read.errors] == [(code, words)]
    assert b"[DONE]" not in found.data
    assert found.error is None
    assert translator.failed
    assert translator.ended


def test_an_error_shows_neither_host_nor_key() -> None:
    asked = Asked("req_1", 1, secrets=("llm.example.com", "odd+key"))
    error = {"type": "api_error", "message": "LLM.example.com refused odd+key"}
    (told,) = OpenAIRead(sent(started() + event("error", error=error), asked)).errors
    assert told["message"] == "[removed] refused [removed]"
    assert "odd+key" not in repr(asked)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(b"", id="at once"),
        pytest.param(started(), id="after the start"),
        pytest.param(started() + text(0, "Hi"), id="tricky-47 after text"),
        pytest.param(started() + ended().removesuffix(STOP), id="before the stop"),
    ],
)
def test_a_cut_stream(cut: bytes) -> None:
    translator = FedBytes(MessagesToChatStream(ASKED))
    assert b"[DONE]" not in translator.feed(cut)
    with pytest.raises(StreamError, match="ended early"):
        translator.flush()
    assert not translator.ended


def test_nothing_follows_the_end() -> None:
    translator = FedBytes(MessagesToChatStream(ASKED))
    assert translator.feed(started() + ended() + text(0, "Hi")).endswith(b"data: [DONE]\n\n")
    assert translator.ended
    assert not translator.failed
    assert translator.feed(event("error", error={}) + b"noise\n\n") == b""
    assert translator.feed(b"x" * (MAX_EVENT_BYTES + 1)) == b""
    assert translator.flush() == b""


def test_a_last_event_without_its_empty_line() -> None:
    data = (started() + text(0, "Hi") + ended()).rstrip(b"\n")
    assert sent(data) == sent(data + b"\n\n")


DEEP = '{"a":' * 300 + "1" + "}" * 300


def delta_of(**delta: Any) -> bytes:
    return event("content_block_delta", index=0, delta=delta)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"event: message_start\ndata: {\n\n", id="no JSON"),
        pytest.param(b"event: content_block_delta\ndata: []\n\n", id="no object"),
        pytest.param(b"data: \xff\n\n", id="no UTF-8"),
        pytest.param(event("message_start"), id="a start without a message"),
        pytest.param(event("content_block_start", index=0), id="a block without content"),
        pytest.param(event("content_block_start", index=[], content_block={}), id="odd index"),
        pytest.param(block(1, {}), id="a block without a type"),
        pytest.param(block(1, {"type": "text"}), id="a text without text"),
        pytest.param(block(1, {"type": "thinking", "thinking": 1}), id="thinking of numbers"),
        pytest.param(block(1, {"type": "redacted_thinking"}), id="redacted without data"),
        pytest.param(call(1, id=None), id="a call without an id"),
        pytest.param(call(1, name=None), id="a call without a name"),
        pytest.param(call(1, input=[1]), id="input that is a list"),
        pytest.param(call(1, input=json.loads(DEEP)), id="input of any depth"),
        pytest.param(delta_of(type="text_delta", text=None), id="text of nothing"),
        pytest.param(event("content_block_delta", index=0), id="no delta"),
        pytest.param(event("content_block_delta", index=5, delta={}), id="a block never opened"),
        pytest.param(
            delta_of(type="text_delta", text="x").replace(b'"x"', b'"\xff"'),
            id="plain text that is no UTF-8",
        ),
        pytest.param(
            delta_of(type="text_delta", text="x").replace(b'"x"', b'"\x01"'),
            id="plain text with a control character",
        ),
        pytest.param(text(1, "x" * MAX_EVENT_BYTES), id="an event over the cap"),
    ],
)
def test_malformed_events(broken: bytes) -> None:
    opened = started() + text(0, "Hi").partition(b"event: content_block_stop")[0]
    found = sent(opened + broken + ended())
    assert isinstance(found.error, StreamError)
    assert b"[DONE]" not in found.data


@pytest.mark.parametrize("early", [text(0, "Hi"), call(0), ended(), thinking(0, "Hm", "s")])
def test_an_answer_without_a_start(early: bytes) -> None:
    found = sent(early + started() + ended())
    assert isinstance(found.error, StreamError)


def test_an_error_of_any_depth() -> None:
    data = started() + f'event: error\ndata: {{"error":{DEEP}}}\n\n'.encode()
    assert [error["code"] for error in OpenAIRead(sent(data)).errors] == ["upstream_error"]


def survives(data: bytes, sizes: list[int]) -> None:
    """Whatever comes, whole chunks of JSON go out or the stream fails with a StreamError."""
    translator = FedBytes(MessagesToChatStream(ASKED))
    out, at = bytearray(), 0
    try:
        for size in [*sizes, len(data)]:
            out += translator.feed(data[at : at + size])
            at += size
        out += translator.flush()
        assert translator.ended
    except StreamError:
        assert not translator.ended
    OpenAIRead(Sent(bytes(out)))


SPLITS = st.lists(st.integers(0, 200), max_size=8)
SAMPLE = started() + thinking(0, "Hm", "s1") + text(1, "zwölf ", "\n") + call(2, '{"a":', "1}")
SAMPLE += block(3, {"type": "redacted_thinking", "data": "d"}) + event("ping") + ended("tool_use")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), SPLITS)
def test_noise(data: bytes, sizes: list[int]) -> None:
    survives(data, sizes)


@settings(max_examples=300, deadline=None)
@given(st.data(), SPLITS)
def test_mutated_streams(data: st.DataObject, sizes: list[int]) -> None:
    streams = [SAMPLE, *(turn.body.encode() for turn in RECORDED if len(turn.body) < 9000)]
    stream = bytearray(data.draw(st.sampled_from(streams)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(stream)))
        length = data.draw(st.integers(0, 12))
        stream[at : at + length] = data.draw(st.binary(max_size=12) | st.sampled_from(WORDS))
    survives(bytes(stream), sizes)


WORDS = [b"null", b"[]", b"{}", b'"', b"\n\n", b"-1", b"1e999", b"true", b"\\ud800", b'"index":"x"']
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = ("message_start", "content_block_start", "content_block_delta", "message_delta", "error")
PARTS = ("message", "content_block", "delta", "usage", "error", "index")
KINDS = ("text", "thinking", "redacted_thinking", "tool_use", "text_delta", "input_json_delta")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.dictionaries(st.sampled_from(PARTS), JSON),
            st.sampled_from(KINDS),
        ),
        max_size=5,
    )
)
def test_events_of_any_values(events: list[tuple[str, Json, str]]) -> None:
    data = started() + text(0, "Hi")
    for name, fields, kind in events:
        typed = {
            part: {"type": kind, **value} if isinstance(value, dict) else value
            for part, value in fields.items()
        }
        data += event(name, **{"index": 0, **typed})
    survives(data + ended(), [])
