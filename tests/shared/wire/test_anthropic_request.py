from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.anthropic_request import UNLIMITED_SEARCHES, read_messages_request
from shared.wire.parsed_request import HIDDEN_TOKENS, IMAGE_TOKENS, ParsedRequest

SAID = [{"role": "user", "content": "hi"}]


def read(size: int = 1000, **fields: Any) -> ParsedRequest:
    return read_messages_request(
        {"model": "m", "max_tokens": 100, "messages": SAID, **fields}, size
    )


def block(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [fields]}]}


def test_what_is_known_of_a_plain_request() -> None:
    parsed = read(stream=True)
    assert (parsed.model, parsed.stream, parsed.max_tokens) == ("m", True, 100)
    assert (parsed.choices, parsed.web_searches) == (1, 0)
    assert parsed.input_tokens_bound == 1000 + HIDDEN_TOKENS
    assert not parsed.needs_context_window


@pytest.mark.parametrize(
    "fields",
    [
        {"system": "s"},
        {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {"messages": [*SAID, {"role": "system", "content": "mid"}]},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
        {"service_tier": "auto"},
        {"service_tier": "standard_only"},
        {"speed": "standard", "inference_geo": "global", "container": None},
        {"thread": {"type": "create"}},
        {"tools": [{"name": "t", "input_schema": {"type": "object"}}]},
        {"tools": [{"type": t, "name": "x"} for t in ("custom", "bash_20250124", "text_editor_1")]},
        {"stop_sequences": ["x"], "temperature": 1.0, "top_k": 5, "metadata": {"user_id": "u"}},
        {"unknown": {"file_id": "kept"}},
        block(type="tool_use", id="t", name="n", input={"file_id": "mine", "container": 1}),
        block(type="tool_result", tool_use_id="t"),
        block(type="tool_result", tool_use_id="t", content="x"),
        block(type="tool_result", tool_use_id="t", content=[{"type": "text", "text": "x"}]),
        block(type="thinking", thinking="x", signature="s"),
        block(type="something_new", whatever=1),
        block(type="document", source={"type": "text", "media_type": "text/plain", "data": "x"}),
        block(type="document", source={"type": "content", "content": "x"}),
    ],
)
def test_accepted_and_bounded_by_the_body(fields: dict[str, Any]) -> None:
    assert not read(**fields).needs_context_window


@pytest.mark.parametrize(
    "fields",
    [
        block(type="image", source={"type": "url", "url": "https://x/y.png"}),
        block(type="image", source={"type": "url", "url": "http://169.254.169.254/"}),
        block(type="document", source={"type": "base64", "data": "JVBERi0="}),
        block(type="document", source={"type": "url", "url": "https://x/y.pdf"}),
        block(
            type="tool_result",
            content=[{"type": "document", "source": {"type": "url", "url": "https://x"}}],
        ),
        block(
            type="document",
            source={"type": "content", "content": [{"type": "image", "source": {"type": "url"}}]},
        ),
        {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]},
        {"tools": [{"type": "tool_search_tool_bm25_20251119", "name": "s"}]},
        {"tools": [{"type": "web_search_20250305", "name": "s", "max_uses": 3}]},
        {"mcp_servers": [{"type": "url", "url": "https://x"}]},
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
    ],
)
def test_accepted_and_bounded_by_the_context_window(fields: dict[str, Any]) -> None:
    assert read(**fields).needs_context_window


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1e12}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": [None]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        (block(), "messages[0].content[0]"),
        (block(type="text", text=None), "messages[0].content[0].text"),
        (block(type="image"), "messages[0].content[0].source"),
        (block(type="image", source={"type": "file"}), "messages[0].content[0].source"),
        (
            block(type="document", source={"type": "x", "file_id": "file_1"}),
            "messages[0].content[0].source",
        ),
        (block(type="container_upload", file_id="f"), "messages[0].content[0].file_id"),
        (block(type="new", file_id="f"), "messages[0].content[0].file_id"),
        (block(type="tool_result", content=5), "messages[0].content[0].content"),
        (
            block(type="tool_result", content=[{"type": "image", "source": {"type": "file"}}]),
            "messages[0].content[0].content[0].source",
        ),
        ({"system": 5}, "system"),
        ({"system": ["x"]}, "system[0]"),
        ({"stream": 1}, "stream"),
        ({"temperature": "x"}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"thinking": True}, "thinking"),
        ({"metadata": "x"}, "metadata"),
        ({"tools": "x"}, "tools"),
        ({"tools": [{"type": 5}]}, "tools[0].type"),
        ({"tools": [{"type": "code_execution_20260120"}]}, "tools[0].type"),
        ({"tools": [{"type": "advisor_20260301"}]}, "tools[0].type"),
        ({"tools": [{"type": "brand_new_20270101"}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search_20250305", "max_uses": 0}]}, "tools[0].max_uses"),
        ({"tools": [{"type": "web_search_20250305", "max_uses": True}]}, "tools[0].max_uses"),
        ({"mcp_servers": "x"}, "mcp_servers"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"container": "container_1"}, "container"),
        ({"container": {"skills": []}}, "container"),
        ({"fallbacks": [{"model": "x"}]}, "fallbacks"),
        ({"api_base": "http://elsewhere.test"}, "api_base"),
        ({"fallback_credit_token": "x"}, "fallback_credit_token"),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "thread"),
        ({"thread": {"previous_message_id": "msg_1"}}, "thread"),
        ({"thread": "x"}, "thread"),
        ({"previous_response_id": "x"}, "previous_response_id"),
        ({"conversation": "x"}, "conversation"),
        ({"prompt": "x"}, "prompt"),
        ({"background": True}, "background"),
        ({"context_management": {"edits": 5}}, "context_management.edits"),
    ],
)
def test_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(**fields)
    assert caught.value.status == 400
    assert caught.value.code == "invalid_request"
    assert caught.value.param == param


def test_a_missing_limit_is_told_in_the_words_of_the_api() -> None:
    with pytest.raises(GatewayError, match="max_tokens: Field required"):
        read(max_tokens=None)


def test_pictures_in_the_body() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 600}
    parsed = read(1000, **block(type="image", source=source))
    assert parsed.input_tokens_bound == 400 + IMAGE_TOKENS + HIDDEN_TOKENS


@pytest.mark.parametrize(("uses", "searches"), [(None, UNLIMITED_SEARCHES), (8, 8)])
def test_searches_are_bounded(uses: int | None, searches: int) -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": uses}
    assert read(tools=[tool]).web_searches == searches


def test_turns_of_a_conversation_share_their_key() -> None:
    first = read(system="s")
    later = read(system="s", messages=[*SAID, {"role": "assistant", "content": "yo"}, *SAID])
    other = read(system="t")
    assert first.conversation_key == later.conversation_key != other.conversation_key
