from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from shared.domain.catalog import FilterRule, FilterSpec, ThinkingMode
from shared.wire.content_filter import ContentFilter
from shared.wire.formats import WireFormat

RULES = (FilterRule("Claude Code", "it"),)
PIECES = ("I am Cla", "ude Co", "de", ", really")
WHOLE = "".join(PIECES)
STRICT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def part(text: str) -> Any:
    return {"type": "output_text", "text": text, "annotations": []}


def message(text: str, status: str = "completed") -> Any:
    content = [part(text)] if text else []
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def reasoning(text: str) -> Any:
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "ZGF0YQ"}


def answer(output: list[Any], status: str = "completed") -> Any:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1.0,
        "model": "gpt",
        "status": status,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "instructions": "You are Claude Code",
    }


def numbered(events: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [
        {"type": f"response.{kind}", "sequence_number": number, **fields}
        for number, (kind, fields) in enumerate(events)
    ]


def thinking(text: str, delta: str) -> list[tuple[str, dict[str, Any]]]:
    at = {"item_id": "rs_1", "output_index": 0}
    here = {**at, "summary_index": 0}
    done = {"type": "summary_text", "text": text}
    return [
        ("output_item.added", {"output_index": 0, "item": reasoning("")}),
        ("reasoning_summary_part.added", {**here, "part": {**done, "text": ""}}),
        ("reasoning_summary_text.delta", {**here, "delta": delta}),
        ("reasoning_summary_text.done", {**here, "text": text}),
        ("reasoning_summary_part.done", {**here, "part": done}),
        ("output_item.done", {"output_index": 0, "item": reasoning("x") | {"summary": [done]}}),
    ]


def speech(index: int, pieces: tuple[str, ...], whole: str) -> list[tuple[str, dict[str, Any]]]:
    here = {"item_id": "msg_1", "output_index": index, "content_index": 0}
    item = {"output_index": index}
    return [
        ("output_item.added", {**item, "item": message("", "in_progress")}),
        ("content_part.added", {**here, "part": part("")}),
        *(("output_text.delta", {**here, "delta": piece, "logprobs": []}) for piece in pieces),
        ("output_text.done", {**here, "text": whole, "logprobs": []}),
        ("content_part.done", {**here, "part": part(whole)}),
        ("output_item.done", {**item, "item": message(whole)}),
    ]


def stream_of(
    pieces: tuple[str, ...], whole: str, thought: str | None, delta: str = ""
) -> list[Any]:
    heard = thinking(thought, delta) if thought is not None else []
    output = [heard[-1][1]["item"]] if heard else []
    return numbered(
        [
            ("created", {"response": answer([], "in_progress")}),
            *heard,
            *speech(len(output), pieces, whole),
            ("completed", {"response": answer([*output, message(whole)])}),
        ]
    )


def filtered(
    events: list[Any], mode: ThinkingMode = ThinkingMode.KEEP, *, structured: bool = False
) -> list[Any]:
    stream = ContentFilter(FilterSpec(RULES, mode)).stream(
        WireFormat.RESPONSES, structured=structured
    )
    raw = [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events]
    out = b"".join(stream.feed(one) for one in raw) + stream.flush()
    read = [json.loads(line[6:]) for line in out.decode().split("\n") if line[:6] == "data: "]
    for one in read:
        STRICT.validate_python(one, strict=True)
    return read


def test_every_saying_of_the_text_agrees() -> None:
    expected = stream_of(("I am it", "", "", ", really"), "I am it, really", "Claude Code", "Cl")
    assert filtered(stream_of(PIECES, WHOLE, "Claude Code", "Cl")) == expected


def test_structured_output_is_left_alone() -> None:
    events = stream_of(PIECES, WHOLE, None)
    assert filtered(events, structured=True) == events


def test_what_no_rule_touches_keeps_its_bytes() -> None:
    stream = ContentFilter(FilterSpec(RULES)).stream(WireFormat.RESPONSES)
    events = stream_of(("I am Cla", "ude"), "I am Claude", "thought", "thought")
    raw = b"".join(b"data:" + json.dumps(one).encode() + b"\r\n\r\n" for one in events)
    assert stream.feed(raw) + stream.flush() == raw


def test_thinking_is_blanked() -> None:
    expected = stream_of(("Hi",), "Hi", "", "")
    assert filtered(stream_of(("Hi",), "Hi", "deep", "deep"), ThinkingMode.BLANK) == expected


def test_thinking_is_stripped_without_a_gap() -> None:
    expected = stream_of(("Hi",), "Hi", None)
    assert filtered(stream_of(("Hi",), "Hi", "deep", "d"), ThinkingMode.STRIP) == expected


def test_reasoning_text_is_thinking() -> None:
    at = {"item_id": "rs_1", "output_index": 0, "content_index": 0}
    content = {"content": [{"type": "reasoning_text", "text": "deep"}]}
    events = [
        ("reasoning_text.delta", {**at, "delta": "deep"}),
        ("reasoning_text.done", {**at, "text": "deep"}),
        ("content_part.done", {**at, "part": content["content"][0]}),
        ("output_item.done", {"output_index": 0, "item": reasoning("") | content}),
    ]
    assert "deep" not in str(filtered(numbered(events), ThinkingMode.BLANK))
    assert filtered(numbered(events)) == numbered(events)


def test_refusals_are_text() -> None:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    said = {"type": "refusal", "refusal": WHOLE}
    deltas = [("refusal.delta", {**at, "delta": piece}) for piece in PIECES]
    ends = [("refusal.done", {**at, "refusal": WHOLE}), ("content_part.done", {**at, "part": said})]
    read = filtered(numbered([*deltas, *ends]))
    assert "".join(one["delta"] for one in read[:4]) == "I am it, really"
    assert read[4]["refusal"] == read[5]["part"]["refusal"] == "I am it, really"


UNTOUCHED: list[tuple[str, dict[str, Any]]] = [
    ("function_call_arguments.delta", {"item_id": "f", "output_index": 0, "delta": "Claude Code"}),
    (
        "output_item.done",
        {
            "output_index": 0,
            "item": {
                "type": "function_call",
                "call_id": "c",
                "name": "n",
                "arguments": '{"a":"Claude Code"}',
            },
        },
    ),
]


@pytest.mark.parametrize("one", UNTOUCHED)
@pytest.mark.parametrize("mode", ThinkingMode)
def test_what_is_no_text_is_left_alone(one: Any, mode: ThinkingMode) -> None:
    assert filtered(numbered([one]), mode) == numbered([one])


def test_errors_are_filtered() -> None:
    failed = answer([], "failed") | {
        "error": {"code": "server_error", "message": "Claude Code broke"}
    }
    error = {"type": "error", "message": "Claude Code broke", "sequence_number": 1}
    read = filtered([*numbered([("failed", {"response": failed})]), error], structured=True)
    assert read[0]["response"]["error"]["message"] == read[1]["message"] == "it broke"


def test_what_is_no_event_passes() -> None:
    stream = ContentFilter(FilterSpec(RULES)).stream(WireFormat.RESPONSES)
    assert stream.feed(b'data: {"a": "Claude Code"}\n\n') == b'data: {"a": "Claude Code"}\n\n'


@pytest.mark.parametrize("mode", ThinkingMode)
def test_bodies(mode: ThinkingMode) -> None:
    made = answer([reasoning("deep"), message("Claude Code")])
    read = json.loads(
        ContentFilter(FilterSpec(RULES, mode)).body(WireFormat.RESPONSES, json.dumps(made).encode())
    )
    blank = reasoning("deep") | {"summary": [{"type": "summary_text", "text": ""}]}
    thought = {"pass": [reasoning("deep")], "blank": [blank], "strip": []}[mode]
    assert read == answer([*thought, message("it")])
