"""Small streams of both dialects, as lists of whole events."""

from __future__ import annotations

import json

from shared.domain.catalog import Dialect

INPUT_TOKENS = 10
OUTPUT_TOKENS = 7


def events(dialect: Dialect) -> list[bytes]:
    """A complete answer; the last event says so."""
    return _anthropic() if dialect is Dialect.ANTHROPIC else _openai()


def responses() -> list[bytes]:
    """A complete answer in the events of a response."""
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
    text = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    pieces: list[dict[str, object]] = [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "response.output_text.delta", **text, "delta": "One "},
        {"type": "response.output_text.delta", **text, "delta": "zwölf "},
        {"type": "response.output_text.done", **text, "text": "One zwölf "},
        {"type": "response.completed", "response": {"id": "resp_1", "usage": usage}},
    ]
    numbered = [{**each, "sequence_number": number} for number, each in enumerate(pieces)]
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in numbered]


def last_word(dialect: Dialect) -> bytes:
    """What only a complete stream holds."""
    return b"message_stop" if dialect is Dialect.ANTHROPIC else b"[DONE]"


def body(dialect: Dialect) -> bytes:
    """The same answer in one piece."""
    if dialect is Dialect.ANTHROPIC:
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
        return json.dumps({"type": "message", "content": [], "usage": usage}).encode()
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    return json.dumps({"object": "chat.completion", "choices": [], "usage": usage}).encode()


def _anthropic() -> list[bytes]:
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    text = {"type": "text", "text": ""}
    pieces: list[tuple[str, dict[str, object]]] = [
        ("message_start", {"message": {"id": "msg_1", "content": [], "usage": usage}}),
        ("content_block_start", {"index": 0, "content_block": text}),
        ("ping", {}),
        ("content_block_delta", _delta("One ")),
        ("content_block_delta", _delta("zwölf ")),
        ("content_block_stop", {"index": 0}),
        (
            "message_delta",
            {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": OUTPUT_TOKENS}},
        ),
        ("message_stop", {}),
    ]
    return [
        f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()
        for name, fields in pieces
    ]


def _delta(text: str) -> dict[str, object]:
    return {"index": 0, "delta": {"type": "text_delta", "text": text}}


def _openai() -> list[bytes]:
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    chunks: list[dict[str, object]] = [
        _chunk({"role": "assistant", "content": ""}),
        _chunk({"content": "One "}),
        _chunk({"content": "zwölf "}),
        _chunk({}, "stop"),
        {"object": "chat.completion.chunk", "choices": [], "usage": usage},
    ]
    return [*(f"data: {json.dumps(each)}\n\n".encode() for each in chunks), b"data: [DONE]\n\n"]


def _chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "choices": [choice]}
