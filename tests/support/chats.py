"""Chat requests for the tests of their translation."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from shared.wire.openai_request import read_chat_request
from shared.wire.translation.chat_to_messages import translate_chat
from shared.wire.translation.interfaces import TargetModel, TranslatedRequest

SONNET_4 = "claude-sonnet-4-20250514"
HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def translate(body: dict[str, Any], name: str = SONNET_4, most: int = 64000) -> TranslatedRequest:
    """The translation of a checked request, which it does not change."""
    before = copy.deepcopy(body)
    parsed = read_chat_request(body, len(orjson.dumps(body)))
    try:
        return translate_chat(parsed, TargetModel(name, most))
    finally:
        assert body == before


def translated(name: str = SONNET_4, **fields: Any) -> dict[str, Any]:
    """The translation of a request with these fields."""
    return translate({"model": "m", "messages": [HI], **fields}, name).body


def turns(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The translated messages."""
    made: list[dict[str, Any]] = translated(messages=list(messages), **fields)["messages"]
    return made


def content(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Blocks of a user's message with these parts."""
    blocks: list[dict[str, Any]] = turns({"role": "user", "content": list(parts)})[0]["content"]
    return blocks


def call(identity: str, arguments: str | None = "{}", name: str = "f") -> dict[str, Any]:
    """A tool call of the assistant."""
    return {
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def calls(*identities: str, **fields: Any) -> dict[str, Any]:
    """A message of the assistant with tool calls."""
    return {"role": "assistant", "tool_calls": [call(each) for each in identities], **fields}


def answer(identity: str, said: Any = "r", **fields: Any) -> dict[str, Any]:
    """A message with a tool's answer."""
    return {"role": "tool", "tool_call_id": identity, "content": said, **fields}
