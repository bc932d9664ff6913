from __future__ import annotations

from typing import Any

import pytest

from shared.errors import StreamError
from shared.wire.translation.chat_parts import (
    LEGACY_CALL,
    CallPart,
    Kind,
    calls_of,
    choice_of,
    citations_of,
    is_object,
    object_in,
    texts_of,
)


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ({}, None),
        ({"choices": None}, None),
        ({"choices": []}, None),
        ({"choices": [{"index": 1}]}, None),
        ({"choices": [{"index": 1}, {"index": 0, "delta": {}}]}, {"index": 0, "delta": {}}),
        ({"choices": [{"delta": {}}]}, {"delta": {}}),
    ],
)
def test_the_one_choice(answer: dict[str, Any], choice: dict[str, Any] | None) -> None:
    assert choice_of(answer) == choice


def test_objects_may_lack() -> None:
    assert object_in({}, "delta") == object_in({"delta": None}, "delta") == {}
    assert object_in({"delta": {"a": 1}}, "delta") == {"a": 1}


def test_texts_come_in_the_order_in_which_they_are_told() -> None:
    message = {"refusal": "c", "content": "b", "reasoning_content": "a", "reasoning": "a"}
    told = [(Kind.THINKING, "a"), (Kind.TEXT, "b"), (Kind.REFUSAL, "c")]
    assert list(texts_of(message)) == told


def test_content_in_parts() -> None:
    thought = [{"type": "text", "text": "a"}, {"type": "text", "text": ""}, 7]
    parts = [
        {"type": "thinking", "thinking": thought},
        {"type": "thinking", "thinking": "x"},
        {"type": "text", "text": "b"},
        {"type": "text", "text": ""},
        {"type": "reference"},
    ]
    assert list(texts_of({"content": parts})) == [(Kind.THINKING, "a"), (Kind.TEXT, "b")]


def test_calls() -> None:
    calls = [
        {"index": 1, "id": "c", "function": {"name": "f", "arguments": "{"}},
        {"id": None, "function": {"name": None, "arguments": None}},
        {"function": {"name": "g", "arguments": {"a": 1}}},
    ]
    assert list(calls_of({"tool_calls": calls, "function_call": {"arguments": "}"}})) == [
        CallPart(1, "c", "f", "{"),
        CallPart(0, "", "", ""),
        CallPart(0, "", "g", '{"a":1}'),
        CallPart(LEGACY_CALL, "", "", "}"),
    ]


def test_citations_need_a_url() -> None:
    cited = [{"url_citation": {"url": "u", "title": 7}}, {"url_citation": {}}, {}, None]
    assert [each["url"] for each in citations_of({"annotations": cited})] == ["u"]
    assert list(citations_of({"annotations": "x"})) == []


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [("{}", True), (' {"a": {}}\n', True), ("", False), ("{", False), ("[]", False), ("1", False)],
)
def test_whole_arguments(arguments: str, whole: bool) -> None:
    assert is_object(arguments) is whole


@pytest.mark.parametrize(
    "answer",
    [{"choices": {}}, {"choices": "x"}, {"choices": [None]}],
)
def test_no_choices(answer: dict[str, Any]) -> None:
    with pytest.raises(StreamError):
        choice_of(answer)


@pytest.mark.parametrize(
    "message",
    [
        {"content": 7},
        {"content": [7]},
        {"content": [{"text": 7}]},
        {"refusal": {"a": 1}},
        {"tool_calls": 7},
        {"tool_calls": [None]},
        {"tool_calls": [{}]},
        {"tool_calls": [{"function": {"arguments": [1]}}]},
        {"function_call": "f"},
    ],
)
def test_what_is_no_message(message: dict[str, Any]) -> None:
    with pytest.raises(StreamError):
        [*texts_of(message), *calls_of(message)]


def test_arguments_nested_too_deep() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(StreamError, match="too deep"):
        list(calls_of({"function_call": {"name": "f", "arguments": deep}}))


def test_no_object() -> None:
    with pytest.raises(StreamError, match="delta is no object"):
        object_in({"delta": "x"}, "delta")
