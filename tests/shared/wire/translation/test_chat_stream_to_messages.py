"""Streams of completions for clients of the Messages API: vectors, recordings, rules, noise."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.catalog import Dialect
from shared.errors import StreamError
from shared.wire.sse import MAX_EVENT_BYTES
from shared.wire.translation.chat_answer_to_messages import translate_completion
from shared.wire.translation.chat_stream_to_messages import ChatToMessagesStream
from shared.wire.translation.interfaces import Asked
from shared.wire.usage_reader import stream_usage
from tests.support.messages_client import (
    INPUT_FIELDS,
    Json,
    delta_message,
    read_events,
    read_message,
    read_stream,
    spoken,
)
from tests.support.recorded import Turn, turns
from tests.support.sdk_reads import expected_reads
from tests.support.stream_vectors import (
    MATERIAL,
    SIZES,
    AnthropicRead,
    FedBytes,
    Sent,
    StreamVector,
    check,
    stream_vectors,
    translated,
)

ASKED = Asked(request_id="req_1", created_s=1_700_000_000)
DONE = b"data: [DONE]\n\n"
VECTORS = stream_vectors(Dialect.OPENAI, Dialect.ANTHROPIC)
FIXTURES = MATERIAL.joinpath("fixtures").is_dir()
STREAMS = [
    turn
    for turn in (turns(MATERIAL) if FIXTURES else ())
    if turn.dialect == "openai" and turn.status == 200 and turn.stream
]
READS = expected_reads(MATERIAL) if FIXTURES else {}
STOP_OF_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

needs_vectors = pytest.mark.skipif(not VECTORS, reason="no ../shared/vectors beside the checkout")
needs_recordings = pytest.mark.skipif(not STREAMS, reason="no ../shared/fixtures")


def data(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def chunk(delta: Any = None, finish: Any = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    return data({"id": "chatcmpl-1", "model": "m", "choices": [choice], **fields})


def text(*pieces: str) -> bytes:
    return b"".join(chunk({"content": piece}) for piece in pieces)


def call(index: int, name: str | None = None, arguments: str | None = None, **fields: Any) -> bytes:
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "function": function, **fields}]})


def usage_chunk(**usage: Any) -> bytes:
    return data({"choices": [], "usage": usage})


def sent(stream: bytes, size: int | None = None) -> Sent:
    return translated(ChatToMessagesStream(ASKED), stream, size)


def read(stream: bytes) -> Json:
    """The message that a client reads from a complete stream."""
    outcome = sent(stream)
    assert outcome.error is None
    return read_stream(outcome.data)


@needs_vectors
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("vector", [pytest.param(each, id=each.id) for each in VECTORS])
def test_vectors(vector: StreamVector, size: int | None) -> None:
    check(vector, sent(vector.data, size))


def recorded_chunks(turn: Turn) -> list[Json]:
    payloads = [line[5:] for line in turn.body.splitlines() if line.startswith("data:")]
    return [json.loads(payload) for payload in payloads if payload.strip() != "[DONE]"]


@needs_recordings
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("turn", [pytest.param(turn, id=turn.name) for turn in STREAMS])
def test_recorded_streams(turn: Turn, size: int | None) -> None:
    outcome = sent(turn.body.encode(), size)
    assert outcome.error is None
    message = read_stream(outcome.data)
    recorded = recorded_chunks(turn)
    said = delta_message(recorded)
    calls = [each["function"] for each in said.get("tool_calls") or []]
    assert spoken(message) == {
        "thinking": said.get("reasoning_content") or "",
        "text": said.get("content") or "",
        "calls": [(each["name"], json.loads(each["arguments"])) for each in calls],
    }
    assert message["id"] == recorded[-1]["id"]
    assert message["model"] == recorded[-1]["model"]
    finish = [each["finish_reason"] for part in recorded for each in part["choices"]][-1]
    told = READS.get(f"stream:{turn.name}", {"finish": [finish], "tools": [len(calls)]})
    assert message["stop_reason"] == STOP_OF_FINISH[told["finish"][0]]
    assert len(calls) == told["tools"][0]
    meter = stream_usage(Dialect.OPENAI)
    meter.feed(turn.body.encode())
    usage = message["usage"]
    assert sum(usage[name] for name in INPUT_FIELDS) == meter.usage.total_input
    assert usage["cache_read_input_tokens"] == meter.usage.cache_hit
    assert usage["output_tokens"] == meter.usage.output


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        pytest.param(
            chunk({"role": "assistant", "content": ""}) + text("Hel", "lo"),
            [{"type": "text", "text": "Hello"}],
            id="tricky-19 an empty piece opens no block",
        ),
        pytest.param(
            text('đồng \n"\\ ', "😀\x1f\u2028"),
            [{"type": "text", "text": 'đồng \n"\\ 😀\x1f\u2028'}],
            id="tricky-37 escapes and other scripts",
        ),
        pytest.param(
            text("Hel", "lo").replace(b"data: ", b"data:").replace(b"\n\n", b"\r\n: x\r\n\r\n"),
            [{"type": "text", "text": "Hello"}],
            id="tricky-38 no space, CRLF, comments",
        ),
        pytest.param(
            b": keep-alive\n\n" + text("a") + b": keep-alive\n\ndata:\n\nevent: x\n\n" + text("b"),
            [{"type": "text", "text": "ab"}],
            id="tricky-39 keep-alives",
        ),
        pytest.param(
            call(0, "f", "", id="c") + call(0, "", '{"a"', id=None) + call(0, None, ":1}"),
            [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
            id="tricky-40 the first fragment is empty",
        ),
        pytest.param(
            call(0, "f", '{"a"', id="c") + call(0, None, ":1}"),
            [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
            id="tricky-40 arguments in the chunk of the name",
        ),
        pytest.param(
            chunk({"reasoning_content": "Hm", "content": None})
            + chunk({"reasoning_content": ".", "content": ""})
            + text("Hi")
            + call(0, "f", "{}", id="c0")
            + call(1, "g", "{}", id="c1"),
            [
                {"type": "thinking", "thinking": "Hm.", "signature": ""},
                {"type": "text", "text": "Hi"},
                {"type": "tool_use", "id": "c0", "name": "f", "input": {}},
                {"type": "tool_use", "id": "c1", "name": "g", "input": {}},
            ],
            id="tricky-41 tricky-42 thinking, text, calls",
        ),
        pytest.param(
            text("a") + call(0, "f", '{"x": 1}', id="c") + text("b"),
            [
                {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}},
                {"type": "text", "text": "b"},
            ],
            id="tricky-42 text after a call",
        ),
        pytest.param(
            call(0, "f", '{"x":', id="c")
            + call(1, "g", '{"y":', id="d")
            + call(0, None, "1}")
            + call(1, None, "2}"),
            [
                {"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "d", "name": "g", "input": {"y": 2}},
            ],
            id="calls told in turns",
        ),
        pytest.param(
            call(0, "f", "{}") + call(1, "g", "{}", id=""),
            [
                {"type": "tool_use", "id": "call_req_1_0", "name": "f", "input": {}},
                {"type": "tool_use", "id": "call_req_1_1", "name": "g", "input": {}},
            ],
            id="tricky-14 missing ids",
        ),
        pytest.param(
            call(0, "f", None, id="c"),
            [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
            id="tricky-12 no arguments",
        ),
        pytest.param(
            chunk({"function_call": {"name": "f", "arguments": ""}})
            + chunk({"function_call": {"arguments": '{"a":'}})
            + chunk({"function_call": {"arguments": " 1}"}}),
            [{"type": "tool_use", "id": "call_req_1_0", "name": "f", "input": {"a": 1}}],
            id="tricky-30 legacy function call",
        ),
        pytest.param(
            chunk({"content": "x", "tool_calls": None, "refusal": None, "obfuscation": "yz"}),
            [{"type": "text", "text": "x"}],
            id="nulls and unknown fields",
        ),
        pytest.param(
            data({"choices": [{"index": 1, "delta": {"content": "no"}}]}) + text("x"),
            [{"type": "text", "text": "x"}],
            id="another choice",
        ),
        pytest.param(b"", [], id="nothing"),
    ],
)
@pytest.mark.parametrize("size", [None, 1, 7])
def test_content(stream: bytes, content: list[Json], size: int | None) -> None:
    outcome = sent(stream + chunk(finish="stop") + DONE, size)
    assert read_stream(outcome.data)["content"] == content


def test_arguments_pass_as_they_come() -> None:  # tricky-13
    events = read_events(sent(call(0, "f", "{invalid json", id="c") + DONE).data)
    assert [each.delta.partial_json for each in events if each.type == "content_block_delta"] == [
        "{invalid json"
    ]


def test_cited_urls() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://example.com/"}}
    message = read(text("Hi") + chunk({"annotations": [cited]}) + DONE)
    assert [each["url"] for each in message["content"][0]["citations"]] == ["https://example.com/"]


@pytest.mark.parametrize(
    ("stream", "stop"),
    [
        (text("x") + chunk(finish="stop"), "end_turn"),
        (text("x") + chunk(finish="length"), "max_tokens"),
        (text("x") + chunk(finish="content_filter"), "refusal"),
        (chunk({"refusal": "No."}) + chunk(finish="stop"), "refusal"),
        (call(0, "f", "{}") + chunk(finish="tool_calls"), "tool_use"),
        pytest.param(call(0, "f", "{}") + chunk(finish="stop"), "tool_use", id="tricky-50 stop"),
        pytest.param(call(0, "f", "{}"), "tool_use", id="no finish reason but [DONE]"),
        pytest.param(
            chunk({"content": "x"}, finish="") + chunk(finish="length") + chunk(finish=None),
            "max_tokens",
            id="empty and null say nothing",
        ),
    ],
)
def test_stop_reasons(stream: bytes, stop: str) -> None:
    assert read(stream + DONE)["stop_reason"] == stop


USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 15},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
TOLD = {
    "input_tokens": 5,
    "cache_creation_input_tokens": 15,
    "cache_read_input_tokens": 80,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
}
NOTHING = {**dict.fromkeys((*INPUT_FIELDS, "output_tokens"), 0)}


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        pytest.param(
            chunk(finish="stop") + usage_chunk(**USAGE), TOLD, id="tricky-43 after the finish"
        ),
        pytest.param(chunk(finish="stop", usage=USAGE), TOLD, id="tricky-43 in the finish chunk"),
        pytest.param(
            chunk({"content": "x"}, "stop", usage=USAGE), TOLD, id="tricky-43 in the only chunk"
        ),
        pytest.param(usage_chunk(**USAGE) + chunk(finish="stop"), TOLD, id="tricky-43 before it"),
        pytest.param(chunk(finish="stop"), NOTHING, id="tricky-43 none: what is not known is 0"),
        pytest.param(
            chunk({"content": "y"}, usage={"prompt_tokens": 1, "completion_tokens": 1})
            + chunk(finish="stop", usage=USAGE)
            + usage_chunk()
            + data({"choices": [], "usage": None}),
            TOLD,
            id="tricky-52 the last that was reported",
        ),
        pytest.param(chunk(finish="stop", x_groq={"usage": USAGE}), TOLD, id="Groq"),
    ],
)
def test_usage(stream: bytes, told: Json) -> None:
    outcome = sent(text("x") + stream + DONE)
    ends = [each for each in read_events(outcome.data) if each.type == "message_delta"]
    # Some clients read nothing but this event.
    assert [end.usage.to_dict() for end in ends] == [told]


def test_the_start_tells_the_usage_that_is_known() -> None:  # tricky-44
    running = {"prompt_tokens": 9, "completion_tokens": 1}
    stream = chunk({"content": "x"}, usage=running, service_tier="priority") + DONE
    start = read_events(sent(stream).data)[0]
    assert start.message.usage.to_dict(exclude_none=True) == {
        **NOTHING,
        "input_tokens": 9,
        "output_tokens": 1,
        "service_tier": "priority",
    }


def test_the_start_waits_for_a_choice() -> None:
    translator = FedBytes(ChatToMessagesStream(ASKED))
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    assert translator.feed(data(first)) == b""
    assert b'"id":"chatcmpl-1"' in translator.feed(text("x"))


def test_a_stream_that_says_nothing() -> None:
    message = read(usage_chunk(**USAGE) + DONE)
    assert (message["id"], message["content"]) == ("msg_req_1", [])
    assert message["usage"]["cache_read_input_tokens"] == 80


def test_every_piece_is_sent_at_once() -> None:
    translator = FedBytes(ChatToMessagesStream(ASKED))
    translator.feed(text("a"))
    assert translator.feed(text("b")).count(b"event: ") == 1
    assert translator.feed(text("c")[:-1]) == b""
    assert b'"c"' in translator.feed(b"\n")


@pytest.mark.parametrize("size", [None, 1, 64])
def test_an_error_in_mid_stream(size: int | None) -> None:  # tricky-47
    error = {"message": "Slow down, sk-abcdefgh", "type": "tokens", "code": "rate_limit_exceeded"}
    translator = ChatToMessagesStream(ASKED)
    outcome = translated(translator, text("Hi") + data({"error": error}) + text("x") + DONE, size)
    told = AnthropicRead(outcome)
    assert outcome.error is None
    assert told.errors == [{"type": "rate_limit_error", "message": "Slow down, [key]"}]
    assert told.names[-1] == "error"
    assert told.text == "Hi"
    assert translator.failed
    assert translator.ended


def test_an_error_at_the_start() -> None:
    error = {"object": "error", "message": "Too long.", "code": 400}
    told = AnthropicRead(sent(data(error)))
    assert told.names == ["error"]
    assert told.errors == [{"type": "invalid_request_error", "message": "Too long."}]


@pytest.mark.parametrize("stream", [b"", b": x\n\n", text("Hi"), text("Hi") + usage_chunk(**USAGE)])
def test_a_cut(stream: bytes) -> None:  # tricky-47
    outcome = sent(stream)
    assert "ended early" in str(outcome.error)
    assert b"message_stop" not in outcome.data


def test_an_end_without_done_is_complete_after_a_finish_reason() -> None:
    translator = FedBytes(ChatToMessagesStream(ASKED))
    translator.feed(text("Hi") + chunk(finish="stop", usage=USAGE))
    assert not translator.ended
    assert b"message_stop" in translator.flush()
    assert translator.ended
    assert not translator.failed


def test_the_last_event_may_lack_its_empty_line() -> None:
    assert read(text("Hi") + b"data: [DONE]")["content"] == [{"type": "text", "text": "Hi"}]


def test_nothing_follows_the_end() -> None:
    translator = FedBytes(ChatToMessagesStream(ASKED))
    translator.feed(text("Hi") + DONE + text("x"))
    assert translator.ended
    assert translator.feed(text("x") + b"data: {\n\n" + b"x" * MAX_EVENT_BYTES) == b""
    assert translator.feed(b"x" * MAX_EVENT_BYTES) == b""
    assert translator.flush() == b""


@pytest.mark.parametrize(
    "stream",
    [
        b"data: {\n\n",
        b"data: [1]\n\n",
        b"data: DONE\n\n",
        b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n',
        data({"choices": {}}),
        data({"choices": [7]}),
        data({"choices": [{"delta": "x"}]}),
        chunk({"content": 7}),
        chunk({"tool_calls": [{"index": 0}]}),
        call(0, None, "{}") + DONE,
        b"data: " + b" " * (MAX_EVENT_BYTES + 1),
    ],
)
def test_what_is_no_chunk(stream: bytes) -> None:
    assert sent(text("Hi") + stream).error is not None


# What a model says; arguments are objects, as those of a call in turns have to be.
pieces = st.text(max_size=12)
arguments = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=3)
calls_said = st.lists(
    st.tuples(st.sampled_from(["f", "g"]), arguments.map(json.dumps) | st.just("")), max_size=3
)


@st.composite
def completions(draw: st.DrawFn) -> Json:
    calls = [
        {"id": f"call:{n}" if draw(st.booleans()) else None, "type": "function"}
        | {"function": {"name": name, "arguments": said}}
        for n, (name, said) in enumerate(draw(calls_said))
    ]
    message = {
        "role": "assistant",
        "reasoning_content": draw(pieces),
        "content": draw(st.none() | pieces),
        "refusal": draw(st.none() | pieces),
        "tool_calls": calls,
    }
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    usage = {"prompt_tokens": 9, "completion_tokens": draw(st.integers(0, 99))}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    whole = {"id": "chatcmpl-1", "model": "m", "choices": [choice]}
    return {
        **whole,
        "usage": draw(st.sampled_from([None, usage, USAGE])),
        "service_tier": "default",
    }


def streamed(completion: Json, rng: random.Random) -> bytes:
    """The completion in chunks; its calls in turns, each begun after the one before it."""
    choice = completion["choices"][0]
    message, head = choice["message"], {"service_tier": completion["service_tier"]}
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    for name in ("reasoning_content", "content", "refusal"):
        deltas += [{name: piece} for piece in cut(message[name] or "", rng)]
    parts: list[list[Json]] = []
    for index, each in enumerate(message["tool_calls"]):
        said = each["function"]
        first, *rest = cut(said["arguments"], rng) or [""]
        begun = {**each, "index": index, "function": {**said, "arguments": first}}
        parts.append([begun] + [{"index": index, "function": {"arguments": r}} for r in rest])
    deltas += [{"tool_calls": [part]} for part in in_turns(parts, rng)]
    chunks = [chunk(delta, **head) for delta in deltas]
    return b"".join(
        [
            *chunks,
            chunk(finish=choice["finish_reason"], **head),
            data({"choices": [], "usage": completion["usage"]}),
            DONE,
        ]
    )


def cut(text: str, rng: random.Random) -> list[str]:
    found = []
    while text:
        size = rng.randint(1, 5)
        found.append(text[:size])
        text = text[size:]
    return found


def in_turns(parts: list[list[Json]], rng: random.Random) -> list[Json]:
    told, begun = [], 0
    while any(parts):
        index = rng.randint(0, min(begun, len(parts) - 1))
        if parts[index]:
            told.append(parts[index].pop(0))
            begun = max(begun, index + 1)
    return told


@settings(max_examples=150, deadline=None)
@given(completions(), st.randoms(use_true_random=False), st.integers(1, 200))
def test_a_stream_says_what_the_completion_says(
    completion: Json, rng: random.Random, size: int
) -> None:
    body = translate_completion(json.dumps(completion).encode(), ASKED)
    outcome = sent(streamed(completion, rng), size)
    assert outcome.error is None
    assert read_stream(outcome.data) == read_message(body)


NOISE = [b'"', b"{", b"}", b"[", b"]", b":", b",", b"\n", b"\r", b"\\", b"\xff", b"\0", b"7", b""]
WORDS = [b"null", b"true", b'"x"', b"{}", b"[]", b"-1", b"1e9", b'"\\ud800"']


def mutated(stream: bytes, rng: random.Random) -> bytes:
    """Some bytes replaced, some values replaced, some part told twice or left out."""
    for _ in range(rng.randint(1, 4)):
        at, until = sorted(rng.randrange(len(stream) + 1) for _ in range(2))
        kind = rng.randrange(4)
        if kind == 0:
            stream = stream[:at] + rng.choice(NOISE) + stream[at + 1 :]
        elif kind == 1:
            value = stream.find(b":", at) + 1
            ends = [stream.find(mark, value) for mark in (b",", b"}")]
            end = min((e for e in ends if e >= 0), default=value)
            stream = stream[:value] + rng.choice(WORDS) + stream[end:]
        elif kind == 2:
            stream = stream[:at] + stream[min(until, at + 40) :]
        else:
            stream = stream[:until] + stream[at:until][:300] + stream[until:]
    return stream


def is_sound(outcome: Sent) -> bool:
    """Whether what was sent is a complete message, an error, or was ended by one."""
    if outcome.error is None and b"event: error\n" not in outcome.data:
        read_events(outcome.data)
    else:
        assert b"event: message_stop\n" not in outcome.data
    return True


SAID = [
    text("Hel", "lo") + chunk(finish="stop") + usage_chunk(**USAGE) + DONE,
    call(0, "f", '{"x":', id="c") + call(1, "g", '{"y":', id="d") + call(0, None, "1}") + DONE,
    chunk({"reasoning_content": "Hm"}) + text("x") + data({"error": {"message": "x"}}),
]


@pytest.mark.parametrize("seed", range(400))
def test_mutations(seed: int) -> None:
    rng = random.Random(seed)
    assert is_sound(sent(mutated(rng.choice(SAID), rng), rng.choice([None, 1, 5, 64])))


@needs_recordings
@pytest.mark.parametrize("turn", [pytest.param(turn, id=turn.name) for turn in STREAMS])
def test_mutations_of_recordings(turn: Turn) -> None:
    rng = random.Random(turn.name)
    for _ in range(25):
        # The beginning and the end: what lies between is more of the same.
        whole = turn.body.encode()
        stream = whole[:3000] + whole[-1500:] if len(whole) > 4500 else whole
        assert is_sound(sent(mutated(stream, rng), rng.choice([None, 7, 64, 900])))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_noise(parts: list[bytes]) -> None:
    translator = FedBytes(ChatToMessagesStream(ASKED))
    try:
        for part in parts:
            translator.feed(b"data: " + part)
        translator.flush()
    except StreamError:
        return
    assert translator.ended
