from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.wire import anthropic_request
from shared.wire.translation.messages_rules import (
    NESTED,
    RULES,
    TOP_LEVEL,
    is_mute,
    left_out_within,
)
from shared.wire.translation.rules import Fate, with_table

PAGE = Path(__file__).resolve().parents[4] / "docs/translation.md"


def test_the_page_shows_the_rules() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page, "messages to chat", RULES) == page


def test_every_parameter_that_is_checked_has_a_rule() -> None:
    checked = {*anthropic_request._TYPES, "model", "messages", "system", "tools", "mcp_servers"}
    known = {rule.parameter for rule in TOP_LEVEL}
    assert checked | {"max_tokens", "stream", "speed", "inference_geo"} <= known


@pytest.mark.parametrize("rules", [TOP_LEVEL, NESTED])
def test_no_rule_stands_twice(rules: Any) -> None:
    keys = [(rule.parameter, rule.fate) for rule in rules]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("kind", "mute"),
    [
        ("thinking", True),
        ("redacted_thinking", True),
        ("server_tool_use", True),
        ("web_search_tool_result", True),
        ("mcp_tool_result", True),
        ("tool_result", False),
        ("tool_use", False),
        ("text", False),
    ],
)
def test_blocks_that_are_left_out(kind: str, mute: bool) -> None:
    assert is_mute(kind) is mute


SAID = {"type": "text", "text": "x"}


def content(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"content": "x"}, {"content": [SAID, {**SAID, **fields}]}]}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (content(), ()),
        (content(cache_control=None), ()),
        (content(cache_control={}), ("messages[].content[].cache_control",)),
        (content(citations=[]), ("messages[].content[].citations",)),
        (content(type="thinking"), ("messages[].content[]: thinking",)),
        (content(type="x_tool_result"), ("messages[].content[]: *_tool_result",)),
        (content(type="tool_result"), ()),
        ({"system": "x", "tools": None}, ()),
        ({"system": [{**SAID, "cache_control": {}}]}, ("system[].cache_control",)),
        ({"tools": [{}, {"defer_loading": False}]}, ("tools[].defer_loading",)),
        ({"output_config": {"task_budget": 1}}, ("output_config.task_budget",)),
    ],
)
def test_what_is_left_out_within(body: Any, names: tuple[str, ...]) -> None:
    assert left_out_within(body) == names


def test_only_dropped_parameters_are_left_out() -> None:
    carried = [rule for rule in NESTED if rule.fate is not Fate.DROPPED]
    assert left_out_within({"output_config": {"effort": "low"}}, carried) == ()
