from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from tests.support.chats import HI, answer, calls, translated, turns

CACHED = {"cache_control": {"type": "ephemeral"}}


def user(said: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": said, **fields}


def assistant(said: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": said, **fields}


def text(*said: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": each} for each in said]


def shape(*messages: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Role of each turn, and its texts, ids of calls and of answers."""
    keys = {"text": "text", "tool_use": "id", "tool_result": "tool_use_id"}
    return [
        (turn["role"], [block[keys[block["type"]]] for block in turn["content"]])
        for turn in turns(*messages)
    ]


@pytest.mark.parametrize(
    ("messages", "system"),
    [
        pytest.param(
            [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, HI],
            text("a", "b"),
            id="tricky-1 several",
        ),
        pytest.param(
            [{"role": "system", "content": "a"}, HI, {"role": "system", "content": "b"}],
            text("a", "b"),
            id="tricky-2 late",
        ),
        pytest.param(
            [{"role": "system", "content": "a", **CACHED}, HI],
            [{**text("a")[0], **CACHED}],
            id="tricky-33 of a message",
        ),
        pytest.param(
            [{"role": "system", "content": [{**text("a")[0], **CACHED}, *text("b")]}, HI],
            [{**text("a")[0], **CACHED}, *text("b")],
            id="tricky-33 of a part",
        ),
        ([{"role": "system", "content": ""}, {"role": "system"}, HI], None),
    ],
)
def test_system(messages: Any, system: Any) -> None:
    made = translated(messages=messages)
    assert made.get("system") == system
    assert made["messages"] == [user(text("hi"))]


@pytest.mark.parametrize(
    ("messages", "made"),
    [
        pytest.param(
            [HI, calls("1", "2"), answer("1"), answer("2"), user("on")],
            [("user", ["hi"]), ("assistant", ["1", "2"]), ("user", ["1", "2", "on"])],
            id="tricky-8 answers in one turn",
        ),
        pytest.param(
            [HI, calls("1", "2"), answer("2"), user("on"), answer("1")],
            [("user", ["hi"]), ("assistant", ["1", "2"]), ("user", ["2", "1", "on"])],
            id="tricky-8 answers first",
        ),
        (
            [HI, calls("1"), {"role": "system", "content": "x"}, answer("1")],
            [("user", ["hi"]), ("assistant", ["1"]), ("user", ["1"])],
        ),
        pytest.param(
            [user("a"), user("b", name="bob"), assistant("c"), assistant("d"), user("e")],
            [("user", ["a", "b"]), ("assistant", ["c", "d"]), ("user", ["e"])],
            id="tricky-17 one side in a row",
        ),
        pytest.param(
            [assistant("a"), user("b")],
            [("assistant", ["a"]), ("user", ["b"])],
            id="tricky-17 assistant first",
        ),
        pytest.param(
            [HI, assistant("So \n")],
            [("user", ["hi"]), ("assistant", ["So"])],
            id="tricky-18 to be continued",
        ),
        ([HI, assistant("So "), HI], [("user", ["hi"]), ("assistant", ["So "]), ("user", ["hi"])]),
        ([HI, assistant(" ")], [("user", ["hi"])]),
        pytest.param(
            [HI, calls("1", content=""), answer("1")],
            [("user", ["hi"]), ("assistant", ["1"]), ("user", ["1"])],
            id="tricky-19 empty beside calls",
        ),
        pytest.param(
            [user(""), user("a"), assistant(None), user([])],
            [("user", ["a"])],
            id="tricky-19 empty beside others",
        ),
        (
            [HI, assistant(None, refusal="No"), HI],
            [("user", ["hi"]), ("assistant", ["No"]), ("user", ["hi"])],
        ),
        (
            [HI, assistant([{"type": "refusal", "refusal": "No"}]), HI],
            [("user", ["hi"]), ("assistant", ["No"]), ("user", ["hi"])],
        ),
    ],
)
def test_turns(messages: Any, made: Any) -> None:
    assert shape(*messages) == made


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("r", "r"),
        ("", ""),
        (" ", ""),
        (None, ""),
        ([], []),
        (text("a", "", "b"), text("a", "b")),
        (
            [{"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}],
            [{"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}],
        ),
        ([{**text("a")[0], **CACHED}], [{**text("a")[0], **CACHED}]),
    ],
)
def test_answers_of_tools(said: Any, told: Any) -> None:
    made = turns(HI, calls("1"), answer("1", said))
    assert made[2]["content"] == [{"type": "tool_result", "tool_use_id": "1", "content": told}]


def test_cache_control_of_an_answer() -> None:
    made = turns(HI, calls("1"), answer("1", **CACHED))
    assert made[2]["content"][0]["cache_control"] == CACHED["cache_control"]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        pytest.param([{"role": "system", "content": "a"}], "messages", id="tricky-17 only system"),
        ([assistant("")], "messages"),
        pytest.param([user("")], "messages[0].content", id="tricky-19 empty"),
        ([assistant("a"), user(" "), assistant("b"), HI], "messages[1].content"),
        ([HI, assistant("a"), user(None)], "messages[2].content"),
        ([answer("1")], "messages[0].tool_call_id"),
        ([HI, calls("1"), answer("2")], "messages[2].tool_call_id"),
        ([HI, calls("1"), answer("1"), assistant("a"), answer("1")], "messages[4].tool_call_id"),
        ([HI, calls("1"), {"role": "tool", "content": "r"}], "messages[2].tool_call_id"),
        ([HI, {"role": "function", "name": "f", "content": "r"}], "messages[1].role"),
        ([HI, assistant(None, function_call={"name": "f"})], "messages[1].function_call"),
        (
            [{"role": "system", "content": [{"type": "image_url", "image_url": "https://a.b/c"}]}],
            "messages[0].content[0].type",
        ),
        (
            [HI, assistant([{"type": "image_url", "image_url": "https://a.b/c"}])],
            "messages[1].content[0].type",
        ),
        ([user("a", cache_control=[])], "messages[0].cache_control"),
    ],
)
def test_refused(messages: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        turns(*messages)
    assert (caught.value.status, caught.value.param) == (400, param)
