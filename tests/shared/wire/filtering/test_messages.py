from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.catalog import FilterRule, FilterSpec, ThinkingMode
from shared.wire.content_filter import ContentFilter
from shared.wire.formats import WireFormat

RULES = (FilterRule("Claude Code", "it"),)
TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def event(kind: str, **fields: Any) -> Any:
    return {"type": kind, **fields}


def start(index: int, block: Any) -> Any:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: Any) -> Any:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def said(index: int, text: str) -> Any:
    return delta(index, "text_delta", text=text)


def stop(index: int) -> Any:
    return event("content_block_stop", index=index)


def raw(one: Any) -> bytes:
    return f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode()


def filtered(
    events: list[Any], mode: ThinkingMode = ThinkingMode.KEEP, *, structured: bool = False
) -> list[Any]:
    stream = ContentFilter(FilterSpec(RULES, mode)).stream(
        WireFormat.MESSAGES, structured=structured
    )
    out = b"".join(stream.feed(raw(one)) for one in events) + stream.flush()
    return [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: ")]


def body(content: Any, mode: ThinkingMode = ThinkingMode.KEEP, *, structured: bool = False) -> Any:
    made = json.dumps({"type": "message", "content": content, "usage": {"x": 1.0}}).encode()
    out = ContentFilter(FilterSpec(RULES, mode)).body(
        WireFormat.MESSAGES, made, structured=structured
    )
    assert (json.loads(out)["content"] == content) == (out == made)
    return json.loads(out)["content"]


def test_a_match_across_deltas_is_decided_by_the_end_of_the_block() -> None:
    events = [start(0, TEXT), said(0, "I am Claude"), said(0, " Code"), stop(0), start(1, TEXT)]
    assert filtered([*events, said(1, "Code"), stop(1)]) == [
        start(0, TEXT),
        said(0, "I am it"),
        said(0, ""),
        stop(0),
        start(1, TEXT),
        said(1, "Code"),
        stop(1),
    ]


def test_text_at_the_start_of_a_block_is_text() -> None:
    events = [start(0, {**TEXT, "text": "Claude "}), said(0, "Code"), stop(0)]
    assert filtered(events) == [start(0, {**TEXT, "text": "it"}), said(0, ""), stop(0)]


UNTOUCHED = [
    delta(0, "input_json_delta", partial_json='{"a": "Claude Code"}'),
    delta(0, "thinking_delta", thinking="Claude Code"),
    delta(0, "signature_delta", signature="Claude Code"),
    delta(0, "citations_delta", citation={"cited_text": "Claude Code", "title": "Claude Code"}),
    start(0, {"type": "tool_use", "name": "Claude Code", "input": {}}),
    start(0, {"type": "web_search_tool_result", "content": [{"title": "Claude Code"}]}),
    event("message_start", message={"content": None, "model": "Claude Code"}),
    event("message_delta", delta={"stop_sequence": "Claude Code"}, usage={}),
    event("content_block_delta", index=0, delta=None),
    event("content_block_start", index="x", content_block=5),
    event("something_new", text="Claude Code"),
]


@pytest.mark.parametrize("one", UNTOUCHED)
def test_what_is_no_text_of_the_assistant_keeps_its_bytes(one: Any) -> None:
    stream = ContentFilter(FilterSpec(RULES)).stream(WireFormat.MESSAGES)
    assert stream.feed(raw(one)) == raw(one)


def test_nothing_overtakes_what_waits() -> None:
    stream = ContentFilter(FilterSpec(RULES)).stream(WireFormat.MESSAGES)
    assert stream.feed(raw(said(0, "Cla"))) == b""
    assert stream.feed(raw(event("ping"))) == b""
    assert stream.feed(raw(stop(0))) == raw(said(0, "Cla")) + raw(event("ping")) + raw(stop(0))


def test_an_error_comes_after_the_text_and_is_filtered() -> None:
    error = event("error", error={"type": "api_error", "message": "Claude Code broke"})
    expected = event("error", error={"type": "api_error", "message": "it broke"})
    assert filtered([said(0, "Cla"), error]) == [said(0, "Cla"), expected]
    assert filtered([error], structured=True) == [expected]


def test_structured_output_is_left_alone() -> None:
    events = [start(0, TEXT), said(0, '{"a": "Claude Code"}'), stop(0)]
    assert filtered(events, structured=True) == events
    content = [{"type": "text", "text": '{"a": "Claude Code"}'}]
    assert body(content, structured=True) == content


THOUGHT = [
    event("message_start", message={"content": []}),
    start(0, THINKING),
    delta(0, "thinking_delta", thinking="Claude Code, secretly"),
    delta(0, "signature_delta", signature="c2ln"),
    stop(0),
    start(1, {"type": "redacted_thinking", "data": "ZGF0YQ"}),
    stop(1),
    start(2, TEXT),
    said(2, "Hi"),
    stop(2),
    start(3, THINKING),
    stop(3),
    start(4, TEXT),
    stop(4),
    event("message_stop"),
]


def test_thinking_is_blanked_and_stays_signed() -> None:
    expected = [*THOUGHT]
    expected[2] = delta(0, "thinking_delta", thinking="")
    assert filtered(THOUGHT, ThinkingMode.BLANK) == expected
    early = start(0, {**THINKING, "thinking": "hm"})
    assert filtered([early], ThinkingMode.BLANK) == [start(0, THINKING)]


def test_thinking_is_stripped_without_a_gap() -> None:
    assert filtered(THOUGHT, ThinkingMode.STRIP) == [
        event("message_start", message={"content": []}),
        start(0, TEXT),
        said(0, "Hi"),
        stop(0),
        start(1, TEXT),
        stop(1),
        event("message_stop"),
    ]


def test_blocks_that_a_message_begins_with() -> None:
    content = [THINKING | {"thinking": "x"}, {**TEXT, "text": "Claude Code"}]
    begun = event("message_start", message={"content": content})
    kept = [content[0], {**TEXT, "text": "it"}]
    assert filtered([begun]) == [event("message_start", message={"content": kept})]
    assert filtered([begun, start(2, TEXT), stop(2)], ThinkingMode.STRIP) == [
        event("message_start", message={"content": kept[1:]}),
        start(1, TEXT),
        stop(1),
    ]


CONTENT = [
    {"type": "thinking", "thinking": "Claude Code", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "ZGF0YQ"},
    {"type": "text", "text": "Claude Code!", "citations": [{"cited_text": "Claude Code"}]},
    {"type": "tool_use", "id": "t", "name": "n", "input": {"a": "Claude Code"}},
]


@pytest.mark.parametrize("mode", ThinkingMode)
def test_bodies(mode: ThinkingMode) -> None:
    first = {**CONTENT[0], "thinking": "" if mode is ThinkingMode.BLANK else "Claude Code"}
    expected = [first, CONTENT[1], {**CONTENT[2], "text": "it!"}, CONTENT[3]]
    assert body(CONTENT, mode) == (expected[2:] if mode is ThinkingMode.STRIP else expected)


@pytest.mark.parametrize("content", [None, "Claude Code", [], [5], [{"type": "text"}]])
@pytest.mark.parametrize("mode", ThinkingMode)
def test_other_bodies_keep_their_bytes(content: Any, mode: ThinkingMode) -> None:
    assert body(content, mode) == content
