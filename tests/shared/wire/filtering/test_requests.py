from __future__ import annotations

from typing import Any

import pytest

from shared.domain.catalog import ThinkingMode
from shared.errors import GatewayError
from shared.wire.filtering.requests import asks_for_structure, check_thinking_mode, omit_thinking
from shared.wire.formats import WireFormat


@pytest.mark.parametrize("name", ["tools", "functions", "mcp_servers"])
def test_tools_need_thinking_to_stay(name: str) -> None:
    with pytest.raises(GatewayError, match="left out of answers") as caught:
        check_thinking_mode(ThinkingMode.STRIP, {name: [{"name": "x"}]})
    assert (caught.value.status, caught.value.param) == (400, name)
    check_thinking_mode(ThinkingMode.STRIP, {name: []})
    check_thinking_mode(ThinkingMode.BLANK, {name: [{}]})
    check_thinking_mode(ThinkingMode.KEEP, {name: [{}]})


@pytest.mark.parametrize(
    ("wire_format", "fields", "expected"),
    [
        (
            "messages",
            {"a": 1, "thinking": {"type": "enabled", "budget_tokens": 9}, "b": 2},
            {
                "a": 1,
                "thinking": {"type": "enabled", "budget_tokens": 9, "display": "omitted"},
                "b": 2,
            },
        ),
        (
            "messages",
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            {"thinking": {"type": "adaptive", "display": "omitted"}},
        ),
        ("messages", {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        ("messages", {"thinking": {}}, {"thinking": {}}),
        ("messages", {"a": 1}, {"a": 1}),
        (
            "responses",
            {"reasoning": {"effort": "low", "summary": "auto", "generate_summary": "auto"}},
            {"reasoning": {"effort": "low"}},
        ),
        ("responses", {"reasoning": None}, {"reasoning": None}),
        ("chat", {"thinking": {"type": "enabled"}}, {"thinking": {"type": "enabled"}}),
    ],
)
def test_thinking_is_asked_to_be_omitted(wire_format: str, fields: Any, expected: Any) -> None:
    before = repr(fields)
    made = omit_thinking(WireFormat(wire_format), fields)
    assert made == expected
    assert list(made) == list(fields)
    assert repr(fields) == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"response_format": {"type": "json_schema"}}, True),
        ({"response_format": {"type": "json_object"}}, True),
        ({"response_format": {"type": "text"}}, False),
        ({"output_format": {"type": "json_schema"}}, True),
        ({"output_config": {"format": {"type": "json_schema"}}}, True),
        ({"output_config": {"effort": "low"}}, False),
        ({"text": {"format": {"type": "json_object"}}}, True),
        ({"text": {"format": {"type": "text"}}}, False),
        ({"text": "x", "output_config": None, "response_format": "json_object"}, False),
        ({}, False),
    ],
)
def test_structured_output(fields: Any, expected: bool) -> None:
    assert asks_for_structure(fields) is expected
