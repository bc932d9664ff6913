"""Answers of the Messages API in one piece for clients of Chat Completions."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import GatewayError
from shared.wire.translation.chat_turns import conversation_of
from shared.wire.translation.messages_answer_to_chat import translate_message
from shared.wire.usage_reader import anthropic_body_usage
from tests.support.crossed import (
    ASKED,
    read_chunks,
    read_completion,
    recorded_answers,
    said,
    said_to_client,
    stream_of,
)
from tests.support.message_streams import sent
from tests.support.recorded import Turn
from tests.support.sdk_reads import expected_reads
from tests.support.stream_vectors import MATERIAL
from tests.support.vectors import Vector, needs_vectors, outcome_of, unmet, vector_params

Json = dict[str, Any]

RECORDED = recorded_answers(MATERIAL, stream=False)
READS = expected_reads(MATERIAL) if RECORDED else {}

needs_recordings = pytest.mark.skipif(not RECORDED, reason="no ../shared/fixtures")


def message(*blocks: Json, **fields: Any) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 7},
        **fields,
    }


def text(said: str, **fields: Any) -> Json:
    return {"type": "text", "text": said, **fields}


def call(**fields: Any) -> Json:
    return {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}, **fields}


def translated(answer: Json) -> Json:
    found: Json = orjson.loads(translate_message(json.dumps(answer).encode(), ASKED))
    return found


def told(*blocks: Json, **fields: Any) -> Json:
    """The message that a client gets, checked as the SDK would."""
    body = translate_message(json.dumps(message(*blocks, **fields)).encode(), ASKED)
    read_completion(body)
    found: Json = json.loads(body)["choices"][0]["message"]
    return found


@needs_vectors
@pytest.mark.parametrize("vector", vector_params("resp:anthropic->openai"))
def test_vectors(vector: Vector) -> None:
    assert unmet(vector, outcome_of(lambda: translated(vector.input))) == []


@needs_recordings
@pytest.mark.parametrize("turn", [pytest.param(turn, id=turn.name) for turn in RECORDED])
def test_recorded_answers(turn: Turn) -> None:
    answer, read = json.loads(turn.body), READS[f"body:{turn.name}"]
    completion = read_completion(translate_message(turn.body.encode(), ASKED))
    assert said_to_client(completion) == said(answer)
    assert len(said_to_client(completion)["calls"]) == read["blocks"].count("tool_use")
    usage = anthropic_body_usage(turn.body.encode())
    assert completion["usage"]["prompt_tokens"] == usage.total_input
    assert completion["usage"]["total_tokens"] == usage.total
    for step in (1, 7):
        assert read_chunks(sent(stream_of(answer, step)).data) == completion


def test_a_whole_completion() -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "s1"}
    usage = {"input_tokens": 3, "output_tokens": 7, "service_tier": "standard"}
    made = message(thinking, text("On it."), call(input={"a": "ü"}), usage=usage)
    assert translated({**made, "stop_reason": "tool_use"}) == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": ASKED.created_s,
        "model": "claude-x",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "On it.",
                    "refusal": None,
                    "reasoning_content": "Hm",
                    "thinking_blocks": [thinking],
                    "tool_calls": [
                        {
                            "id": "toolu_1",
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"a":"ü"}'},
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 7,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "service_tier": "default",
    }


@pytest.mark.parametrize(
    ("blocks", "content"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([text("")], "", id="empty text"),
        pytest.param([text("One "), text("two")], "One two", id="several texts"),
        pytest.param([text("One "), call(), text("two")], "One two", id="around a call"),
        pytest.param([call()], None, id="a call alone"),
        pytest.param([{"type": "server_tool_use"}, text("So")], "So", id="a server tool"),
        pytest.param([{"type": "note", "text": "x"}], "", id="an unknown block"),
    ],
)
def test_content(blocks: list[Json], content: str | None) -> None:
    assert told(*blocks)["content"] == content


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        pytest.param({}, "{}", id="tricky-12 empty"),
        pytest.param(None, "{}", id="tricky-12 null"),
        pytest.param({"a": [1, {"b": None}]}, '{"a":[1,{"b":null}]}', id="nested"),
    ],
)
def test_arguments(given: Any, arguments: str) -> None:
    assert told(call(input=given))["tool_calls"][0]["function"]["arguments"] == arguments


def test_thinking_comes_back_as_it_was() -> None:
    """tricky-29: what the client sends back is what a request's translation takes."""
    blocks: list[Json] = [
        {"type": "thinking", "thinking": "Hm", "signature": "s1"},
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
    ]
    unsigned = {"type": "thinking", "thinking": "So", "signature": ""}
    for read in (told, streamed):
        back = read(*blocks, unsigned, text("Hi"))
        assert back["reasoning_content"] == "HmSo"
        asked = [{"role": "user", "content": "x"}, back, {"role": "user", "content": "y"}]
        assert conversation_of(asked).turns[1].blocks == [*blocks, text("Hi")]


