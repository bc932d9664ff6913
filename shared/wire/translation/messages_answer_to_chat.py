"""An answer of the Messages API, in one piece, for a client of Chat Completions.

Blocks of text are joined. Thinking becomes `reasoning_content`; with its signatures it also stands
in `thinking_blocks`, which a client sends back as they are. What server tools did is left out:
what came of it stands in the text.
"""

from __future__ import annotations

from typing import Any

import orjson

from shared.errors import StreamError
from shared.wire.anthropic_usage import AnthropicUsageFields
from shared.wire.errors import upstream_failed
from shared.wire.token_counts import object_of
from shared.wire.translation.chat_answer import (
    Fields,
    finish_reason,
    refusal_of,
    service_tier,
    url_citations,
    usage_object,
)
from shared.wire.translation.chat_deltas import arguments_of, kept_thinking, string_in
from shared.wire.translation.interfaces import Asked


def translate_message(body: bytes, asked: Asked) -> bytes:
    """The body of a 2xx answer as a `chat.completion`.

    Args:
        body: As the upstream sent it.
        asked: What the client asked for.

    Raises:
        GatewayError: 502, the upstream sent what is no message.
    """
    message = object_of(body)
    if message is None or not isinstance(message.get("content"), list):
        raise upstream_failed("the upstream's answer is no message")
    try:
        return orjson.dumps(_completion(message, asked))
    except StreamError as error:
        raise upstream_failed(str(error)) from None


def _completion(message: Fields, asked: Asked) -> Fields:
    said = _Said()
    for block in message["content"]:
        said.add(block)
    choice = {
        "index": 0,
        "message": said.message(refusal_of(message)),
        "logprobs": None,
        "finish_reason": finish_reason(message.get("stop_reason"), calls=bool(said.calls)),
    }
    identity, model, usage = message.get("id"), message.get("model"), message.get("usage")
    completion = {
        "id": identity if isinstance(identity, str) else f"chatcmpl-{asked.request_id}",
        "object": "chat.completion",
        "created": asked.created_s,
        "model": model if isinstance(model, str) else "",
        "choices": [choice],
    }
    return completion | _reported(usage)


def _reported(usage: Any) -> Fields:
    if not isinstance(usage, dict):
        return {}
    figures = AnthropicUsageFields()
    figures.merge(usage)
    tier = service_tier(usage)
    return {"usage": usage_object(figures.usage())} | ({"service_tier": tier} if tier else {})


class _Said:
    """What the blocks of a message say, gathered by kind."""

    def __init__(self) -> None:
        self.calls: list[Fields] = []
        self._text = ""
        self._thoughts: list[str] = []
        self._thinking_blocks: list[Fields] = []
        self._annotations: list[Fields] = []

    def add(self, block: Any) -> None:
        if not isinstance(block, dict):
            raise StreamError("a block is no object")
        add = _ADD.get(string_in(block, "type"))
        if add is not None:
            add(self, block)

    def message(self, refusal: str | None) -> Fields:
        """The message, with those fields alone that have something to say."""
        optional = {
            "reasoning_content": "".join(self._thoughts),
            "thinking_blocks": self._thinking_blocks,
            "annotations": self._annotations,
            "tool_calls": self.calls,
        }
        nothing = self.calls or refusal is not None
        return {
            "role": "assistant",
            "content": None if nothing and not self._text else self._text,
            "refusal": refusal,
        } | {name: value for name, value in optional.items() if value}

    def _add_text(self, block: Fields) -> None:
        start = len(self._text)
        self._text += string_in(block, "text")
        citations = block.get("citations")
        if isinstance(citations, list):
            self._annotations += url_citations(citations, start, len(self._text))

    def _add_thinking(self, block: Fields) -> None:
        self._thoughts.append(string_in(block, "thinking"))
        self._thinking_blocks += kept_thinking(block)

    def _add_redacted(self, block: Fields) -> None:
        self._thinking_blocks += kept_thinking(block)

    def _add_call(self, block: Fields) -> None:
        function = {
            "name": string_in(block, "name"),
            "arguments": arguments_of(block.get("input")),
        }
        self.calls.append({"id": string_in(block, "id"), "type": "function", "function": function})


_ADD = {
    "text": _Said._add_text,
    "thinking": _Said._add_thinking,
    "redacted_thinking": _Said._add_redacted,
    "tool_use": _Said._add_call,
}
