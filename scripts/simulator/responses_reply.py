"""Responses replies: bodies and events; pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from scripts.simulator.answer import (
    Answer,
    Block,
    Prompt,
    Text,
    Thinking,
    ToolCall,
    fragments,
    signature_of,
)
from scripts.simulator.errors import OPENAI, encoded

Event = tuple[str, dict[str, Any]]
ERROR = OPENAI[500]


def usage(answer: Answer) -> dict[str, Any]:
    """Usage as OpenAI reports it: cached tokens inside the input, reasoning inside the output."""
    return {
        "input_tokens": answer.input.total,
        "input_tokens_details": {"cached_tokens": answer.input.read, "cache_write_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.thinking_tokens},
        "total_tokens": answer.input.total + answer.output_tokens,
    }


def error_event() -> bytes:
    """An error in mid-stream."""
    return _event("error", 0, {"code": ERROR.kind, "message": ERROR.message, "param": None})


class ResponseWriter:
    """Writes one answer, as a body or as events."""

    def __init__(self, prompt: Prompt, answer: Answer, number: int, created: int) -> None:
        self._prompt = prompt
        self._answer = answer
        self._number = number
        self._created = created
        is_full = answer.stop == "length"
        self._status = "incomplete" if is_full else "completed"
        self._details = {"reason": "max_output_tokens"} if is_full else None

    def body(self, *, with_usage: bool) -> bytes:
        """A `response`."""
        return encoded(self._ended(with_usage=with_usage))

    def _ended(self, *, with_usage: bool) -> dict[str, Any]:
        return {
            **self._response(self._status),
            "incomplete_details": self._details,
            "output": [self._item(i, block) for i, block in enumerate(self._answer.blocks)],
            "usage": usage(self._answer) if with_usage else None,
        }

    def _response(self, status: str) -> dict[str, Any]:
        return {
            "id": f"resp_SIM{self._number:045d}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": self._prompt.max_tokens,
            "metadata": {},
            "model": self._prompt.model,
            "output": [],
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "service_tier": "default",
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None,
        }

    def _item(self, index: int, block: Block, *, is_begun: bool = False) -> dict[str, Any]:
        """An item of the output: whole, or as it is when it begins."""
        status = "in_progress" if is_begun else "completed"
        match block:
            case Thinking(text=text):
                summary = [] if is_begun else [_summary(text)]
                item = {"id": self._id("rs", index), "type": "reasoning", "summary": summary}
                if self._prompt.seals_thinking:
                    item["encrypted_content"] = "" if is_begun else signature_of(text)
                return item
            case Text(text=text):
                kind = {"type": "message", "status": status, "role": "assistant"}
                content = [] if is_begun else [_part(text)]
                return {"id": self._id("msg", index), **kind, "content": content}
        return {
            "id": self._id("fc", index),
            "type": "function_call",
            "status": status,
            "call_id": f"call_SIM{self._number:017d}{index:04d}",
            "name": block.name,
            "arguments": "" if is_begun else block.arguments,
        }

    def _id(self, prefix: str, index: int) -> str:
        return f"{prefix}_SIM{self._number:041d}{index:04d}"

    def events(self, *, with_usage: bool) -> Iterator[tuple[bytes, bool]]:
        """`response.created` to its end, each with whether it carries a piece of the text."""
        numbers = count()
        for kind, fields in self._told(with_usage=with_usage):
            yield _event(kind, next(numbers), fields), kind == "response.output_text.delta"

    def _told(self, *, with_usage: bool) -> Iterator[Event]:
        begun = self._response("in_progress")
        yield "response.created", {"response": begun}
        yield "response.in_progress", {"response": begun}
        for index, block in enumerate(self._answer.blocks):
            place = {"output_index": index}
            started = self._item(index, block, is_begun=True)
            yield "response.output_item.added", {**place, "item": started}
            for kind, fields in _inside(block):
                yield kind, {"item_id": started["id"], **place, **fields}
            yield "response.output_item.done", {**place, "item": self._item(index, block)}
        ended = self._ended(with_usage=with_usage)
        yield f"response.{self._status}", {"response": ended}


def _inside(block: Block) -> Iterator[Event]:
    match block:
        case Thinking(text=text):
            yield from _thought(text)
        case Text(text=text):
            yield from _said(text)
        case ToolCall(arguments=arguments):
            for piece in fragments(arguments)[1:]:
                yield "response.function_call_arguments.delta", {"delta": piece}
            done = {"name": block.name, "arguments": arguments}
            yield "response.function_call_arguments.done", done


def _thought(text: str) -> Iterator[Event]:
    place, kind = {"summary_index": 0}, "response.reasoning_summary"
    yield f"{kind}_part.added", {**place, "part": _summary("")}
    for word in Text(text).pieces:
        yield f"{kind}_text.delta", {**place, "delta": word}
    yield f"{kind}_text.done", {**place, "text": text}
    yield f"{kind}_part.done", {**place, "part": _summary(text)}


def _said(text: str) -> Iterator[Event]:
    place = {"content_index": 0}
    yield "response.content_part.added", {**place, "part": _part("")}
    for word in Text(text).pieces:
        yield "response.output_text.delta", {**place, "delta": word, "logprobs": []}
    yield "response.output_text.done", {**place, "text": text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": _part(text)}


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _event(kind: str, number: int, fields: dict[str, Any]) -> bytes:
    data = encoded({"type": kind, "sequence_number": number, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode("ascii"), data)
