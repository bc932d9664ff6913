"""The rules are what the code does, and what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.errors import GatewayError
from shared.wire.translation.chat_rules import RULES, TOP_LEVEL
from shared.wire.translation.rules import Fate, with_table
from tests.support.chats import HI, TOOL, answer, calls, translate

PAGE = Path(__file__).resolve().parents[4] / "docs/translation.md"
MARK = "!mark!"


def said(**fields: Any) -> dict[str, Any]:
    return {"messages": [HI, {"role": "assistant", "content": "a", **fields}, HI]}


def part(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [fields]}]}


# One request for each rule; what may not go upstream is marked, or is the name of the parameter.
REFUSED: dict[str, dict[str, Any]] = {
    "n": {"n": 2},
    "functions": {"functions": [{"name": "f"}]},
    "function_call": {"function_call": "none"},
    "audio": {"audio": {"voice": "alloy", "format": "wav"}},
    "web_search_options": {"web_search_options": {}},
    "messages[].role: function": {
        "messages": [HI, {"role": "function", "name": "f", "content": "r"}]
    },
    "messages[].content[]: input_audio": part(
        type="input_audio", input_audio={"data": "", "format": "wav"}
    ),
    "messages[].tool_calls[]: custom": said(
        tool_calls=[{"id": "1", "type": "custom", "custom": {"name": "c", "input": "x"}}]
    ),
    "messages[].function_call": said(function_call={"name": "f", "arguments": "{}"}),
    "tools[]: custom": {"tools": [{"type": "custom", "custom": {"name": "c"}}]},
}
DROPPED: dict[str, dict[str, Any]] = {
    "top_k": {"top_k": 5},
    "metadata": {"metadata": {"a": MARK}},
    "store": {"store": True},
    "logprobs": {"logprobs": True},
    "top_logprobs": {"top_logprobs": 2},
    "logit_bias": {"logit_bias": {MARK: 1}},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "seed": {"seed": 7},
    "prediction": {"prediction": {"type": "content", "content": MARK}},
    "verbosity": {"verbosity": "low"},
    "modalities": {"modalities": ["text"]},
    "prompt_cache_key": {"prompt_cache_key": MARK},
    "prompt_cache_retention": {"prompt_cache_retention": "24h"},
    "thinking": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    "messages[].content[].image_url.detail": part(
        type="image_url", image_url={"url": "https://a.b/c.png", "detail": MARK}
    ),
    "messages[].name": {"messages": [{**HI, "name": MARK}]},
    "messages[].reasoning_content": said(reasoning_content=MARK),
    "tools[].function.strict": {
        "tools": [{"type": "function", "function": {"name": "f", "strict": True}}]
    },
}
CARRIED: dict[str, dict[str, Any]] = {
    "model": {},
    "messages": {},
    "max_completion_tokens": {"max_completion_tokens": 5},
    "max_tokens": {"max_tokens": 5},
    "stream": {"stream": True},
    "stream_options": {"stream": True, "stream_options": {"include_usage": True}},
    "stop": {"stop": MARK},
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.5},
    "tools": {"tools": [TOOL]},
    "tool_choice": {"tools": [TOOL], "tool_choice": "required"},
    "parallel_tool_calls": {"tools": [TOOL], "parallel_tool_calls": False},
    "reasoning_effort": {"reasoning_effort": "low"},
    "response_format": {"response_format": {"type": "json_object"}},
    "user": {"user": MARK},
    "safety_identifier": {"safety_identifier": MARK},
    "service_tier": {"service_tier": "auto"},
    "messages[].role": {"messages": [{"role": "developer", "content": MARK}, HI]},
    "messages[].content": {"messages": [{"role": "user", "content": MARK}]},
    "messages[].content[]: image_url": part(
        type="image_url", image_url={"url": f"https://a.b/{MARK}"}
    ),
    "messages[].content[]: file": part(
        type="file", file={"filename": MARK, "file_data": "data:application/pdf;base64,JVBERi0="}
    ),
    "messages[].content[]: refusal": said(content=[{"type": "refusal", "refusal": MARK}]),
    "messages[].refusal": said(content=None, refusal=MARK),
    "messages[].thinking_blocks": said(
        thinking_blocks=[{"type": "thinking", "thinking": MARK, "signature": "s"}]
    ),
    "messages[].tool_calls[]": {"messages": [HI, calls(MARK.strip("!")), answer(MARK.strip("!"))]},
    "messages[].tool_call_id": {"messages": [HI, calls("1"), answer("1", MARK)]},
    "tools[].function": {"tools": [{"type": "function", "function": {"name": MARK}}]},
    "cache_control": {"messages": [{**HI, "cache_control": {"type": MARK}}]},
}
# What says nothing on its own: the plain request is the same with it.
SILENT = ("model", "messages", "stream_options")


def request(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [HI], **fields}


def names(fate: Fate) -> set[str]:
    return {rule.parameter for rule in RULES if rule.fate is fate}


def test_every_rule_has_an_example() -> None:
    assert names(Fate.REFUSED) == REFUSED.keys()
    assert names(Fate.DROPPED) == DROPPED.keys()
    assert names(Fate.CARRIED) == CARRIED.keys()
    assert len(RULES) == len({rule.parameter for rule in RULES})


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_refused(fields: Any) -> None:
    with pytest.raises(GatewayError) as caught:
        translate(request(**fields))
    assert (caught.value.status, bool(caught.value.param)) == (400, True)


@pytest.mark.parametrize("name", DROPPED)
def test_dropped(name: str) -> None:
    made = translate(request(**DROPPED[name]))
    leaf = name.rpartition(".")[2]
    assert MARK not in orjson.dumps(made.body).decode()
    assert leaf not in keys_of(made.body) - {"name"}
    top_level = {rule.parameter for rule in TOP_LEVEL}
    assert made.dropped == ((name,) if name in top_level else ())


@pytest.mark.parametrize("name", CARRIED)
def test_carried(name: str) -> None:
    fields = CARRIED[name]
    made = translate(request(**fields))
    assert made.dropped == ()
    if name in fields and name not in SILENT:
        plain = {field: value for field, value in fields.items() if field != name}
        assert made.body != translate(request(**plain)).body
    if MARK in orjson.dumps(fields).decode():
        assert MARK in orjson.dumps(made.body).decode()


def test_the_page_has_the_rules() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page, "chat to messages", RULES)


def keys_of(value: Any) -> set[str]:
    """Names of all fields within a value."""
    if isinstance(value, list):
        return {name for item in value for name in keys_of(item)}
    if not isinstance(value, dict):
        return set()
    return value.keys() | {name for inner in value.values() for name in keys_of(inner)}
