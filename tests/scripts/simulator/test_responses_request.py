from __future__ import annotations

from typing import Any

import pytest

from scripts.simulator.answer import Tool, signature_of
from scripts.simulator.errors import Refused
from scripts.simulator.responses_request import read_prompt

USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "t", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
STRAY = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "42"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "so"}]}
TOOLS = [
    {"type": "custom", "name": "c"},
    {"type": "function", "name": "a", "parameters": {"type": "object"}},
    {"type": "function", "name": "b"},
]


def body(**more: Any) -> dict[str, Any]:
    return {"model": "m", "input": [USER], **more}


@pytest.mark.parametrize(
    ("request_body", "param", "code"),
    [
        ({"input": "hi"}, "model", "missing_required_parameter"),
        ({"model": "", "input": "hi"}, "model", "missing_required_parameter"),
        ({"model": "m"}, "input", "missing_required_parameter"),
        (body(input=[]), "input", "missing_required_parameter"),
        (body(input=["hi"]), "input[0]", "invalid_type"),
        (body(input=[{"role": "bot", "content": ""}]), "input[0].role", "invalid_value"),
        (body(max_output_tokens="9"), "max_output_tokens", "invalid_type"),
        (body(max_output_tokens=True), "max_output_tokens", "invalid_type"),
        (body(max_output_tokens=15), "max_output_tokens", "integer_below_min_value"),
        (body(max_tokens=99), "max_tokens", "unknown_parameter"),
        (body(messages=[USER]), "messages", "unknown_parameter"),
        (
            body(stream_options={"include_usage": True}),
            "stream_options.include_usage",
            "unknown_parameter",
        ),
        (body(previous_response_id="r"), "previous_response_id", "previous_response_not_found"),
        (body(input=[USER, RESULT]), "input", None),
        (body(input=[USER, CALL]), "input", None),
        (body(input=[USER, CALL, STRAY, USER, STRAY]), "input", None),
        (
            body(input=[{**THOUGHT, "encrypted_content": signature_of("other")}]),
            None,
            "invalid_encrypted_content",
        ),
    ],
)
def test_refusals(request_body: dict[str, Any], param: str | None, code: str | None) -> None:
    with pytest.raises(Refused) as caught:
        read_prompt(request_body)
    refusal = caught.value.refusal
    assert (refusal.status, refusal.kind) == (400, "invalid_request_error")
    assert (refusal.param, refusal.code) == (param, code)


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "x"}, {"id": "x"}, THOUGHT])
def test_nothing_is_stored(item: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="not found") as caught:
        read_prompt(body(input=[item]))
    assert caught.value.refusal.status == 404


@pytest.mark.parametrize("sealed", [signature_of("so"), "gAAAA-of-somebody-else"])
def test_thoughts_come_back_sealed(sealed: str) -> None:
    items = [USER, {**THOUGHT, "encrypted_content": sealed}, USER]
    assert read_prompt(body(input=items)).last_user_text == "hi"


def test_reads_options() -> None:
    prompt = read_prompt(
        body(stream=True, max_output_tokens=16, include=["reasoning.encrypted_content"])
    )
    assert (prompt.is_stream, prompt.max_tokens, prompt.seals_thinking) == (True, 16, True)
    assert not read_prompt(body()).seals_thinking


def test_finds_the_last_user_text() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    items = [USER, {"role": "user", "content": parts}, {"role": "assistant", "content": "c"}]
    assert read_prompt(body(input=items)).last_user_text == "a\nb"
    assert read_prompt(body(input="said")).last_user_text == "said"
    developer = {"role": "developer", "content": "x"}
    assert read_prompt(body(input=[developer])).last_user_text == ""


@pytest.mark.parametrize(
    ("choice", "tool"),
    [
        (None, "a"),
        ("auto", "a"),
        ({"type": "function", "name": "b"}, "b"),
        ({"type": "function", "name": "z"}, None),
        ("none", None),
    ],
)
def test_chooses_a_tool(choice: Any, tool: str | None) -> None:
    more = {} if choice is None else {"tool_choice": choice}
    chosen = read_prompt(body(tools=TOOLS, **more)).tool
    assert chosen == (None if tool is None else Tool(tool, {"type": "object"}))


def test_finds_the_tool_result() -> None:
    items = [USER, CALL, RESULT]
    assert read_prompt(body(input=items)).tool_result == "42"
    assert read_prompt(body(input=[*items, USER])).tool_result is None
