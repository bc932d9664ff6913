from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.usage import Usage
from shared.wire.anthropic_usage import (
    AnthropicStreamUsage,
    AnthropicUsageFields,
    anthropic_body_usage,
)


def sse(*events: dict[str, Any], named: bool = True) -> bytes:
    name = "event: {type}\n" if named else ""
    return "".join(
        name.format(type=e["type"]) + f"data: {json.dumps(e)}\n\n" for e in events
    ).encode()


def start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "m", "usage": usage}}


def text(value: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": value}}


def delta(stop: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}


STOP = {"type": "message_stop"}


def merged(*usages: Any) -> Usage:
    fields = AnthropicUsageFields()
    for usage in usages:
        fields.merge(usage)
    return fields.usage()


def creation(total: int | None, short: int | None = None, long: int | None = None) -> Any:
    split = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    whole = {} if total is None else {"cache_creation_input_tokens": total}
    return whole if short is long is None else {**whole, "cache_creation": split}


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        # A cache write without a split counts as five minutes.
        ([creation(7)], Usage(cache_write_5m=7)),
        ([creation(7, 5, 2)], Usage(cache_write_5m=5, cache_write_1h=2)),
        ([creation(None, 5, 2)], Usage(cache_write_5m=5, cache_write_1h=2)),
        ([creation(9, 5, 2)], Usage(cache_write_5m=7, cache_write_1h=2)),
        ([creation(3, 5, 2)], Usage(cache_write_5m=5, cache_write_1h=2)),
        ([creation(9, None, 2)], Usage(cache_write_5m=7, cache_write_1h=2)),
        # A later total without a split keeps the hour's part.
        ([creation(7, 5, 2), creation(7)], Usage(cache_write_5m=5, cache_write_1h=2)),
        ([creation(7, 5, 2), creation(9)], Usage(cache_write_5m=7, cache_write_1h=2)),
        ([creation(7, 5, 2), {"input_tokens": 1, **creation(0)}], Usage(input=1)),
        # What is there replaces, what is missing or null keeps.
        ([{"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 5}], Usage(9, 5)),
        ([{"input_tokens": 9}, {"input_tokens": None, "output_tokens": 5}], Usage(9, 5)),
        ([{"input_tokens": 9, "output_tokens": 8}, {"output_tokens": 0}], Usage(9, 0)),
        # No request has no input.
        ([{"input_tokens": 9}, {"input_tokens": 0, "output_tokens": 5}], Usage(9, 5)),
        (
            [
                {"input_tokens": 9, "cache_read_input_tokens": 4},
                {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 5},
            ],
            Usage(9, 5, cache_hit=4),
        ),
        (
            [{"input_tokens": 9}, {"input_tokens": 0, "cache_read_input_tokens": 13}],
            Usage(cache_hit=13),
        ),
        # What is no count is missing.
        ([{"input_tokens": 9}, {"input_tokens": -1}], Usage(9)),
        ([{"input_tokens": 9}, {"input_tokens": "12"}], Usage(9)),
        ([{"input_tokens": 9}, {"input_tokens": True}], Usage(9)),
        ([{"input_tokens": 9}, {"input_tokens": 1e3}], Usage(9)),
        ([{"input_tokens": 9}, {"input_tokens": 10**18}], Usage(9)),
        ([None, [], "x", {"input_tokens": 9}], Usage(9)),
        ([{"input_tokens": 1, "cache_creation": "x", "server_tool_use": []}], Usage(1)),
        # Reasoning is inside output; searches are counted apart.
        (
            [
                {
                    "input_tokens": 1,
                    "output_tokens": 50,
                    "output_tokens_details": {"thinking_tokens": 40},
                }
            ],
            Usage(1, 50, reasoning=40),
        ),
        (
            [
                {"input_tokens": 1, "server_tool_use": {"web_search_requests": 3}},
                {"output_tokens": 2},
            ],
            Usage(1, 2, web_searches=3),
        ),
    ],
)
def test_merging(usages: list[Any], expected: Usage) -> None:
    assert merged(*usages) == expected


def iteration(kind: str, plain: int, output: int, hit: int = 0, written: int = 0) -> dict[str, Any]:
    return {
        "type": kind,
        "input_tokens": plain,
        "output_tokens": output,
        "cache_read_input_tokens": hit,
        "cache_creation_input_tokens": written,
    }


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        ([], Usage(10, 20)),
        ([iteration("message", 10, 20)], Usage(10, 20)),
        ([iteration("message", 4, 5), iteration("message", 6, 15)], Usage(10, 20)),
        ([iteration("compaction", 100, 7, 3, 2)], Usage(110, 27, 2, 0, 3)),
        ([iteration("compaction", 100, 7), iteration("message", 10, 20)], Usage(110, 27)),
        ([iteration("message", 10, 20), iteration("advisor_message", 50, 5)], Usage(60, 25)),
        ([iteration("message", 8, 3), iteration("fallback_message", 10, 20)], Usage(18, 23)),
        (["x", None, {"type": "compaction"}], Usage(10, 20)),
    ],
)
def test_iterations_are_added(iterations: list[Any], expected: Usage) -> None:
    top = {"input_tokens": 10, "output_tokens": 20, "iterations": iterations}
    assert merged(top) == expected


