"""What a client of Anthropic's Messages reads, checked by the official SDK's own types.

Every event and every body is validated strictly, the order of events by the rules that the API
states; a stream is put together by the SDK's own function.
"""

from __future__ import annotations

from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from openai.lib.streaming._deltas import accumulate_delta
from pydantic import TypeAdapter

from tests.support.stream_vectors import events_of

Json = dict[str, Any]

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_MESSAGE = TypeAdapter(Message)
INPUT_FIELDS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
OPENAI_TEXTS = ("reasoning_content", "reasoning", "content", "refusal")


def read_message(body: bytes) -> Json:
    """The message of a body, without what is null."""
    return _MESSAGE.validate_json(body, strict=True).to_dict(exclude_none=True)


def read_events(data: bytes) -> list[Any]:
    """The SDK's objects of a complete stream, whose order has been checked."""
    events = []
    for name, payload in events_of(data):
        events.append(_EVENT.validate_json(payload, strict=True))
        assert events[-1].type == name
        if name == "message_delta":
            assert '"stop_sequence":' in payload
    _check_order(events)
    return events


def read_stream(data: bytes) -> Json:
    """The message that the SDK makes of a complete stream, without what is null."""
    snapshot: Any = None
    inputs: dict[int, bytes] = {}
    for event in read_events(data):
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=inputs)
    return snapshot.to_dict(exclude_none=True)


def spoken(message: Json) -> Json:
    """What a message says, in a form that OpenAI's answers can be brought into as well."""
    blocks = message["content"]
    return {
        "thinking": "".join(b["thinking"] for b in blocks if b["type"] == "thinking"),
        "text": "".join(b["text"] for b in blocks if b["type"] == "text"),
        "calls": [(b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"],
    }


def delta_message(chunks: list[Json]) -> Json:
    """The message that OpenAI's SDK makes of the chunks of a stream."""
    message: Any = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            message = accumulate_delta(message, choice["delta"])
    return message


def _check_order(events: list[Any]) -> None:
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    open_index, count = None, 0
    for event in events[1:-2]:
        if event.type == "content_block_start":
            assert open_index is None
            assert event.index == count
            open_index, count = count, count + 1
        else:
            assert event.type in ("content_block_delta", "content_block_stop")
            assert event.index == open_index
            open_index = None if event.type == "content_block_stop" else open_index
    assert open_index is None
