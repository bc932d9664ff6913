"""Blocks of a message as deltas: text, citations, tool calls, thinking."""

from __future__ import annotations

from typing import Any

import pytest

from shared.wire.sse import MAX_EVENT_BYTES
from shared.wire.translation.chat_deltas import MAX_THINKING_CHARS
from tests.support.message_streams import (
    block,
    call,
    deltas,
    ended,
    event,
    message,
    sent,
    spelled_otherwise,
    started,
    text,
    thinking,
)

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("pieces", "content"),
    [
        pytest.param(["One ", "two"], "One two", id="plain"),
        pytest.param(['a "b"', "\\", "\n\t\u0000"], 'a "b"\\\n\t\u0000', id="escapes"),
        pytest.param(["zwölf ", "北京", "🙂"], "zwölf 北京🙂", id="tricky-37 escaped unicode"),
        pytest.param(["", "x", ""], "x", id="empty pieces"),
        pytest.param(
            ['"}} ', "]}\n\ndata: [DONE]"], '"}} ]}\n\ndata: [DONE]', id="looks like ours"
        ),
    ],
)
def test_text(pieces: list[str], content: str) -> None:
    data = started() + text(0, *pieces) + ended()
    assert message(data)["content"] == message(spelled_otherwise(data))["content"] == content
    assert len(deltas(data)) == len([piece for piece in pieces if piece])


def test_blocks_of_text_are_joined() -> None:
    assert message(started() + text(0, "One ") + text(1, "two") + ended())["content"] == "One two"


def test_text_that_starts_with_its_block() -> None:
    assert deltas(started() + block(0, {"type": "text", "text": "Hi"}) + ended()) == [
        {"content": "Hi"}
    ]


@pytest.mark.parametrize(
    ("fragments", "start", "arguments"),
    [
        pytest.param(
            ["", '{"a": ', "1.50", "}"], {}, '{"a": 1.50}', id="tricky-40 exactly concatenated"
        ),
        pytest.param([], {}, "{}", id="tricky-12 no fragment"),
        pytest.param([""], {}, "{}", id="tricky-12 an empty fragment"),
        pytest.param(["{}"], {}, "{}", id="tricky-12 an empty object"),
        pytest.param([], {"input": {"a": 1}}, '{"a":1}', id="all in the start"),
        pytest.param(['{"b":2}'], {"input": {"a": 1}}, '{"b":2}', id="fragments win"),
        pytest.param(['{"a":'], {}, '{"a":', id="tricky-13 torn"),
        pytest.param(
            ['{"n":', "123456789012345678901234567890}"],
            {},
            '{"n":123456789012345678901234567890}',
            id="any number",
        ),
    ],
)
def test_arguments(fragments: list[str], start: Json, arguments: str) -> None:
    first, *others = deltas(started() + call(0, *fragments, **start) + ended("tool_use"))
    function = {"name": "look", "arguments": ""}
    assert first == {
        "tool_calls": [{"index": 0, "id": "toolu_0", "type": "function", "function": function}]
    }
    pieces = [piece["tool_calls"][0] for piece in others]
    assert {(piece["index"], *piece["function"]) for piece in pieces} == {(0, "arguments")}
    assert "".join(piece["function"]["arguments"] for piece in pieces) == arguments


def test_indices_count_tools_only() -> None:
    """tricky-41: whatever blocks stand between them."""
    data = started() + thinking(0, "Hm", "s1") + call(1, '{"a":1}') + text(2, "and") + call(3)
    found = message(data + ended("tool_use"))
    assert [(each["id"], each["function"]["arguments"]) for each in found["tool_calls"]] == [
        ("toolu_1", {"a": 1}),
        ("toolu_3", {}),
    ]


def test_transitions_between_blocks() -> None:
    """tricky-42: thinking, text, tool, text again; one role, one finish."""
    data = started() + thinking(0, "Hm", "s1") + text(1, "A") + call(2) + text(3, "B")
    found = message(data + ended("tool_use"))
    assert (found["reasoning_content"], found["content"]) == ("Hm", "AB")
    assert len(found["tool_calls"]) == 1


def test_interleaved_blocks() -> None:
    begun = [call(index).partition(b"event: content_block_stop")[0] for index in (0, 1)]
    delta = {"type": "input_json_delta", "partial_json": '{"a":1}'}
    late = event("content_block_delta", index=0, delta=delta)
    found = message(started() + b"".join(begun) + late + ended("tool_use"))
    assert [each["function"]["arguments"] for each in found["tool_calls"]] == [{"a": 1}, {}]


def test_a_block_that_starts_anew_ends_the_one_before() -> None:
    torn = call(0).partition(b"event: content_block_stop")[0]
    found = message(started() + torn + call(0, '{"a":1}') + ended("tool_use"))
    assert [each["function"]["arguments"] for each in found["tool_calls"]] == [{}, {"a": 1}]


def test_thinking_can_be_sent_back() -> None:
    """tricky-29: signed blocks as they were, redacted ones too; none without a signature."""
    redacted = block(1, {"type": "redacted_thinking", "data": "secret"})
    data = started() + thinking(0, "Hm", "s1") + redacted + thinking(2, "", "s2")
    unsigned = block(3, {"type": "thinking", "thinking": "So"})
    found = message(data + unsigned + ended())
    assert found["reasoning_content"] == "HmSo"
    assert found["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "s1"},
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
    ]


def test_entries_of_lists_are_numbered_and_whole() -> None:
    cited = {"type": "web_search_result_location", "url": "https://x.example/", "title": "X"}
    citing = block(1, {"type": "text", "text": "A"}, {"type": "citations_delta", "citation": cited})
    found = deltas(started() + thinking(0, "Hm", "s1") + citing + ended())
    lists = [value for delta in found for value in delta.values() if isinstance(value, list)]
    assert [entry["index"] for entries in lists for entry in entries] == [0, 0]
    assert lists[0][0]["thinking"] == "Hm"


def test_citations() -> None:
    def citation(url: str) -> Json:
        cited = {"type": "web_search_result_location", "url": url, "title": "X"}
        return {"type": "citations_delta", "citation": cited}

    first = block(1, {"type": "text", "text": "zwölf"}, citation("https://x.example/"))
    second = block(2, {"type": "text", "text": "🙂"}, citation("https://y.example/"))
    found = message(started() + text(0, "A\n") + first + second + ended())
    places = [
        (each["url_citation"]["url"], each["url_citation"]["start_index"])
        for each in found["annotations"]
    ]
    assert places == [("https://x.example/", 2), ("https://y.example/", 7)]
    assert found["annotations"][1]["url_citation"]["end_index"] == 8


def test_what_server_tools_did_is_left_out() -> None:
    used = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    query = {"type": "input_json_delta", "partial_json": '{"query":"x"}'}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    strange = {"type": "text_delta", "text": "in a block without text"}
    data = started() + block(0, used, query, strange) + block(1, result) + text(2, "So") + ended()
    assert deltas(data) == deltas(spelled_otherwise(data)) == [{"content": "So"}]


def test_thinking_is_held_within_bounds() -> None:
    half = {"type": "thinking_delta", "thinking": "x" * (MAX_EVENT_BYTES // 2)}
    count = 2 * MAX_THINKING_CHARS // MAX_EVENT_BYTES
    start = {"type": "thinking", "thinking": "", "signature": ""}
    assert sent(started() + block(0, start, *[half] * count) + ended()).error is None
    assert sent(started() + block(0, start, *[half] * (count + 1)) + ended()).error is not None
