"""Messages replies: bodies, events, headers; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.simulator.answer import (
    Answer,
    Block,
    Prompt,
    Text,
    Thinking,
    ToolCall,
    fragments,
    json_or_empty,
    signature_of,
)
from scripts.simulator.errors import WORKSPACE, encoded

STOP = {"end": "end_turn", "length": "max_tokens", "tool": "tool_use", "sequence": "stop_sequence"}
RESET_AT = "2026-01-31T12:00:00Z"


def headers(request_id: str) -> list[tuple[str, str]]:
    """What Anthropic and its edge add to every answer."""
    return [
        ("server", "cloudflare"),
        ("request-id", request_id),
        ("anthropic-organization-id", WORKSPACE),
        ("anthropic-ratelimit-requests-limit", "4000"),
        ("anthropic-ratelimit-requests-remaining", "3999"),
        ("anthropic-ratelimit-requests-reset", RESET_AT),
        ("anthropic-ratelimit-input-tokens-limit", "2000000"),
        ("anthropic-ratelimit-input-tokens-remaining", "1999000"),
        ("anthropic-ratelimit-input-tokens-reset", RESET_AT),
        ("anthropic-ratelimit-output-tokens-limit", "400000"),
        ("anthropic-ratelimit-output-tokens-remaining", "399000"),
        ("anthropic-ratelimit-output-tokens-reset", RESET_AT),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("via", "1.1 google"),
        ("cf-ray", "51a1a70b00000002-SIM"),
        ("x-robots-tag", "none"),
    ]


def input_usage(answer: Answer) -> dict[str, Any]:
    """The input side of usage, in Anthropic's disjoint buckets."""
    tokens = answer.input
    return {
        "input_tokens": tokens.uncached,
        "cache_creation_input_tokens": tokens.write_5m + tokens.write_1h,
        "cache_read_input_tokens": tokens.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.write_5m,
            "ephemeral_1h_input_tokens": tokens.write_1h,
        },
    }


def usage(answer: Answer) -> dict[str, Any]:
    """Usage of a whole message; thinking is inside the output."""
    whole = {**input_usage(answer), "output_tokens": answer.output_tokens}
    if answer.thinking_tokens:
        whole["output_tokens_details"] = {"thinking_tokens": answer.thinking_tokens}
    return {**whole, "service_tier": "standard"}


def start_usage(answer: Answer) -> dict[str, Any]:
    """Usage as `message_start` tells it, before the output is known."""
    return {**input_usage(answer), "output_tokens": 1, "service_tier": "standard"}


NO_USAGE = {"input_tokens": 0, "output_tokens": 0}


class MessageWriter:
    """Writes one answer, as a body or as events."""

    def __init__(self, prompt: Prompt, answer: Answer, number: int) -> None:
        self._prompt = prompt
        self._answer = answer
        self._number = number
        self._call_id = f"toolu_01SIM{number:019d}"

    def body(self, *, with_usage: bool) -> bytes:
        """A `message`."""
        told = usage(self._answer) if with_usage else NO_USAGE
        content = [self._whole(block) for block in self._answer.blocks]
        return encoded(self._message(content, STOP[self._answer.stop], told))

    def _message(
        self, content: list[dict[str, Any]], stop: str | None, told: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "model": self._prompt.model,
            "id": f"msg_01SIM{self._number:019d}",
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": stop,
            "stop_sequence": self._answer.stop_sequence if stop else None,
            "usage": told,
        }

    def _whole(self, block: Block) -> dict[str, Any]:
        match block:
            case Thinking(text=text):
                shown = "" if self._prompt.hides_thinking else text
                return {"type": "thinking", "thinking": shown, "signature": signature_of(text)}
            case Text(text=text):
                return {"type": "text", "text": text}
        return {**self._use(block.name), "input": json_or_empty(block.arguments)}

    def _use(self, name: str) -> dict[str, Any]:
        return {"type": "tool_use", "id": self._call_id, "name": name, "input": {}}

    def events(self, *, with_usage: bool) -> Iterator[tuple[bytes, bool]]:
        """`message_start` to `message_stop`, each with whether it carries a piece of the text."""
        told = start_usage(self._answer) if with_usage else NO_USAGE
        yield _event("message_start", message=self._message([], None, told)), False
        for index, block in enumerate(self._answer.blocks):
            start = self._started(block)
            yield _event("content_block_start", index=index, content_block=start), False
            if index == 0:
                yield _event("ping"), False
            for delta in self._deltas(block):
                is_text = delta["type"] == "text_delta"
                yield _event("content_block_delta", index=index, delta=delta), is_text
            yield _event("content_block_stop", index=index), False
        yield self._message_delta(with_usage=with_usage), False
        yield _event("message_stop"), False

    def _message_delta(self, *, with_usage: bool) -> bytes:
        stop = STOP[self._answer.stop]
        delta = {"stop_reason": stop, "stop_sequence": self._answer.stop_sequence}
        told = {"output_tokens": 0}
        if with_usage:
            told = {k: v for k, v in usage(self._answer).items() if k != "service_tier"}
        return _event("message_delta", delta=delta, usage=told)

    def _started(self, block: Block) -> dict[str, Any]:
        match block:
            case Thinking():
                return {"type": "thinking", "thinking": "", "signature": ""}
            case Text():
                return {"type": "text", "text": ""}
        return self._use(block.name)

    def _deltas(self, block: Block) -> Iterator[dict[str, Any]]:
        match block:
            case Thinking(text=text):
                words = [] if self._prompt.hides_thinking else Text(text).pieces
                for word in words:
                    yield {"type": "thinking_delta", "thinking": word}
                yield {"type": "signature_delta", "signature": signature_of(text)}
            case Text():
                for word in block.pieces:
                    yield {"type": "text_delta", "text": word}
            case ToolCall(arguments=arguments):
                for piece in fragments(arguments):
                    yield {"type": "input_json_delta", "partial_json": piece}


def _event(kind: str, **fields: object) -> bytes:
    data = encoded({"type": kind, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode("ascii"), data)
