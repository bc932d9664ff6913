"""Streams of the Messages API, made event by event, and what becomes of them for a chat client."""

from __future__ import annotations

import json
from typing import Any

from shared.wire.translation.interfaces import Asked
from shared.wire.translation.messages_stream_to_chat import MessagesToChatStream
from tests.support.crossed import ASKED, read_chunks
from tests.support.stream_vectors import OpenAIRead, Sent, events_of, translated

Json = dict[str, Any]


def event(name: str, **fields: Any) -> bytes:
    """An event as Anthropic spells it: without blanks, characters as they are."""
    data = json.dumps({"type": name, **fields}, separators=(",", ":"), ensure_ascii=False)
    return f"event: {name}\ndata: {data}\n\n".encode()


def spelled_otherwise(stream: bytes) -> bytes:
    """The same events with blanks, characters escaped."""
    return b"".join(
        f"event: {name}\ndata: {json.dumps(json.loads(data))}\n\n".encode()
        for name, data in events_of(stream)
    )


def started(**fields: Any) -> bytes:
    usage = {"input_tokens": 3, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "model": "m", "content": [], "usage": usage}
    return event("message_start", message=message | fields)


def block(index: int, start: Json, *deltas: Json) -> bytes:
    events = [event("content_block_start", index=index, content_block=start)]
    events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return b"".join([*events, event("content_block_stop", index=index)])


def text(index: int, *pieces: str) -> bytes:
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return block(index, {"type": "text", "text": ""}, *deltas)


def thinking(index: int, said: str, signature: str) -> bytes:
    start = {"type": "thinking", "thinking": "", "signature": ""}
    deltas = [
        {"type": "thinking_delta", "thinking": said},
        {"type": "signature_delta", "signature": signature},
    ]
    return block(index, start, *deltas)


def call(index: int, *fragments: str, **start: Any) -> bytes:
    opening = {"type": "tool_use", "id": f"toolu_{index}", "name": "look", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": each} for each in fragments]
    return block(index, opening | start, *deltas)


def ended(stop_reason: str | None = "end_turn", **delta: Any) -> bytes:
    fields = {"stop_reason": stop_reason, "stop_sequence": None, **delta}
    return event("message_delta", delta=fields, usage={"output_tokens": 7}) + event("message_stop")


def sent(data: bytes, asked: Asked = ASKED, size: int | None = None) -> Sent:
    return translated(MessagesToChatStream(asked), data, size)


def chunks(data: bytes, asked: Asked = ASKED) -> list[Json]:
    """The chunks of a stream that has to be complete."""
    read = OpenAIRead(sent(data, asked))
    assert read.complete
    assert not read.errors
    return read.chunks


def deltas(data: bytes) -> list[Json]:
    """Deltas of a complete stream, less those of its first chunk and its last two."""
    first, *middle, finish, usage = chunks(data)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert finish["choices"][0]["delta"] == {}
    assert usage["choices"] == []
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in middle)
    return [chunk["choices"][0]["delta"] for chunk in middle]


def message(data: bytes) -> Json:
    """The message that OpenAI's SDK assembles of a complete stream."""
    found: Json = read_chunks(sent(data).data)["choices"][0]["message"]
    return found