def streamed(*blocks: Json) -> Json:
    """The message that OpenAI's SDK assembles of the same answer as a stream."""
    found: Json = read_chunks(sent(stream_of(message(*blocks), 3)).data)["choices"][0]["message"]
    return found


def test_citations() -> None:
    cited = {"type": "web_search_result_location", "url": "https://x.example/", "title": "X"}
    found = told(text("zwölf "), text("🙂", citations=[cited, cited]))
    place = {"start_index": 6, "end_index": 7, "title": "X", "url": "https://x.example/"}
    assert found["annotations"] == [{"type": "url_citation", "url_citation": place}]


@pytest.mark.parametrize(
    ("blocks", "details", "content", "refusal"),
    [
        pytest.param([], {"explanation": "Not this."}, None, "Not this.", id="at once"),
        pytest.param([text("Hi")], {"explanation": "No."}, "Hi", "No.", id="after text"),
        pytest.param([text("Hi")], {"explanation": None}, "Hi", None, id="no explanation"),
        pytest.param([], None, "", None, id="no details"),
    ],
)
def test_refusals(
    blocks: list[Json], details: Json | None, content: str | None, refusal: str | None
) -> None:
    found = told(*blocks, stop_reason="refusal", stop_details=details)
    assert (found["content"], found["refusal"]) == (content, refusal)


def test_what_the_upstream_leaves_out() -> None:
    found = translated({"content": []})
    assert (found["id"], found["model"]) == ("chatcmpl-req_1", "")
    assert found["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in found


DEEP: Any = json.loads('{"a":' * 300 + "1" + "}" * 300)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="no content"),
        pytest.param(b'{"type":"error","error":{"message":"x"}}', id="an error"),
        pytest.param(b'{"content":"Hi"}', id="content that is no list"),
        pytest.param(b'{"content":["Hi"]}', id="a block that is no object"),
        pytest.param(json.dumps(message({})).encode(), id="a block without a type"),
        pytest.param(json.dumps(message({"type": "text"})).encode(), id="text without text"),
        pytest.param(json.dumps(message(call(id=None))).encode(), id="a call without an id"),
        pytest.param(json.dumps(message(call(name=1))).encode(), id="a name that is a number"),
        pytest.param(json.dumps(message(call(input="{}"))).encode(), id="input that is text"),
        pytest.param(json.dumps(message(call(input=DEEP))).encode(), id="input of any depth"),
        pytest.param(json.dumps(message({"type": "thinking"})).encode(), id="empty thinking"),
    ],
)
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(GatewayError) as raised:
        translate_message(body, ASKED)
    assert (raised.value.status, raised.value.code) == (502, "upstream_error")


WORDS = st.text(max_size=8)
URLS = st.sampled_from(["https://x.example/", "http://y.example/?q=1", "urn:z", "", None])
CITATIONS = st.fixed_dictionaries(
    {"url": URLS}, optional={"title": st.none() | WORDS, "source": URLS}
)
INPUTS = st.dictionaries(
    WORDS, st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS, st.lists)
)
BLOCKS = st.one_of(
    st.builds(text, WORDS, citations=st.lists(CITATIONS, max_size=3)),
    st.builds(
        lambda said, sign: {"type": "thinking", "thinking": said, "signature": sign}, WORDS, WORDS
    ),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, WORDS),
    st.builds(call, id=WORDS, name=WORDS, input=INPUTS),
    st.just({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
)
STOPS = st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal", "other", None])


@settings(max_examples=50, deadline=None)
@given(st.lists(BLOCKS, max_size=4), STOPS, st.integers(2, 6), st.none() | WORDS)
def test_a_stream_makes_the_same_message_as_the_whole(
    blocks: list[Json], stop: str | None, step: int, why: str | None
) -> None:
    details = {"type": "refusal", "explanation": why}
    answer = message(*blocks, stop_reason=stop, stop_details=details)
    whole = read_completion(translate_message(json.dumps(answer).encode(), ASKED))
    assert read_chunks(sent(stream_of(answer, step)).data) == whole
    assert said_to_client(whole) == said(answer)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = ("text", "thinking", "signature", "data", "id", "name", "input", "citations")
KINDS = st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "other"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(KINDS, st.dictionaries(st.sampled_from(FIELDS), ANYTHING))), ANYTHING)
def test_any_values(blocks: list[tuple[str, Json]], other: Any) -> None:
    content = [{**fields, "type": kind} for kind, fields in blocks]
    fields = dict.fromkeys(("id", "model", "usage", "stop_reason", "stop_details"), other)
    body = json.dumps(message(*content) | fields).encode()
    with contextlib.suppress(GatewayError):
        read_completion(translate_message(body, ASKED))
