"""Blocks follow each other, whatever comes between their parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import StreamError
from shared.wire.translation.chat_parts import CallPart, Kind
from shared.wire.translation.message_blocks import BlockWriter, event, tool_id
from tests.support.stream_vectors import events_of


def written(writer: BlockWriter) -> list[str]:
    """Events since the last look, in short: `+0 text`, `0 abc`, `-0`."""
    short = []
    for _, payload in events_of(b"".join(writer.written)):
        fields = json.loads(payload)
        index = fields["index"]
        if block := fields.get("content_block"):
            short.append(f"+{index} {block.get('name') or block['type']}")
        elif delta := fields.get("delta"):
            short.append(f"{index} {_said(delta)}")
        else:
            short.append(f"-{index}")
    writer.written.clear()
    return short


def _said(delta: dict[str, Any]) -> str:
    return next(
        delta[name] for name in ("text", "thinking", "partial_json", "citation") if name in delta
    )


@pytest.fixture
def writer() -> BlockWriter:
    return BlockWriter("req_1")


def part(position: int, name: str = "", arguments: str = "", call_id: str = "") -> CallPart:
    return CallPart(position, call_id, name, arguments)


def test_an_event() -> None:
    sent = event("message_stop", {"a": 1})
    assert sent == b'event: message_stop\ndata: {"type":"message_stop","a":1}\n\n'


def test_text_is_told_as_it_comes(writer: BlockWriter) -> None:
    writer.text(Kind.TEXT, "a")
    assert written(writer) == ["+0 text", "0 a"]
    writer.text(Kind.TEXT, "b")
    assert written(writer) == ["0 b"]
    writer.close()
    assert written(writer) == ["-0"]


def test_each_kind_has_its_block(writer: BlockWriter) -> None:
    for kind in (Kind.THINKING, Kind.TEXT, Kind.REFUSAL, Kind.TEXT):
        writer.text(kind, "x")
    writer.close()
    blocks = ["thinking", "text", "text", "text"]
    assert written(writer) == [
        short
        for index, block in enumerate(blocks)
        for short in (f"+{index} {block}", f"{index} x", f"-{index}")
    ]


def test_a_whole_call_makes_room_for_the_next_at_once(writer: BlockWriter) -> None:
    writer.call(part(0, "f", '{"a"'))
    writer.call(part(0, arguments=": 1}"))
    assert written(writer) == ["+0 f", '0 {"a"', "0 : 1}"]
    writer.call(part(1, "g"))
    assert written(writer) == ["-0", "+1 g"]


def test_calls_told_in_turns_follow_each_other(writer: BlockWriter) -> None:
    writer.call(part(0, "f", '{"a": '))
    writer.call(part(1, "g", '{"b": '))
    writer.call(part(2, "h", "{}"))
    writer.text(Kind.TEXT, "x")
    assert written(writer) == ["+0 f", '0 {"a": ']
    writer.call(part(0, arguments="1}"))
    assert written(writer) == ["0 1}", "-0", "+1 g", '1 {"b": ']
    writer.call(part(1, arguments="2}"))
    assert written(writer) == ["1 2}", "-1", "+2 h", "2 {}", "-2", "+3 text", "3 x"]
    writer.close()
    assert written(writer) == ["-3"]


def test_a_call_without_arguments_waits_for_the_end(writer: BlockWriter) -> None:
    writer.call(part(0, "f"))
    writer.call(part(1, "g"))
    assert written(writer) == ["+0 f"]
    writer.call(part(0, arguments="{}"))
    assert written(writer) == ["0 {}", "-0", "+1 g"]
    writer.close()
    assert written(writer) == ["-1"]
    assert writer.called


def test_a_call_waits_for_its_name(writer: BlockWriter) -> None:
    writer.call(part(0, arguments="{", call_id="c1"))
    assert not writer.written
    assert not writer.called
    writer.call(part(0, "f", "}"))
    assert b'"id":"c1"' in writer.written[0]
    assert written(writer) == ["+0 f", "0 {", "0 }"]


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [
        pytest.param(("f", "{}", "a"), ("g", "{}", "b"), 2, id="another id and name"),
        pytest.param(("f", "{}", ""), ("f", "{}", ""), 2, id="a whole call again, without ids"),
        pytest.param(("f", "{}", "a"), ("f", "", "a"), 1, id="the name again"),
        pytest.param(("f", "{", "a"), ("", "}", "b"), 1, id="another id without a name"),
        pytest.param(("f", "{", ""), ("f", "}", ""), 1, id="the name with every part"),
        pytest.param(("f", "{}", ""), ("f", "", ""), 1, id="nothing new"),
    ],
)
def test_calls_under_the_same_index(
    writer: BlockWriter, first: Any, second: Any, calls: int
) -> None:
    for name, arguments, call_id in (first, second):
        writer.call(part(0, name, arguments, call_id))
    writer.close()
    assert sum(short.startswith("+") for short in written(writer)) == calls


def test_space_may_follow_a_whole_call(writer: BlockWriter) -> None:
    writer.call(part(0, "f", "{}"))
    writer.call(part(1, "g", "{}"))
    written(writer)
    writer.call(part(0, arguments="\n"))
    assert not writer.written
    with pytest.raises(StreamError, match="goes on after its end"):
        writer.call(part(0, arguments="{}"))


def test_space_after_the_last_block(writer: BlockWriter) -> None:
    writer.call(part(0, "f", "{}"))
    writer.close()
    written(writer)
    writer.call(part(0, arguments=" "))
    assert not writer.written


def test_a_call_without_a_name(writer: BlockWriter) -> None:
    writer.call(part(0, arguments="{}"))
    with pytest.raises(StreamError, match="no name"):
        writer.close()


def test_a_call_without_anything_is_none(writer: BlockWriter) -> None:
    writer.call(part(0))
    writer.text(Kind.TEXT, "x")
    writer.close()
    assert written(writer) == ["+0 text", "0 x", "-0"]
    assert not writer.called


def test_citations_belong_to_the_last_text(writer: BlockWriter) -> None:
    writer.citation({"n": 0})
    assert not writer.written
    writer.text(Kind.TEXT, "x")
    writer.citation({"n": 1})
    assert written(writer) == ["+0 text", "0 x", "0 {'n': 1}"]


def test_ids() -> None:
    assert tool_id("call_1", "req_1", 0) == "call_1"
    assert tool_id("", "req_1", 2) == "call_req_1_2"
    assert tool_id("a:b", "req_1", 0).startswith("b64_")
