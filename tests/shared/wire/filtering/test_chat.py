from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.catalog import FilterRule, FilterSpec, ThinkingMode
from shared.wire.content_filter import ContentFilter
from shared.wire.formats import WireFormat

RULES = (FilterRule("Claude Code", "it"),)
DONE = b"data: [DONE]\n\n"


def choice(delta: Any, index: int = 0, finish: str | None = None, **fields: Any) -> Any:
    return {"index": index, "delta": delta, "finish_reason": finish, **fields}


def chunk(*choices: Any, **fields: Any) -> Any:
    return {"object": "chat.completion.chunk", "choices": list(choices), **fields}


def said(text: str | None, index: int = 0, **fields: Any) -> Any:
    return chunk(choice({"content": text}, index, **fields))


def raw(one: Any) -> bytes:
    return f"data: {json.dumps(one)}\n\n".encode()


def filtered(
    chunks: list[Any], mode: ThinkingMode = ThinkingMode.KEEP, *, structured: bool = False
) -> list[Any]:
    stream = ContentFilter(FilterSpec(RULES, mode)).stream(WireFormat.CHAT, structured=structured)
    out = b"".join(stream.feed(raw(one)) for one in chunks) + stream.feed(DONE) + stream.flush()
    assert out.endswith(DONE)
    return [json.loads(line[6:]) for line in out.decode().split("\n\n")[:-2]]


def test_a_match_across_chunks_is_decided_by_the_finish() -> None:
    finish = chunk(choice({}, finish="stop"))
    assert filtered([said("I am Claude "), said("Code"), finish]) == [
        said("I am it"),
        said(""),
        finish,
    ]


def test_text_beside_the_finish_is_part_of_it() -> None:
    last = chunk(choice({"content": "Code"}, finish="stop"))
    expected = chunk(choice({"content": ""}, finish="stop"))
    assert filtered([said("Claude "), last]) == [said("it"), expected]


def test_choices_are_texts_of_their_own() -> None:
    chunks = [said("Claude "), said("Claude ", 1), said("Code", 1), said("x"), said(" Code")]
    assert filtered(chunks) == [
        said("Claude "),
        said("it", 1),
        said("", 1),
        said("x"),
        said(" Code"),
    ]
    both = chunk(choice({"content": "Claude "}), choice({"content": "Claude "}, 1))
    assert filtered([both, said("Code", 1)]) == [
        chunk(choice({"content": "Claude "}), choice({"content": "it"}, 1)),
        said("", 1),
    ]


def test_refusals_and_parts_are_text() -> None:
    refusal = chunk(choice({"refusal": "Claude Code"}))
    parts = chunk(choice({"content": [{"type": "text", "text": "Claude Code"}]}))
    assert filtered([refusal, parts]) == [
        chunk(choice({"refusal": "it"})),
        chunk(choice({"content": [{"type": "text", "text": "it"}]})),
    ]


@pytest.mark.parametrize("name", ["tool_calls", "function_call"])
def test_a_call_does_not_wait_for_the_text(name: str) -> None:
    call = chunk(choice({name: [{"function": {"arguments": "Claude Code"}}]}))
    stream = ContentFilter(FilterSpec(RULES)).stream(WireFormat.CHAT)
    assert stream.feed(raw(said("Claude"))) == b""
    assert stream.feed(raw(call)) == raw(said("Claude")) + raw(call)


def test_usage_waits_in_its_place() -> None:
    usage = chunk(usage={"prompt_tokens": 1})
    stream = ContentFilter(FilterSpec(RULES)).stream(WireFormat.CHAT)
    assert stream.feed(raw(said("Claude"))) + stream.feed(raw(usage)) == b""
    assert stream.feed(b": keep-alive\n\n") == b""
    waited = raw(said("Claude")) + raw(usage) + b": keep-alive\n\n"
    assert stream.feed(DONE) == waited + DONE


def test_tokens_that_spell_the_match_out_are_forgotten() -> None:
    tokens = {"content": [{"token": "x", "logprob": -1.0}]}
    chunks = [said("a Claude", logprobs=tokens), said(" Code", logprobs=tokens)]
    assert filtered([*chunks, said(" b", logprobs=tokens)]) == [
        said("a it", logprobs=None),
        said("", logprobs=None),
        said(" b", logprobs=tokens),
    ]


