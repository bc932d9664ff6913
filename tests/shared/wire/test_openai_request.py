from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.openai_request import read_chat_request
from shared.wire.parsed_request import HIDDEN_TOKENS, IMAGE_TOKENS, ParsedRequest

SAID = [{"role": "user", "content": "hi"}]


def read(size: int = 1000, **fields: Any) -> ParsedRequest:
    return read_chat_request({"model": "m", "messages": SAID, **fields}, size)


def part(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [fields]}]}


def test_what_is_known_of_a_plain_request() -> None:
    parsed = read()
    assert (parsed.model, parsed.stream, parsed.asked_for_usage) == ("m", False, False)
    assert (parsed.max_tokens, parsed.choices, parsed.web_searches) == (None, 1, 0)
    assert parsed.input_tokens_bound == 1000 + HIDDEN_TOKENS
    assert parsed.input_estimate == 250
    assert not parsed.needs_context_window
    assert parsed.body["messages"] is SAID


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 9, "max_completion_tokens": 5}, 9),
    ],
)
def test_the_larger_limit_bounds_the_answer(fields: Any, limit: int | None) -> None:
    assert read(**fields).max_tokens == limit


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": True, "stream_options": {"include_usage": True}},
        {"stream": None, "stream_options": None, "n": None, "tools": None},
        {"temperature": 1, "top_p": 0.5, "seed": 7, "stop": "x", "logit_bias": {"1": 2}},
        {"stop": ["a", "b"], "n": 128, "user": "u", "metadata": {"cost": 0}},
        {"service_tier": "auto"},
        {"service_tier": "default"},
        {"modalities": ["text"]},
        {"background": False, "conversation": None},
        {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom"}]},
        {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
        {"unknown": {"file_id": "kept"}},
        {"messages": [{"role": "developer", "content": "x"}, *SAID]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
        {"messages": [{"role": "tool", "tool_call_id": "1", "content": "file_id"}]},
        part(type="text", text="x"),
        part(type="refusal", refusal="x"),
        part(type="thinking", thinking="x", signature="s"),
        part(type="redacted_thinking", data="x"),
    ],
)
def test_accepted(fields: dict[str, Any]) -> None:
    assert read(**fields).body["model"] == "m"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "root", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [*SAID, {"role": "assistant", "audio": {"id": "a"}}]}, "messages[1].audio"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [1]}]}, "messages[0].tool_calls"),
        (part(type="text", text=5), "messages[0].content[0].text"),
        (part(type="image_url", image_url={}), "messages[0].content[0].image_url"),
        (part(type="file", file="x"), "messages[0].content[0].file"),
        (part(type="file", file={"file_id": "file-1"}), "messages[0].content[0].file.file_id"),
        (part(type="input_audio", input_audio={"data": ""}), "messages[0].content[0].type"),
        (part(type="video_url"), "messages[0].content[0].type"),
        (part(), "messages[0].content[0].type"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1e12}, "max_tokens"),
        ({"max_tokens": 10**12}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"n": 1.5}, "n"),
        ({"stream": "true"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "include_usage"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"stop": {"a": 1}}, "stop"),
        ({"stop": [1]}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}, {}]}, "tools[1].type"),
        ({"functions": ["f"]}, "functions[0]"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"response_format": "json"}, "response_format"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": [{"a": 1}]}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"fallbacks": ["dear-model"]}, "fallbacks"),
        ({"models": ["dear-model"]}, "models"),
        ({"api_base": "http://elsewhere.test"}, "api_base"),
        ({"api_key": "sk-other"}, "api_key"),
        ({"mock_response": "hi"}, "mock_response"),
        ({"prompt_id": "p"}, "prompt_id"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"service_tier": ["auto"]}, "service_tier"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "c"}}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"container": "c"}, "container"),
        ({"file_id": "file-1"}, "file_id"),
        ({"prediction": "x"}, "prediction"),
    ],
)
def test_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(**fields)
    assert caught.value.status == 400
    assert caught.value.code == "invalid_request"
    assert caught.value.param == param


def test_pictures_in_the_body_and_elsewhere() -> None:
    url = "data:image/png;base64," + "A" * 600
    parsed = read(1000, **part(type="image_url", image_url={"url": url}))
    assert parsed.input_tokens_bound == 1000 - len(url) + IMAGE_TOKENS + HIDDEN_TOKENS
    assert not parsed.needs_context_window
    for elsewhere in (
        "https://x/y.png",
        "http://127.0.0.1/",
        "file:///etc/passwd",
        "data:application/pdf;base64,A",
    ):
        assert read(**part(type="image_url", image_url={"url": elsewhere})).needs_context_window
    assert read(**part(type="image_url", image_url="https://x/y.png")).needs_context_window
    assert read(**part(type="file", file={"file_data": "data:…"})).needs_context_window


def test_a_prediction_bounds_further_output() -> None:
    assert read(prediction={"type": "content", "content": "đồng"}).extra_output_tokens == 7
    parts = [{"type": "text", "text": "abc"}, {"type": "text", "text": "d"}, "x"]
    assert read(prediction={"content": parts}).extra_output_tokens == 4


def test_turns_of_a_conversation_share_their_key() -> None:
    system = {"role": "system", "content": "s"}
    first = read(messages=[system, *SAID])
    later = read(
        messages=[
            system,
            *SAID,
            {"role": "assistant", "content": "yo"},
            {"role": "user", "content": "2"},
        ]
    )
    other = read(messages=[system, {"role": "user", "content": "hello"}])
    assert first.conversation_key == later.conversation_key != other.conversation_key
