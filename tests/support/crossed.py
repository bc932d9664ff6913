"""Anthropic answers, recorded or made up, and what a client of Chat Completions reads instead.

Both sides are read here without the code under test: answers by the rules of the Messages API,
their translations by OpenAI's own types and its own merging of chunks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from shared.wire.translation.interfaces import Asked
from tests.support.recorded import Turn, turns
from tests.support.stream_vectors import events_of

ASKED = Asked(request_id="req_1", created_s=1_700_000_000, wants_usage=True)

Json = dict[str, Any]

_CHUNK = TypeAdapter(ChatCompletionChunk)
_COMPLETION = TypeAdapter(ChatCompletion)
_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


def recorded_answers(material: Path, *, stream: bool) -> list[Turn]:
    """Every recorded 2xx answer of an Anthropic upstream, streamed or not."""
    found = turns(material) if material.joinpath("fixtures").is_dir() else iter(())
    return [
        turn
        for turn in found
        if turn.dialect == "anthropic" and turn.status == 200 and turn.stream is stream
    ]


def recorded_message(turn: Turn) -> Json:
    """The message of a recorded answer."""
    return message_of(turn.body.encode()) if turn.stream else json.loads(turn.body)


def message_of(stream: bytes) -> Json:
    """The message that a stream of the Messages API makes; a second start adds to the first.

    `input` of a tool whose arguments are torn is the text of them.
    """
    message: Json = {}
    blocks: dict[int, tuple[Json, list[str]]] = {}
    for _, data in events_of(stream):
        event = json.loads(data)
        if event["type"] == "message_start" and not message:
            message = event["message"]
        elif event["type"] == "content_block_start":
            block = event["content_block"]
            blocks[event["index"]] = (block, [])
            message["content"].append(block)
        elif event["type"] == "content_block_delta":
            _grow(*blocks[event["index"]], event["delta"])
        elif event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] = message["usage"] | event.get("usage", {})
    return message


def _grow(block: Json, fragments: list[str], delta: Json) -> None:
    for name in ("text", "thinking"):
        block[name] = block[name] + delta[name] if name in delta else block.get(name)
    if "citation" in delta:
        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
    block["signature"] = delta.get("signature", block.get("signature"))
    fragments.append(delta.get("partial_json", ""))
    if any(fragments):
        block["input"] = parsed("".join(fragments))


def stream_of(message: Json, step: int) -> bytes:
    """A message as a stream, its strings in pieces of `step` characters."""
    usage = {**message["usage"], "output_tokens": 1}
    start = {**message, "content": [], "stop_reason": None, "usage": usage}
    events: list[Json] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        events += ({"index": index, **event} for event in _block_events(block, step))
    stop = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")}
    events += [
        {"type": "message_delta", "delta": stop, "usage": message["usage"]},
        {"type": "message_stop"},
    ]
    return b"".join(
        f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events
    )


def _block_events(block: Json, step: int) -> Iterator[Json]:
    whole = {"text": "", "thinking": "", "input": {}, "signature": ""}
    empty = {name: value for name, value in whole.items() if name in block}
    start = block if block["type"] not in _DELTAS else {**block, **empty, "citations": []}
    yield {"type": "content_block_start", "content_block": start}
    deltas: list[Json] = []
    if block["type"] in _DELTAS:
        deltas += _string_deltas(block, step)
        deltas += ({"type": "citations_delta", "citation": c} for c in block.get("citations") or [])
    if block["type"] == "thinking" and block.get("signature"):
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    yield from ({"type": "content_block_delta", "delta": delta} for delta in deltas)
    yield {"type": "content_block_stop"}


def _string_deltas(block: Json, step: int) -> Iterator[Json]:
    kind, name = _DELTAS[block["type"]]
    given = json.dumps(block["input"]) if kind == "input_json_delta" else block[name]
    for at in range(0, len(given), step):
        yield {"type": kind, name: given[at : at + step]}


def said(message: Json) -> Json:
    """What a message says that every dialect can say: text, tool calls."""
    blocks = message["content"]
    return {
        "text": "".join(block["text"] for block in blocks if block["type"] == "text"),
        "calls": [
            (block["id"], block["name"], block["input"])
            for block in blocks
            if block["type"] == "tool_use"
        ],
    }


def said_to_client(completion: Json) -> Json:
    """The same of a completion, as `read_completion` and `read_chunks` give it."""
    message = completion["choices"][0]["message"]
    return {
        "text": message.get("content") or "",
        "calls": [
            (call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or []
        ],
    }


def parsed(arguments: str) -> Any:
    """The value of a JSON text; the text itself where it is torn."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def read_completion(body: bytes) -> Json:
    """A completion as OpenAI's SDK reads it; strictly, so that no value is of another type."""
    _COMPLETION.validate_json(body, strict=True)
    return _comparable(json.loads(body))


def read_chunks(stream: bytes) -> Json:
    """The completion that OpenAI's SDK assembles of a complete stream, chunks read strictly."""
    *payloads, last = (data for _, data in events_of(stream))
    assert last == "[DONE]"
    state = ChatCompletionStreamState()
    for payload in payloads:
        state.handle_chunk(_CHUNK.validate_json(payload, strict=True))
    return _comparable(state.current_completion_snapshot.to_dict())


def _comparable(completion: Any) -> Json:
    """A completion less what only one of its two forms has, arguments parsed."""
    choice = completion["choices"][0]
    message = {name: value for name, value in choice["message"].items() if value}
    for name in ("thinking_blocks", "annotations", "tool_calls"):
        for entry in message.get(name, ()):
            entry.pop("index", None)
    for call in message.get("tool_calls", ()):
        function = call["function"]
        call["function"] = {"name": function["name"], "arguments": parsed(function["arguments"])}
    choice = {"index": 0, "message": message, "finish_reason": choice["finish_reason"]}
    kept = ("id", "created", "model", "usage", "service_tier")
    return {**{name: completion.get(name) for name in kept}, "choices": [choice]}
