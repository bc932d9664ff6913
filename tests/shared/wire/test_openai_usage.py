from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.usage import Usage
from shared.wire.openai_usage import OpenAIStreamUsage, openai_body_usage, openai_usage

DONE = b"data: [DONE]\n\n"


def chunk(content: str | None = None, finish: str | None = None, **rest: Any) -> bytes:
    choices = [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]
    return b"data: " + json.dumps({"choices": choices, **rest}).encode() + b"\n\n"


def usage_chunk(prompt: int, completion: int) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"


def counts(prompt: Any, completion: Any, **rest: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **rest}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (counts(10, 5), Usage(10, 5)),
        (counts(10, 5, prompt_tokens_details=None), Usage(10, 5)),
        (counts(100, 5, prompt_tokens_details={"cached_tokens": 80}), Usage(20, 5, cache_hit=80)),
        (counts(100, 5, prompt_tokens_details={"cached_tokens": 100}), Usage(0, 5, cache_hit=100)),
        # More cached than there is: the buckets still add up to what was sent.
        (counts(100, 5, prompt_tokens_details={"cached_tokens": 300}), Usage(0, 5, cache_hit=100)),
        (
            counts(100, 5, prompt_tokens_details={"cached_tokens": 30, "cache_write_tokens": 60}),
            Usage(10, 5, cache_write_5m=60, cache_hit=30),
        ),
        (
            counts(100, 5, cache_creation_input_tokens=60, cache_read_input_tokens=30),
            Usage(10, 5, cache_write_5m=60, cache_hit=30),
        ),
        (counts(19, 5, prompt_cache_hit_tokens=9), Usage(10, 5, cache_hit=9)),
        # Reasoning is inside output ...
        (
            counts(10, 50, total_tokens=60, completion_tokens_details={"reasoning_tokens": 40}),
            Usage(10, 50, reasoning=40),
        ),
        # ... but for upstreams that report it beside, which the total gives away.
        (
            counts(12, 2, total_tokens=334, completion_tokens_details={"reasoning_tokens": 320}),
            Usage(12, 322, reasoning=320),
        ),
        (
            counts(12, 50, total_tokens=82, completion_tokens_details={"reasoning_tokens": 20}),
            Usage(12, 70, reasoning=20),
        ),
        (
            counts(12, 50, completion_tokens_details={"reasoning_tokens": 60}),
            Usage(12, 110, reasoning=60),
        ),
        (None, None),
        ({}, None),
        ("x", None),
        (counts(10, None), None),
        (counts(-1, 5), None),
        (counts(True, 5), None),
        (counts("10", 5), None),
        (counts(1.5, 5), None),
        (counts(10**18, 5), None),
    ],
)
def test_buckets(fields: Any, expected: Usage | None) -> None:
    assert openai_usage(fields) == expected


def test_a_whole_stream() -> None:
    meter = OpenAIStreamUsage()
    meter.feed(chunk("Hel") + chunk("lo") + chunk(finish="stop"))
    assert meter.usage_if_cut_now(20) == Usage(20, 2, estimated=True)
    meter.feed(usage_chunk(10, 3))
    assert meter.usage_if_cut_now(20) == Usage(10, 3)
    assert not meter.complete
    meter.feed(DONE)
    assert meter.complete


def test_usage_in_the_finish_chunk_counts() -> None:
    meter = OpenAIStreamUsage()
    meter.feed(chunk("Hello") + chunk(finish="stop", usage=counts(10, 3)))
    assert meter.usage == Usage(10, 3)


def test_running_usage_is_not_the_last_word() -> None:
    meter = OpenAIStreamUsage()
    meter.feed(chunk("x" * 30, usage=counts(10, 1)))
    assert meter.usage_if_cut_now(99) == Usage(10, 10, estimated=True)
    assert meter.usage_if_cut_now(99, output_cap=4) == Usage(10, 4, estimated=True)
    meter.feed(chunk(finish="stop", usage=counts(10, 8)))
    assert meter.usage_if_cut_now(99) == Usage(10, 8)


def test_null_usage_does_not_undo_what_was_reported() -> None:
    meter = OpenAIStreamUsage()
    meter.feed(usage_chunk(10, 3) + b'data: {"choices": [], "usage": null}\n\n' + DONE)
    assert meter.usage == Usage(10, 3)


