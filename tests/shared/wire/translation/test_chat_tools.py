from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.translation.tool_ids import MAX_ANTHROPIC
from tests.support.chats import HI, TOOL, answer, call, calls, translated, turns

CACHED = {"cache_control": {"type": "ephemeral"}}
OTHER = {"type": "function", "function": {"name": "g"}}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        pytest.param(
            tool(),
            {"input_schema": {"type": "object", "properties": {}}},
            id="tricky-15 no parameters",
        ),
        (tool(parameters={}), {"input_schema": {"type": "object"}}),
        pytest.param(
            tool(parameters={"type": "object", "$defs": {"a": {}}, "additionalProperties": False}),
            {"input_schema": {"type": "object", "$defs": {"a": {}}, "additionalProperties": False}},
            id="tricky-15 schema as it is",
        ),
        pytest.param(
            tool(parameters={"type": "object"}, strict=True),
            {"input_schema": {"type": "object"}},
            id="tricky-15 strict",
        ),
        (
            tool(parameters={"type": "object"}, description=""),
            {"input_schema": {"type": "object"}, "description": ""},
        ),
        pytest.param(
            {**tool(parameters={"type": "object"}), **CACHED},
            {"input_schema": {"type": "object"}, **CACHED},
            id="tricky-33 of a tool",
        ),
        (
            tool(parameters={"type": "object"}, **CACHED),
            {"input_schema": {"type": "object"}, **CACHED},
        ),
    ],
)
def test_tools(given: Any, made: Any) -> None:
    assert translated(tools=[given])["tools"] == [{"name": "f", **made}]


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        pytest.param({"tool_choice": "auto"}, {"type": "auto"}, id="tricky-5 auto"),
        pytest.param({"tool_choice": "none"}, {"type": "none"}, id="tricky-5 none"),
        pytest.param({"tool_choice": "required"}, {"type": "any"}, id="tricky-5 required"),
        pytest.param({"tool_choice": OTHER}, {"type": "tool", "name": "g"}, id="tricky-5 named"),
        ({"parallel_tool_calls": True}, None),
        pytest.param(
            {"parallel_tool_calls": False},
            {"type": "auto", "disable_parallel_tool_use": True},
            id="tricky-7 without a choice",
        ),
        pytest.param(
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
            id="tricky-7 required",
        ),
        pytest.param(
            {"parallel_tool_calls": False, "tool_choice": OTHER},
            {"type": "tool", "name": "g", "disable_parallel_tool_use": True},
            id="tricky-7 named",
        ),
        pytest.param(
            {"parallel_tool_calls": False, "tool_choice": "none"},
            {"type": "none"},
            id="tricky-7 none",
        ),
    ],
)
def test_choices(fields: Any, choice: Any) -> None:
    assert translated(tools=[TOOL, OTHER], **fields).get("tool_choice") == choice


@pytest.mark.parametrize(("mode", "kind"), [("auto", "auto"), ("required", "any")])
def test_allowed_tools_are_all_there_is(mode: str, kind: str) -> None:
    unknown = [{"type": "function", "function": {"name": "h"}}, {"function": {"name": []}}, {}]
    allowed = {"mode": mode, "tools": [OTHER, *unknown]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    made = translated(tools=[TOOL, OTHER], tool_choice=choice, parallel_tool_calls=False)
    assert [each["name"] for each in made["tools"]] == ["g"]
    assert made["tool_choice"] == {"type": kind, "disable_parallel_tool_use": True}


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_without_tools_a_choice_means_nothing(choice: Any) -> None:
    made = translated(tool_choice=choice, parallel_tool_calls=False, tools=[])
    assert made.keys() == {"messages"}


def allowing(**fields: Any) -> dict[str, Any]:
    return {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", **fields}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": "function"}]}, "tools[1].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [tool(description=5)]}, "tools[0].function.description"),
        ({"tools": [tool(parameters=[])]}, "tools[0].function.parameters"),
        ({"tools": [{**TOOL, "cache_control": "x"}]}, "tools[0].cache_control"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": OTHER}, "tool_choice"),
        pytest.param({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", id="tricky-5 invalid"),
        ({"tools": [TOOL], "tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": 5}}},
            "tool_choice.function.name",
        ),
        (allowing(), "tool_choice.allowed_tools"),
        (allowing(allowed_tools={"mode": "none"}), "tool_choice.allowed_tools.mode"),
        (allowing(allowed_tools={"mode": []}), "tool_choice.allowed_tools.mode"),
        (allowing(allowed_tools={"mode": "auto"}), "tool_choice.allowed_tools.tools"),
        (
            allowing(allowed_tools={"mode": "auto", "tools": [OTHER]}),
            "tool_choice.allowed_tools.tools",
        ),
    ],
)
def test_refused(fields: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        translated(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"x": {"y": [1]}}', {"x": {"y": [1]}}),
        pytest.param("", {}, id="tricky-12 nothing"),
        pytest.param("{}", {}, id="tricky-12 empty"),
        (None, {}),
    ],
)
def test_calls(arguments: Any, given: Any) -> None:
    message = {"role": "assistant", "content": "Now", "tool_calls": [call("call_1", arguments)]}
    block = {"type": "tool_use", "id": "call_1", "name": "f", "input": given}
    assert turns(HI, message, answer("call_1"))[1]["content"] == [
        {"type": "text", "text": "Now"},
        block,
    ]


@pytest.mark.parametrize(
    ("made", "param"),
    [
        pytest.param(call("1", "{"), "function.arguments", id="tricky-13 no JSON"),
        pytest.param(call("1", "[1]"), "function.arguments", id="tricky-13 no object"),
        pytest.param(call("1", '{"a":' * 65), "function.arguments", id="tricky-13 too deep"),
        ({**call("1"), "function": {"name": "f", "arguments": {}}}, "function.arguments"),
        ({**call("1"), "function": None}, "function"),
        ({**call("1"), "function": {"arguments": "{}"}}, "function.name"),
        ({**call("1"), "type": "custom"}, "type"),
        pytest.param({**call("1"), "id": None}, "id", id="tricky-14 missing id"),
        (call(""), "id"),
    ],
)
def test_calls_refused(made: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        turns(HI, {"role": "assistant", "tool_calls": [call("0"), made]})
    assert (caught.value.status, caught.value.param) == (400, f"messages[1].tool_calls[1].{param}")


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param("functions.Bash:0", id="tricky-14 illegal characters"),
        pytest.param("x" * 500, id="tricky-14 too long"),
        "call_1",
    ],
)
def test_ids_agree(identity: str) -> None:
    made = turns(HI, calls(identity), answer(identity))
    asked, answered = made[1]["content"][0]["id"], made[2]["content"][0]["tool_use_id"]
    assert asked == answered
    assert len(asked) <= MAX_ANTHROPIC
    assert (asked == identity) is (identity == "call_1")