def test_errors_come_after_the_text_and_are_filtered() -> None:
    error = {"error": {"message": "Claude Code broke", "code": "Claude Code"}}
    expected = {"error": {"message": "it broke", "code": "Claude Code"}}
    assert filtered([said("Claude"), error]) == [said("Claude"), expected]
    assert filtered([error], structured=True) == [expected]


def test_structured_output_is_left_alone() -> None:
    assert filtered([said("Claude Code")], structured=True) == [said("Claude Code")]


UNTOUCHED = [
    said(None),
    chunk(choice(None, text="Claude Code")),
    chunk(choice({"role": "assistant", "reasoning_content": "Claude Code"})),
    chunk(choice({"thinking_blocks": [{"thinking": "Claude Code", "signature": "x"}]})),
    chunk(choice({"tool_calls": [{"function": {"name": "Claude Code"}}]})),
    {"choices": "Claude Code", "model": "Claude Code"},
    {"choices": [5]},
    ["Claude Code"],
    "Claude Code",
]


@pytest.mark.parametrize("one", UNTOUCHED)
def test_what_is_no_text_of_the_assistant_keeps_its_bytes(one: Any) -> None:
    stream = ContentFilter(FilterSpec(RULES)).stream(WireFormat.CHAT)
    assert stream.feed(raw(one)) == raw(one)


def thoughts(text: str) -> dict[str, Any]:
    return {
        "reasoning_content": text,
        "reasoning": text,
        "reasoning_text": text,
        "thinking_blocks": [
            {"type": "thinking", "thinking": text, "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "ZGF0YQ"},
        ],
        "reasoning_details": [{"text": text, "signature": "c2ln"}, {"summary": text}],
        "provider_specific_fields": {"reasoning_content": text, "citations": [text]},
    }


def left(mode: ThinkingMode) -> dict[str, Any]:
    if mode is ThinkingMode.KEEP:
        return thoughts("hm")
    citations = {"citations": ["hm"]}
    if mode is ThinkingMode.STRIP:
        return {"provider_specific_fields": citations}
    return {
        **thoughts(""),
        "provider_specific_fields": {"reasoning_content": "", **citations},
    }


@pytest.mark.parametrize("mode", ThinkingMode)
def test_thinking(mode: ThinkingMode) -> None:
    one = chunk(choice({**thoughts("hm"), "content": "Hi"}))
    assert filtered([one], mode) == [chunk(choice({**left(mode), "content": "Hi"}))]


def body(message: Any, mode: ThinkingMode = ThinkingMode.KEEP, *, structured: bool = False) -> Any:
    answer = {"choices": [{"index": 0, "message": message, "logprobs": {"content": [1]}}], "x": 1.0}
    made = json.dumps(answer).encode()
    out = ContentFilter(FilterSpec(RULES, mode)).body(WireFormat.CHAT, made, structured=structured)
    assert (json.loads(out) == answer) == (out == made)
    return json.loads(out)["choices"][0]


@pytest.mark.parametrize("mode", ThinkingMode)
def test_bodies(mode: ThinkingMode) -> None:
    calls = {"tool_calls": [{"function": {"arguments": '{"a": "Claude Code"}'}}]}
    message = {"content": "Claude Code", "refusal": None, **calls, **thoughts("hm")}
    read = body(message, mode)
    assert read["message"] == {"content": "it", "refusal": None, **calls, **left(mode)}
    assert read["logprobs"] is None


def test_parts_of_bodies() -> None:
    parts = [{"type": "text", "text": "Claude Code"}, {"type": "refusal", "refusal": "Claude Code"}]
    assert body({"content": parts, "refusal": "Claude Code"})["message"] == {
        "content": [{"type": "text", "text": "it"}, {"type": "refusal", "refusal": "it"}],
        "refusal": "it",
    }
    assert body({"content": parts}, structured=True)["message"] == {"content": parts}


@pytest.mark.parametrize("message", [None, {}, {"content": None}, {"content": "Claude Codex"}])
@pytest.mark.parametrize("mode", ThinkingMode)
def test_other_bodies_keep_their_bytes(message: Any, mode: ThinkingMode) -> None:
    assert body(message, mode)["message"] == message
