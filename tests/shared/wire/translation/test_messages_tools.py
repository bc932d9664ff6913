from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.translation.messages_tools import functions, is_loosened

OPEN = {"type": "object", "$defs": {"u": {"enum": ["c"]}}, "additionalProperties": False, "x": 1}
CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
LOOSE = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOL = {"name": "f", "input_schema": OPEN}


def function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **fields}}


def chosen(choice: Any, model: str = "gpt-4o") -> dict[str, Any]:
    made = functions({"tools": [TOOL], "tool_choice": choice}, model)
    del made["tools"]
    return made


@pytest.mark.parametrize(
    ("tool", "made"),
    [
        pytest.param(TOOL, function(parameters=OPEN), id="tricky-15 schema as it is"),
        ({**TOOL, "type": "custom"}, function(parameters=OPEN)),
        ({**TOOL, "type": None, "description": None}, function(parameters=OPEN)),
        ({**TOOL, "description": ""}, function(description="", parameters=OPEN)),
        pytest.param(
            {**TOOL, "cache_control": {}, "defer_loading": True, "eager_input_streaming": True},
            function(parameters=OPEN),
            id="tricky-33 cache_control of a tool",
        ),
        pytest.param(
            {**TOOL, "input_schema": CLOSED, "strict": True},
            function(parameters=CLOSED, strict=True),
            id="tricky-15 strict",
        ),
        ({**TOOL, "input_schema": LOOSE, "strict": True}, function(parameters=LOOSE)),
        ({**TOOL, "input_schema": CLOSED, "strict": False}, function(parameters=CLOSED)),
    ],
)
def test_a_tool(tool: Any, made: Any) -> None:
    assert functions({"tools": [tool]}, "gpt-4o") == {"tools": [made]}


@pytest.mark.parametrize(
    ("strict", "schema", "loosened"),
    [(True, LOOSE, True), (True, CLOSED, False), (False, LOOSE, False), (None, LOOSE, False)],
)
def test_a_tool_that_is_loosened(strict: Any, schema: Any, loosened: bool) -> None:
    assert is_loosened({"strict": strict, "input_schema": schema}) is loosened


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("web_search_20250305", id="tricky-16 web search"),
        pytest.param("web_fetch_20250910", id="tricky-16 web fetch"),
        pytest.param("code_execution_20250825", id="tricky-16 code execution"),
        pytest.param("tool_search_tool_bm25_20251119", id="tricky-16 tool search"),
        pytest.param("mcp_toolset", id="tricky-16 mcp"),
        "bash_20250124",
        "text_editor_20250728",
        "computer_20250124",
        "memory_20250818",
    ],
)
def test_a_tool_that_is_no_function_is_refused(kind: str) -> None:
    with pytest.raises(GatewayError) as caught:
        functions({"tools": [TOOL, {"type": kind, "name": "x"}]}, "gpt-4o")
    assert (caught.value.status, caught.value.param) == (400, "tools[1].type")


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        pytest.param({"type": "auto"}, "auto", id="tricky-5 auto"),
        pytest.param({"type": "any"}, "required", id="tricky-5 any"),
        pytest.param({"type": "none"}, "none", id="tricky-5 none"),
        pytest.param(
            {"type": "tool", "name": "f"},
            {"type": "function", "function": {"name": "f"}},
            id="tricky-5 tool",
        ),
        ({"type": "auto", "disable_parallel_tool_use": False}, "auto"),
        ({"type": "auto", "disable_parallel_tool_use": None}, "auto"),
    ],
)
def test_a_choice(choice: Any, made: Any) -> None:
    assert chosen(choice) == {"tool_choice": made}


@pytest.mark.parametrize(
    ("choice", "model", "parallel"),
    [
        pytest.param({"type": "auto"}, "gpt-4o", False, id="tricky-7 auto"),
        pytest.param({"type": "any"}, "gpt-5", False, id="tricky-7 any"),
        pytest.param({"type": "tool", "name": "f"}, "gpt-4o", False, id="tricky-7 tool"),
        pytest.param({"type": "none"}, "gpt-4o", None, id="tricky-7 none"),
        pytest.param({"type": "auto"}, "o3-mini", None, id="tricky-7 o-series"),
    ],
)
def test_one_tool_at_a_time(choice: Any, model: str, parallel: bool | None) -> None:
    made = chosen({**choice, "disable_parallel_tool_use": True}, model)
    assert made.get("parallel_tool_calls") is parallel


@pytest.mark.parametrize("tools", [None, []])
def test_a_choice_without_tools_is_dropped(tools: Any) -> None:
    given = {"tools": tools, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    assert functions(given, "gpt-4o") == {}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "f", "input_schema": "x"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": OPEN}]}, "tools[0].name"),
        ({"tools": [{**TOOL, "description": 5}]}, "tools[0].description"),
        ({"tools": [TOOL], "tool_choice": {}}, "tool_choice.type"),
        pytest.param(
            {"tools": [TOOL], "tool_choice": {"type": "required"}},
            "tool_choice.type",
            id="tricky-5 invalid",
        ),
        ({"tools": [TOOL], "tool_choice": {"type": ["auto"]}}, "tool_choice.type"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": "yes"},
            },
            "tool_choice.disable_parallel_tool_use",
        ),
        ({"mcp_servers": [{"url": "https://example.com"}]}, "mcp_servers"),
    ],
)
def test_refused(given: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        functions(given, "gpt-4o")
    assert (caught.value.status, caught.value.param) == (400, param)


def test_no_servers() -> None:
    assert functions({"mcp_servers": []}, "gpt-4o") == {}
