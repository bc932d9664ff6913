from __future__ import annotations

from typing import Any

import pytest

from scripts.simulator.answer import Tool
from scripts.simulator.errors import Refused
from scripts.simulator.openai_request import read_prompt

USER = {"role": "user", "content": "hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "t", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "42"}
TOOLS = [
    {"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "b"}},
]


def body(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER], **more}


@pytest.mark.parametrize(
    ("request_body", "param", "code"),
    [
        ({"messages": [USER]}, None, None),
        ({"model": "", "messages": [USER]}, None, None),
        ({"model": "m"}, "messages", "missing_required_parameter"),
        (body(messages=[]), "messages", "empty_array"),
        (body(messages="hi"), "messages", "invalid_type"),
        (body(messages=["hi"]), "messages[0]", "invalid_type"),
        (body(messages=[{"role": "bot", "content": ""}]), "messages[0].role", "invalid_value"),
        (body(max_tokens=0), "max_tokens", "integer_out_of_range"),
        (body(max_completion_tokens="9"), "max_completion_tokens", "invalid_type"),
        (body(max_tokens=True), "max_tokens", "invalid_type"),
        (body(n=129), "n", "integer_out_of_range"),
        (body(stop=list("abcde")), "stop", "array_above_max_length"),
        (body(tool_choice="auto"), "tool_choice", None),
        (body(stream_options={"include_usage": True}), "stream_options", None),
        (body(system="s"), None, None),
        (body(stop_sequences=["s"]), None, None),
        (body(messages=[USER, RESULT]), "messages.[1].role", None),
        (body(messages=[USER, CALLING]), "messages.[2].role", None),
        (body(messages=[USER, CALLING, USER, RESULT]), "messages.[2].role", None),
    ],
)
def test_refusals(request_body: dict[str, Any], param: str | None, code: str | None) -> None:
    with pytest.raises(Refused) as caught:
        read_prompt(request_body)
    refusal = caught.value.refusal
    assert (refusal.status, refusal.kind) == (400, "invalid_request_error")
    assert (refusal.param, refusal.code) == (param, code)


def test_reads_options() -> None:
    prompt = read_prompt(
        body(
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=9,
            max_tokens=5,
            stop="x",
            n=2,
        )
    )
    assert (prompt.is_stream, prompt.is_usage_wanted, prompt.max_tokens) == (True, True, 9)
    assert (prompt.stops, prompt.choices) == (("x",), 2)


def test_finds_the_last_user_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [USER, {"role": "user", "content": parts}, {"role": "assistant", "content": "c"}]
    assert read_prompt(body(messages=messages)).last_user_text == "a\nb"


@pytest.mark.parametrize(
    ("choice", "tool"),
    [
        (None, "a"),
        ("auto", "a"),
        ("required", "a"),
        ({"type": "function", "function": {"name": "b"}}, "b"),
        ("none", None),
    ],
)
def test_chooses_a_tool(choice: Any, tool: str | None) -> None:
    more = {} if choice is None else {"tool_choice": choice}
    chosen = read_prompt(body(tools=TOOLS, **more)).tool
    assert chosen == (None if tool is None else Tool(tool, {"type": "object"}))


def test_finds_the_tool_result() -> None:
    messages = [USER, CALLING, RESULT]
    assert read_prompt(body(messages=messages)).tool_result == "42"
    assert read_prompt(body(messages=[*messages, USER])).tool_result is None