def test_a_stream_cut_before_its_end_counts_what_was_produced() -> None:
    meter = AnthropicStreamUsage()
    meter.feed(sse(start(input_tokens=5, cache_read_input_tokens=100, output_tokens=1)))
    assert meter.usage_if_cut_now(99) == Usage(5, 1, cache_hit=100, estimated=True)
    meter.feed(sse(text("Hello"), text(" đồng")))
    assert meter.usage_if_cut_now(99).output == 5  # 5 + 8 bytes of UTF-8, three to a token
    assert meter.usage_if_cut_now(99, output_cap=3).output == 3
    assert meter.usage == Usage(5, 1, cache_hit=100, estimated=True)
    meter.feed(sse(delta(output_tokens=4)))
    assert meter.usage_if_cut_now(99) == Usage(5, 4, cache_hit=100)
    assert not meter.complete
    meter.feed(sse(STOP))
    assert meter.complete


def test_thinking_and_arguments_count_signatures_do_not() -> None:
    meter = AnthropicStreamUsage()
    for inner in (
        {"type": "thinking_delta", "thinking": "abc"},
        {"type": "input_json_delta", "partial_json": '{"a'},
        {"type": "signature_delta", "signature": "x" * 900},
        {"type": "citations_delta", "citation": {}},
    ):
        meter.feed(sse({"type": "content_block_delta", "delta": inner}))
    block = {"type": "tool_use", "id": "t", "name": "get", "input": {}}
    meter.feed(sse({"type": "content_block_start", "content_block": block}))
    assert meter.usage_if_cut_now(1).output == 3


def test_running_figures_are_not_the_last_word() -> None:
    meter = AnthropicStreamUsage()
    meter.feed(sse(start(input_tokens=5), delta(stop=None, output_tokens=2), text("x" * 30)))
    assert meter.usage_if_cut_now(1) == Usage(5, 10, estimated=True)


def test_an_upstream_that_names_no_input() -> None:
    meter = AnthropicStreamUsage()
    meter.feed(sse({"type": "message_start", "message": {}}, delta(output_tokens=7), STOP))
    assert meter.usage_if_cut_now(40) == Usage(40, 7, estimated=True)


def test_names_of_events_may_be_missing() -> None:
    meter = AnthropicStreamUsage()
    meter.feed(sse(start(input_tokens=5), delta(output_tokens=7), STOP, named=False))
    assert meter.usage == Usage(5, 7)


def test_an_end_without_a_name_is_none_to_clients() -> None:
    for last in (STOP, {"type": "error", "error": {"type": "api_error"}}):
        meter = AnthropicStreamUsage()
        meter.feed(sse(start(input_tokens=5), last, named=False))
        assert not meter.complete
        assert not meter.error


def test_errors_are_seen() -> None:
    meter = AnthropicStreamUsage()
    meter.feed(sse(start(input_tokens=5)))
    meter.feed(sse({"type": "ping"}, {"type": "error", "error": {"type": "overloaded_error"}}))
    assert meter.error


@pytest.mark.parametrize("data", [b"{", b"null", b"[1]", b'{"message": 7}', b"\xff"])
@pytest.mark.parametrize("name", [b"message_start", b"message_delta", b"content_block_delta", b""])
def test_malformed_events_do_no_harm(name: bytes, data: bytes) -> None:
    meter = AnthropicStreamUsage()
    meter.feed(b"event: " + name + b"\ndata: " + data + b"\n\n")
    meter.feed(sse(start(input_tokens=5), delta(output_tokens=7), STOP))
    assert meter.usage == Usage(5, 7)


def test_an_unclosed_last_event_is_read_at_the_end() -> None:
    meter = AnthropicStreamUsage()
    meter.feed(sse(start(input_tokens=5), delta(output_tokens=7)).rstrip(b"\n"))
    meter.close()
    assert meter.usage == Usage(5, 7)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"usage": {"input_tokens": 3, "output_tokens": 2}}', Usage(3, 2)),
        (b'{"usage": {"input_tokens": 3, "output_tokens": 0}}', Usage(3, 0)),
        (b'{"usage": null}', Usage(50, 5, estimated=True)),
        (b'{"usage": {"output_tokens": 90}}', Usage(50, 90, estimated=True)),
        (b"not JSON", Usage(50, 3, estimated=True)),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}', Usage()),
        (b'{"type": "error", "error": {"type": "x"}, "usage": null}', Usage()),
        (b'{"error": {}, "usage": {"input_tokens": 3, "output_tokens": 2}}', Usage(3, 2)),
        (b'{"error": null, "a": 1}', Usage(50, 8, estimated=True)),
        (b"", Usage(50, 0, estimated=True)),
    ],
)
def test_bodies(body: bytes, expected: Usage) -> None:
    assert anthropic_body_usage(body, 50) == expected
