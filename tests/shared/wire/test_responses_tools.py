from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.parsed_request import Media
from shared.wire.responses_tools import (
    MAX_SEARCHES,
    UNLIMITED_SEARCHES,
    check_tools,
    search_bound,
)

FUNCTION = {"type": "function", "name": "f", "parameters": {}}


@pytest.mark.parametrize(
    ("tool", "searches", "elsewhere"),
    [
        (FUNCTION, False, False),
        ({"type": "custom", "name": "apply_patch"}, False, False),
        ({"type": "local_shell"}, False, False),
        ({"type": "apply_patch"}, False, False),
        ({"type": "computer_use_preview", "environment": "browser"}, False, False),
        ({"type": "tool_search", "execution": "client"}, False, False),
        ({"type": "shell"}, False, False),
        ({"type": "shell", "environment": {"type": "local"}}, False, False),
        ({"type": "namespace", "tools": [FUNCTION, {"type": "custom"}]}, False, False),
        ({"type": "web_search", "external_web_access": False}, True, True),
        ({"type": "web_search_2025_08_26"}, True, True),
        ({"type": "mcp", "server_label": "x", "server_url": "https://x"}, False, True),
    ],
)
def test_accepted(tool: dict[str, Any], searches: bool, elsewhere: bool) -> None:
    media = Media()
    assert check_tools({"tools": [tool]}, media) is searches
    assert media.elsewhere is elsewhere


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({}, "tools[0].type"),
        ({"type": ["function"]}, "tools[0].type"),
        ({"type": "web_search_preview"}, "tools[0].type"),
        ({"type": "file_search", "vector_store_ids": ["vs_1"]}, "tools[0].type"),
        ({"type": "code_interpreter", "container": "cntr_1"}, "tools[0].type"),
        ({"type": "image_generation"}, "tools[0].type"),
        ({"type": "programmatic_tool_calling"}, "tools[0].type"),
        ({"type": "mcp", "connector_id": "connector_gmail"}, "tools[0].connector_id"),
        ({"type": "mcp", "server_url": "https://x", "tunnel_id": "t"}, "tools[0].tunnel_id"),
        ({"type": "mcp", "server_label": "x"}, "tools[0].server_url"),
        ({"type": "shell", "environment": {"type": "container_auto"}}, "tools[0].environment"),
        (
            {"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}},
            "tools[0].environment",
        ),
        ({"type": "shell", "environment": 7}, "tools[0].environment"),
        ({"type": "namespace"}, "tools[0].tools"),
        ({"type": "namespace", "tools": [FUNCTION, 5]}, "tools[0].tools[1].type"),
        ({"type": "namespace", "tools": [{"type": "web_search"}]}, "tools[0].tools[0].type"),
    ],
)
def test_refused(tool: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        check_tools({"tools": [tool]}, Media())
    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_list_inside_of_an_item_is_named_by_its_path() -> None:
    with pytest.raises(GatewayError) as caught:
        check_tools({"tools": [FUNCTION, {"type": "file_search"}]}, Media(), "input[3].tools")
    assert caught.value.param == "input[3].tools[1].type"


@pytest.mark.parametrize(
    ("fields", "offered", "bound"),
    [
        ({}, False, 0),
        ({"max_tool_calls": 3}, False, 0),
        ({}, True, UNLIMITED_SEARCHES),
        ({"max_tool_calls": None}, True, UNLIMITED_SEARCHES),
        ({"max_tool_calls": 3}, True, 3),
    ],
)
def test_searches_are_bounded(fields: dict[str, Any], offered: bool, bound: int) -> None:
    assert search_bound(fields, offered=offered) == bound


@pytest.mark.parametrize("calls", [0, -1, MAX_SEARCHES + 1, True, 1.5, "3"])
def test_a_limit_of_calls_that_is_none_is_refused(calls: Any) -> None:
    with pytest.raises(GatewayError) as caught:
        search_bound({"max_tool_calls": calls}, offered=True)
    assert caught.value.param == "max_tool_calls"