def test_groq_puts_usage_elsewhere() -> None:
    meter = OpenAIStreamUsage()
    meter.feed(chunk("Hello") + chunk(finish="stop", x_groq={"usage": counts(10, 3)}) + DONE)
    assert meter.usage == Usage(10, 3)


def test_everything_a_model_writes_counts() -> None:
    deltas: list[dict[str, Any]] = [
        {"content": "abc"},
        {"refusal": "abc"},
        {"reasoning_content": "abc"},
        {"tool_calls": [{"index": 0, "function": {"name": "get", "arguments": '{"a'}}, None]},
        {"function_call": {"name": "get", "arguments": None}},
        {"role": "assistant"},
        {},
    ]
    meter = OpenAIStreamUsage()
    for delta in [*deltas, None]:
        meter.feed(b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n")
    assert meter.usage_if_cut_now(1).output == 6


@pytest.mark.parametrize("calls", [7, True, 1.5, "text", {"function": {"name": "f"}}])
def test_tool_calls_that_are_no_list_count_nothing(calls: Any) -> None:
    meter = OpenAIStreamUsage()
    delta = {"content": "abcdef", "tool_calls": calls}
    meter.feed(b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n")
    assert meter.usage_if_cut_now(1).output == 2


def test_errors_are_seen() -> None:
    meter = OpenAIStreamUsage()
    meter.feed(b'data: {"error": {"message": "overloaded"}}\n\n')
    assert meter.error
    assert not meter.complete


@pytest.mark.parametrize(
    "data", [b"{", b"null", b"[1]", b'{"choices": 7}', b'{"choices": [null, {"delta": []}]}']
)
def test_malformed_chunks_do_no_harm(data: bytes) -> None:
    meter = OpenAIStreamUsage()
    meter.feed(b"data: " + data + b"\n\n" + usage_chunk(10, 3) + DONE)
    assert meter.usage == Usage(10, 3)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps({"usage": counts(3, 2)}).encode(), Usage(3, 2)),
        (b'{"usage": null}', Usage(50, 5, estimated=True)),
        (b"not JSON", Usage(50, 3, estimated=True)),
        (b'{"error": {"message": "overloaded", "code": 502}}', Usage()),
        (b'{"error": "overloaded", "usage": null}', Usage()),
        (json.dumps({"error": {"code": 502}, "usage": counts(3, 2)}).encode(), Usage(3, 2)),
        (b'{"error": null, "a": 1}', Usage(50, 8, estimated=True)),
    ],
)
def test_bodies(body: bytes, expected: Usage) -> None:
    assert openai_body_usage(body, 50) == expected


def compact(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields, separators=(",", ":")).encode() + b"\n\n"


def one(delta: Any, finish: str | None = None, **rest: Any) -> bytes:
    return compact(choices=[{"index": 0, "delta": delta, "finish_reason": finish}], **rest)


def test_chunks_that_need_no_parsing_count_like_those_that_do() -> None:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        {"content": "abc"},
        {"content": 'a"}b\n'},
        {"content": '"usage":{"error"'},
        {"content": "đồng"},
        {"content": "abc", "reasoning": "def"},
        {"tool_calls": [{"function": {"arguments": "abc"}}]},
    ]
    compacted, spaced = OpenAIStreamUsage(), OpenAIStreamUsage()
    for delta in deltas:
        compacted.feed(one(delta, usage=None))
        spaced.feed(one(delta, usage=None).replace(b'"choices":', b'"choices": '))
        spaced.feed(one({}))
    two = [{"index": i, "delta": {"content": "abc"}, "finish_reason": None} for i in range(2)]
    compacted.feed(compact(choices=two))
    sizes = [len(d.get("content", "").encode()) for d in deltas]
    total = sum(sizes) + 3 + 3 + 6
    assert compacted.usage_if_cut_now(1).output == -(-total // 3)
    assert spaced.usage_if_cut_now(1).output == -(-(total - 6) // 3)


def test_what_matters_is_never_passed_over() -> None:
    meter = OpenAIStreamUsage()
    meter.feed(one({"content": "a"}) + one({"content": "b"}, usage=counts(10, 3)))
    assert meter.usage == Usage(10, 3, estimated=True)
    meter.feed(one({"content": "c"}, finish="stop"))
    assert meter.usage == Usage(10, 3)
    meter.feed(one({"content": "d"}, error={"message": "x"}))
    assert meter.error
