from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from tests.support.chats import HI, SONNET_4, translate, translated

OPEN = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}
NESTED = {
    "type": "object",
    "properties": {"a": {"type": "object", "properties": {}, "additionalProperties": True}},
    "$defs": {"b": {"anyOf": [{"type": "object", "properties": {}}, {"type": "null"}]}},
}


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        pytest.param({}, None, id="tricky-21 absent"),
        ({"max_tokens": None, "max_completion_tokens": None}, None),
        ({"max_tokens": 5}, 5),
        pytest.param({"max_completion_tokens": 5}, 5, id="tricky-21 newer"),
        pytest.param({"max_tokens": 5, "max_completion_tokens": 9}, 9, id="tricky-21 both"),
        pytest.param({"max_tokens": 9, "max_completion_tokens": 5}, 5, id="tricky-21 newer first"),
        ({"max_tokens": 101}, 100),
    ],
)
def test_limit(fields: Any, limit: int | None) -> None:
    made = translate({"model": "m", "messages": [HI], **fields}, most=100)
    assert made.body.get("max_tokens") == limit
    assert made.dropped == ()


@pytest.mark.parametrize(
    ("stop", "sequences", "dropped"),
    [
        pytest.param("END", ["END"], (), id="tricky-24 string"),
        pytest.param(["a", "b\n"], ["a", "b\n"], (), id="tricky-24 list"),
        pytest.param(list("abcdef"), list("abcdef"), (), id="tricky-24 more than four"),
        pytest.param(["\n", "a", ""], ["a"], ("stop",), id="tricky-24 blank"),
        (" ", None, ("stop",)),
        ([], None, ()),
        (None, None, ()),
    ],
)
def test_stops(stop: Any, sequences: Any, dropped: tuple[str, ...]) -> None:
    made = translate({"model": "m", "messages": [HI], "stop": stop})
    assert (made.body.get("stop_sequences"), made.dropped) == (sequences, dropped)


@pytest.mark.parametrize(
    ("name", "fields", "kept"),
    [
        ("claude-3-opus", {"temperature": 0}, {"temperature": 0}),
        pytest.param(SONNET_4, {"temperature": 1.5}, {"temperature": 1}, id="tricky-25 over 1"),
        (SONNET_4, {"top_p": 0}, {"top_p": 0}),
        (
            SONNET_4,
            {"temperature": 0.5, "top_p": 0.9},
            {"temperature": 0.5, "top_p": 0.9},
        ),
        pytest.param(
            "claude-sonnet-4-5",
            {"temperature": 0.5, "top_p": 0.9},
            {"temperature": 0.5},
            id="tricky-25 never both",
        ),
        ("claude-opus-4-1", {"temperature": 1.2, "top_p": 0.9}, {"top_p": 0.9}),
        pytest.param("claude-opus-4-7", {"temperature": 0.5}, {}, id="tricky-26 none at all"),
        ("claude-fable-5", {"top_p": 0.5, "temperature": 1}, {}),
        pytest.param(SONNET_4, {"top_k": 5}, {}, id="tricky-25 top_k"),
    ],
)
def test_sampling(name: str, fields: Any, kept: Any) -> None:
    made = translate({"model": "m", "messages": [HI], **fields}, name)
    assert {k: v for k, v in made.body.items() if k in ("temperature", "top_p", "top_k")} == kept
    assert set(made.dropped) == fields.keys() - kept.keys()


@pytest.mark.parametrize(
    ("name", "effort", "made"),
    [
        ("claude-3-5-haiku", "high", {}),
        ("kimi-k2", "high", {}),
        pytest.param(
            SONNET_4,
            "low",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            id="tricky-28 low",
        ),
        (SONNET_4, "minimal", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (SONNET_4, "medium", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        pytest.param(
            "claude-haiku-4-5",
            "high",
            {"thinking": {"type": "enabled", "budget_tokens": 4096}},
            id="tricky-28 high",
        ),
        ("claude-opus-4-5", "xhigh", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        pytest.param(
            "claude-opus-4-6",
            "xhigh",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            id="tricky-28 adaptive",
        ),
        (
            "claude-opus-4-7",
            "xhigh",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
        ),
        ("claude-sonnet-5", "minimal", {"output_config": {"effort": "low"}}),
        ("claude-fable-5", "max", {"output_config": {"effort": "max"}}),
        (SONNET_4, "none", {}),
        ("claude-opus-4-8", "none", {}),
        ("claude-opus-5", "none", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}),
        ("claude-opus-5-5", "none", {"output_config": {"effort": "low"}}),
    ],
)
def test_thinking(name: str, effort: str, made: Any) -> None:
    body = translated(name, reasoning_effort=effort)
    assert {k: v for k, v in body.items() if k in ("thinking", "output_config")} == made


@pytest.mark.parametrize(
    ("limit", "budget"), [(1024, None), (1025, 1024), (2000, 1999), (4096, 4095), (9000, 4096)]
)
def test_a_budget_stays_below_the_limit(limit: int, budget: int | None) -> None:
    for fields, most in (({"max_tokens": limit}, 64000), ({}, limit)):
        body = {"model": "m", "messages": [HI], "reasoning_effort": "high", **fields}
        made = translate(body, most=most)
        assert made.body.get("thinking", {}).get("budget_tokens") == budget
        assert made.dropped == (() if budget else ("reasoning_effort",))


def test_a_forced_tool_leaves_adaptive_thinking_to_the_effort() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    fields = {"tools": [tool], "tool_choice": "required", "reasoning_effort": "low"}
    made = translated("claude-opus-4-6", temperature=0.5, **fields)
    assert made["output_config"] == {"effort": "low"}
    assert "thinking" not in made
    assert made["temperature"] == 0.5


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"reasoning_effort": "a lot"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": []}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
        ),
    ],
)
def test_refused(fields: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        translated(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)


def formed(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    system = {"role": "system", "content": "S"}
    return translated(name, messages=[system, HI], response_format={"type": kind, **fields})


def test_text_is_what_is_asked_for_anyway() -> None:
    assert formed(SONNET_4, "text") == translated(messages=[{"role": "system", "content": "S"}, HI])


@pytest.mark.parametrize("name", [SONNET_4, "claude-opus-5"])
@pytest.mark.parametrize("hoisted", [True, False])
def test_any_json_is_asked_for_in_words(name: str, hoisted: bool) -> None:
    """tricky-27: json_object."""
    made = (
        formed(name, "json_object")
        if hoisted
        else translated(name, response_format={"type": "json_object"})
    )
    assert "JSON object" in made["system"][-1]["text"]
    assert len(made["system"]) == 1 + hoisted
    assert "output_config" not in made


def test_a_schema_is_carried() -> None:
    """tricky-27: json_schema."""
    made = formed("claude-sonnet-4-5", "json_schema", json_schema={"name": "n", "schema": NESTED})
    schema = made["output_config"]["format"].pop("schema")
    assert made["output_config"] == {"format": {"type": "json_schema"}}
    assert schema == {
        "type": "object",
        "additionalProperties": False,
        "properties": {"a": {"type": "object", "properties": {}, "additionalProperties": True}},
        "$defs": {
            "b": {
                "anyOf": [
                    {"type": "object", "properties": {}, "additionalProperties": False},
                    {"type": "null"},
                ]
            }
        },
    }
    assert len(made["system"]) == 1


def test_older_models_are_told_the_schema() -> None:
    made = formed(SONNET_4, "json_schema", json_schema={"schema": OPEN})
    assert made["system"][-1]["text"].endswith(
        '{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}}}'
    )
    assert "output_config" not in made
