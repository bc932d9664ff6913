from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from scripts.simulator.answer import Prompt, Tool, answer_to, signature_of
from scripts.simulator.anthropic_reply import MessageWriter
from scripts.simulator.behaviour import Plain
from scripts.simulator.usage import InputTokens

EVENTS: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
INPUT = InputTokens(30, write_5m=2, write_1h=3, read=4)
LONG = {"const": {"city": "a city with a long name"}}


def writer(kind: Any = "echo", **more: Any) -> MessageWriter:
    prompt = Prompt("model-x", True, "one two", (), **more)
    return MessageWriter(prompt, answer_to(prompt, Plain(kind), INPUT), 7)


def events(source: MessageWriter, *, with_usage: bool = True) -> list[dict[str, Any]]:
    found = []
    for event, _ in source.events(with_usage=with_usage):
        first, second, *rest = event.split(b"\n")
        assert rest == [b"", b""]
        data = json.loads(second.removeprefix(b"data: "))
        assert first == b"event: " + data["type"].encode()
        if data["type"] != "ping":
            EVENTS.validate_python(data)
        found.append(data)
    return found


def test_a_body_is_a_message() -> None:
    whole = Message.model_validate_json(writer().body(with_usage=True))
    assert (whole.id, whole.model, whole.role) == (
        "msg_01SIM0000000000000000007",
        "model-x",
        "assistant",
    )
    assert (whole.stop_reason, whole.stop_sequence) == ("end_turn", None)
    assert [block.to_dict() for block in whole.content] == [{"type": "text", "text": "one two"}]


def test_usage_is_disjoint() -> None:
    usage = Message.model_validate_json(writer().body(with_usage=True)).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (30, 4)
    assert usage.cache_creation_input_tokens == 5
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_5m_input_tokens == 2
    assert usage.cache_creation.ephemeral_1h_input_tokens == 3
    assert usage.output_tokens == 2


def test_the_order_of_events() -> None:
    kinds = [event["type"] for event in events(writer())]
    assert kinds == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_usage_grows_from_start_to_delta() -> None:
    found = events(writer())
    start, end = found[0]["message"]["usage"], found[-2]["usage"]
    assert (start["output_tokens"], end["output_tokens"]) == (1, 2)
    assert end["input_tokens"] == start["input_tokens"] == 30
    assert found[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


@pytest.mark.parametrize("hides", [False, True])
def test_thinking_is_signed(hides: bool) -> None:
    text = "The user said 2 words; repeat them."
    made = writer("think", hides_thinking=hides)
    found = [event["delta"] for event in events(made) if event["type"] == "content_block_delta"]
    streamed = "".join(delta.get("thinking", "") for delta in found)
    whole = json.loads(made.body(with_usage=True))
    assert streamed == whole["content"][0]["thinking"] == ("" if hides else text)
    signed = [delta["signature"] for delta in found if delta["type"] == "signature_delta"]
    assert signed == [whole["content"][0]["signature"]] == [signature_of(text)]
    assert whole["usage"]["output_tokens_details"]["thinking_tokens"] > 0


def test_a_tool_use_comes_in_fragments() -> None:
    found = events(writer("tools", tool=Tool("t", LONG)))
    start = next(event for event in found if event["type"] == "content_block_start")
    assert start["content_block"]["input"] == {}
    deltas = [event["delta"] for event in found if event["type"] == "content_block_delta"]
    pieces = [delta["partial_json"] for delta in deltas]
    assert pieces[0] == ""
    assert json.loads("".join(pieces)) == LONG["const"]
    assert found[-2]["delta"]["stop_reason"] == "tool_use"
    whole = json.loads(writer("tools", tool=Tool("t", LONG)).body(with_usage=True))
    assert whole["content"][0]["input"] == LONG["const"]


def test_no_usage_is_zeros() -> None:
    found = events(writer(), with_usage=False)
    assert found[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert found[-2]["usage"] == {"output_tokens": 0}
    whole = json.loads(writer().body(with_usage=False))
    assert whole["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_a_stop_sequence_is_named() -> None:
    found = events(writer(stops=(" two",)))
    assert found[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": " two"}


def test_words_are_marked() -> None:
    marks = [is_text for _, is_text in writer().events(with_usage=True)]
    assert [place for place, mark in enumerate(marks) if mark] == [3, 4]
