from __future__ import annotations

from typing import Any

import pytest

from scripts.simulator.answer import Tool, signature_of
from scripts.simulator.anthropic_request import read_prompt
from scripts.simulator.errors import Refused

VERSION = "2023-06-01"
USER = {"role": "user", "content": "hi"}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "t", "input": {}}]}
RESULT = {
    "role": "user",
    "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}],
}
SCHEMA = {"type": "object"}


def body(**more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [USER], **more}


def said(*blocks: dict[str, Any]) -> dict[str, Any]:
    return body(messages=[USER, {"role": "assistant", "content": list(blocks)}])


def thought(text: str, signature: str) -> dict[str, Any]:
    return said({"type": "thinking", "thinking": text, "signature": signature})


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({"max_tokens": 9, "messages": [USER]}, "model: Field required"),
        ({"model": "m", "messages": [USER]}, "max_tokens: Field required"),
        ({"model": "m", "max_tokens": 9}, "messages: Field required"),
        (body(model=1), "model: Input should be a valid string"),
        (body(messages={}), "messages: Input should be a valid list"),
        (body(messages=[]), "messages: at least one message is required"),
        (body(messages=["x"]), "messages.0: Input should be a valid dictionary"),
        (body(messages=[{"role": "tool", "content": "x"}]), "messages.0.role: "),
        (body(messages=[{"role": "user"}]), "messages.0.content: "),
        (body(max_tokens=0), "max_tokens: Input should be greater"),
        (body(max_tokens="9"), "max_tokens: Input should be a valid integer"),
        (body(stop=["x"]), "stop: Extra inputs are not permitted"),
        (body(stream_options={}), "stream_options: Extra inputs are not permitted"),
        (said({"type": "text", "text": ""}), "messages: text content blocks must be non-empty"),
        (said({"text": "x"}), "messages.1.content.0: "),
        (thought("a", signature_of("b")), "messages.1.content.0: Invalid `signature`"),
        (thought("a", ""), "messages.1.content.0: Invalid `signature`"),
        (body(messages=[USER, USE]), None),
        (body(messages=[USER, USE, USER]), "messages.2: `tool_use` ids were found without"),
        (body(messages=[USER, RESULT]), "messages.1.content.0: unexpected `tool_use_id`"),
        (body(messages=[USER, USE, RESULT]), None),
        (thought("a", signature_of("a")), None),
        (thought("", signature_of("a")), None),
        (thought("a", "foreign"), None),
        (body(temperature=1), None),
        (body(messages=[USER, {"role": "system", "content": "s"}]), None),
    ],
)
def test_refusals(request_body: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert read_prompt(request_body, VERSION).model == "m"
        return
    with pytest.raises(Refused) as caught:
        read_prompt(request_body, VERSION)
    refusal = caught.value.refusal
    assert (refusal.status, refusal.kind) == (400, "invalid_request_error")
    assert refusal.message.startswith(message)


def test_a_version_is_needed() -> None:
    with pytest.raises(Refused, match="anthropic-version: header is required"):
        read_prompt(body(), None)


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_the_latest_version_takes_no_sampling(name: str) -> None:
    with pytest.raises(Refused, match=f"^{name}: "):
        read_prompt(body(**{name: 1}), "2026-10-21")


def test_a_count_needs_no_limit() -> None:
    assert read_prompt({"model": "m", "messages": [USER]}, VERSION, is_count=True).model == "m"


def test_finds_the_last_user_text_and_the_result() -> None:
    prompt = read_prompt(body(messages=[USER, USE, RESULT]), VERSION)
    assert (prompt.last_user_text, prompt.tool_result) == ("hi", "42")


@pytest.mark.parametrize(
    ("choice", "tool"),
    [
        ({"type": "auto"}, "a"),
        ({"type": "any"}, "a"),
        ({"type": "tool", "name": "b"}, "b"),
        ({"type": "none"}, None),
    ],
)
def test_chooses_a_tool(choice: dict[str, str], tool: str | None) -> None:
    server_tool = {"type": "web_search_20250305", "name": "web_search"}
    tools = [server_tool, *({"name": name, "input_schema": SCHEMA} for name in "ab")]
    chosen = read_prompt(body(tools=tools, tool_choice=choice), VERSION).tool
    assert chosen == (None if tool is None else Tool(tool, SCHEMA))


def test_thinking_may_be_omitted() -> None:
    thinking = {"type": "adaptive", "display": "omitted"}
    assert read_prompt(body(thinking=thinking), VERSION).hides_thinking
    assert not read_prompt(body(), VERSION).hides_thinking
