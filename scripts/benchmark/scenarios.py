"""What is asked for: three kinds of requests, as bytes; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

SENTENCE = "The quick brown fox jumps over the lazy dog while nobody is looking at it. "
AGENT_TOOLS = 24
AGENT_BYTES = 87_000
REPLY_CHARS = 500
STREAM_WORDS = 46
# A word more, for a model that the gateway has on an Anthropic upstream.
ANTHROPIC_WORDS = STREAM_WORDS + 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request.

    Attributes:
        name: As the report shows it.
        path: Endpoint.
        body: The request's JSON body.
        end: What a complete answer contains near its end.
        connections: How many clients ask at once.
        is_paced: Its rate is set by the upstream's pace: only CPU time tells something.
    """

    name: str
    path: str
    body: bytes
    end: bytes
    connections: int
    is_paced: bool = False

    def request(self, host: str, key: str) -> bytes:
        """The whole request, for one key."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
            "Accept: application/json\r\nContent-Type: application/json\r\n"
            "anthropic-version: 2023-06-01\r\nUser-Agent: bench\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode("ascii") + self.body


def scenarios(connections: int) -> list[Scenario]:
    """The scenarios of every run: a JSON answer, an agent's request, streams.

    The last two ask for a model of the other dialect's upstream: the gateway translates, the
    others pass on what they get.
    """
    plans = [_json(connections), _agent(connections), _stream(connections)]
    return [*plans, _from_messages(connections), _from_chat(connections)]


def paced_scenario(streams: int) -> Scenario:
    """Streams of 50 events, 20 ms apart: each event reaches the proxy by itself."""
    body = _chat(f"sim-pace-{STREAM_WORDS}-20", stream=True)
    return Scenario(
        f"{streams} streams at once, 50 events 20 ms apart",
        "/v1/chat/completions",
        body,
        b"data: [DONE]",
        streams,
        is_paced=True,
    )


def lone_stream() -> Scenario:
    """One stream after the other, for the time to the first byte."""
    stream = _stream(1)
    return Scenario("first byte", stream.path, stream.body, stream.end, 1)


def _json(connections: int) -> Scenario:
    body = _chat("sim-echo", stream=False)
    name = "1.9 KB request, 1 KB JSON answer"
    return Scenario(name, "/v1/chat/completions", body, b'"finish_reason"', connections)


def _stream(connections: int) -> Scenario:
    body = _chat(f"sim-pace-{STREAM_WORDS}-0", stream=True)
    name = "1.9 KB request, stream of 50 events"
    return Scenario(name, "/v1/chat/completions", body, b"data: [DONE]", connections)


def _from_messages(connections: int) -> Scenario:
    body = _said(f"sim-pace-{ANTHROPIC_WORDS}-0") | {"stream_options": {"include_usage": True}}
    name = "the same, translated from an Anthropic upstream's"
    return Scenario(name, "/v1/chat/completions", _encoded(body), b"data: [DONE]", connections)


def _from_chat(connections: int) -> Scenario:
    body = _said(f"sim-pace-{STREAM_WORDS}-0")
    name = "the same, translated from an OpenAI upstream's"
    return Scenario(name, "/v1/messages", _encoded(body), b"message_stop", connections)


def _said(model: str) -> dict[str, Any]:
    """A streamed request of 1.9 KB that reads the same in both dialects."""
    said = (SENTENCE * 25)[:1620]
    messages = [{"role": "user", "content": said}]
    return {"model": model, "max_tokens": 1024, "stream": True, "messages": messages}


def _chat(model: str, *, stream: bool) -> bytes:
    """1.9 KB, of which the last user text is what an echo makes a 1 KB answer of."""
    said = (SENTENCE * 8)[:REPLY_CHARS]
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": (SENTENCE * 20)[:1150]},
            {"role": "user", "content": said},
        ],
        "max_tokens": 1024,
        "temperature": 0.2,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return _encoded(body)


def _agent(connections: int) -> Scenario:
    """A coding agent's turn: a long system prompt, many tools, some history, streamed."""
    tools = [_tool(number) for number in range(AGENT_TOOLS)]
    body: dict[str, Any] = {
        "model": "claude-bench",
        "max_tokens": 32_000,
        "stream": True,
        "system": [_text(SENTENCE * 2), _text(SENTENCE * 150, is_marked=True)],
        "tools": tools,
        "messages": [],
    }
    turn = 0
    while len(_encoded(body)) < AGENT_BYTES - 2500:
        body["messages"] += _turn(turn)
        turn += 1
    said = "Now write the test for it, run it, and tell me in one sentence what came of it."
    body["messages"].append({"role": "user", "content": [_text(said, is_marked=True)]})
    name = "87 KB agent request, stream of 25 events"
    return Scenario(name, "/v1/messages?beta=true", _encoded(body), b"message_stop", connections)


def _turn(number: int) -> list[dict[str, Any]]:
    use = f"toolu_{number:024d}"
    call = {"type": "tool_use", "id": use, "name": "tool_3", "input": {"path": f"src/{number}.py"}}
    result = {"type": "tool_result", "tool_use_id": use, "content": SENTENCE * 40}
    return [
        {"role": "user", "content": [_text(SENTENCE * 2)]},
        {"role": "assistant", "content": [_text(SENTENCE), call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": [_text(SENTENCE * 4)]},
    ]


def _tool(number: int) -> dict[str, Any]:
    properties = {
        name: {"type": "string", "description": SENTENCE * 2}
        for name in ("path", "pattern", "content")
    }
    schema = {"type": "object", "properties": properties, "required": ["path"]}
    return {"name": f"tool_{number}", "description": SENTENCE * 12, "input_schema": schema}


def _text(text: str, *, is_marked: bool = False) -> dict[str, Any]:
    mark = {"cache_control": {"type": "ephemeral"}} if is_marked else {}
    return {"type": "text", "text": text, **mark}


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode("utf-8")
