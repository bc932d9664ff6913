from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.usage import Usage
from shared.wire.responses_usage import (
    ResponsesStreamUsage,
    responses_body_usage,
    responses_usage,
)

SEARCHED = {"type": "web_search_call", "action": {"type": "search", "query": "x"}}
OPENED = {"type": "web_search_call", "action": {"type": "open_page"}}


def counts(inputs: Any, outputs: Any, **details: Any) -> dict[str, Any]:
    return {"usage": {"input_tokens": inputs, "output_tokens": outputs, **details}}


def event(kind: str, *, named: bool = True, **fields: Any) -> bytes:
    name = f"event: {kind}\n" if named else ""
    return f"{name}data: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(text: str, kind: str = "response.output_text.delta") -> bytes:
    return event(kind, item_id="msg_1", delta=text)


def ended(kind: str = "completed", **response: Any) -> bytes:
    return event(f"response.{kind}", response={"object": "response", **response})


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (counts(10, 5), Usage(10, 5)),
        (counts(10, 5, input_tokens_details=None, output_tokens_details=None), Usage(10, 5)),
        (
            counts(100, 5, input_tokens_details={"cached_tokens": 80}),
            Usage(20, 5, cache_hit=80),
        ),
        # More cached than there is: the buckets still add up to what was sent.
        (
            counts(100, 5, input_tokens_details={"cached_tokens": 300}),
            Usage(0, 5, cache_hit=100),
        ),
        (
            counts(100, 5, input_tokens_details={"cached_tokens": 30, "cache_write_tokens": 60}),
            Usage(10, 5, cache_write_5m=60, cache_hit=30),
        ),
        (
            counts(10, 50, output_tokens_details={"reasoning_tokens": 40}),
            Usage(10, 50, reasoning=40),
        ),
        ({**counts(1, 1), "output": [SEARCHED, OPENED, SEARCHED]}, Usage(1, 1, web_searches=2)),
        ({**counts(1, 1), "output": [{"type": "web_search_call"}]}, Usage(1, 1, web_searches=1)),
        (
            {**counts(1, 1), "output": [SEARCHED], "tool_usage": {"web_search": {}}},
            Usage(1, 1, web_searches=1),
        ),
        (
            {
                **counts(1, 1),
                "output": [SEARCHED],
                "tool_usage": {"web_search": {"num_requests": 3}},
            },
            Usage(1, 1, web_searches=3),
        ),
        ({**counts(1, 1), "output": [None, "x", {"type": ["web_search_call"]}]}, Usage(1, 1)),
        (None, None),
        ("x", None),
        ({}, None),
        ({"usage": None}, None),
        (counts(10, None), None),
        (counts(None, 5), None),
        (counts(-1, 5), None),
        (counts(True, 5), None),
        (counts("10", 5), None),
        (counts(10**18, 5), None),
    ],
)
def test_buckets(response: Any, expected: Usage | None) -> None:
    assert responses_usage(response) == expected


STREAM = (
    event("response.created", response={"status": "in_progress", "error": None, "usage": None})
    + event("response.in_progress", response={"usage": None})
    + event("response.output_item.added", item={"type": "message", "content": []})
    + delta("Hel")
    + delta("lò")
    + event("response.output_text.done", text="Hellò")
    + event(
        "response.output_item.done",
        item={"type": "message", "content": [{"type": "output_text", "text": "Hellò"}]},
    )
    + ended(**counts(10, 3), error=None)
)


@pytest.mark.parametrize("size", [1, 2, 7, 900, 10**6])
def test_a_stream_cut_into_pieces_of_any_size(size: int) -> None:
    meter = ResponsesStreamUsage()
    assert not meter.started
    for start in range(0, len(STREAM), size):
        assert not meter.complete
        meter.feed(STREAM[start : start + size])
    meter.close()
    assert meter.started
    assert meter.complete
    assert not meter.error
    assert meter.usage == meter.usage_if_cut_now(99, 1) == Usage(10, 3)


def test_a_cut_stream_is_estimated() -> None:
    meter = ResponsesStreamUsage()
    meter.feed(delta("abc") + delta("d\u1ed3ng"))
    assert meter.usage == Usage(estimated=True)
    assert meter.usage_if_cut_now(20) == Usage(20, 3, estimated=True)
    assert meter.usage_if_cut_now(20, output_cap=2) == Usage(20, 2, estimated=True)
    assert not meter.complete


def test_names_of_events_may_lack() -> None:
    meter = ResponsesStreamUsage()
    meter.feed(event("response.output_text.delta", named=False, delta="abc"))
    assert meter.usage_if_cut_now(1).output == 1
    meter.feed(event("response.completed", named=False, response=counts(10, 3)))
    assert meter.usage_if_cut_now(1) == Usage(10, 3)


def test_the_last_event_may_lack_its_empty_line() -> None:
    meter = ResponsesStreamUsage()
    meter.feed(STREAM[:-2])
    assert not meter.complete
    meter.close()
    assert meter.complete
    assert meter.usage == Usage(10, 3)


@pytest.mark.parametrize(
    "kind",
    [
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
    ],
)
def test_everything_a_model_writes_counts(kind: str) -> None:
    meter = ResponsesStreamUsage()
    meter.feed(delta("abcdef", kind))
    assert meter.usage_if_cut_now(1).output == 2


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "content": [{"type": "output_text", "text": "abcdef"}, None]},
        {"type": "message", "content": [{"type": "refusal", "refusal": "abcdef"}]},
        {"type": "reasoning", "summary": [{"text": "abc"}], "content": [{"text": "def"}]},
        {"type": "function_call", "name": "abc", "arguments": "def"},
        {"type": "custom_tool_call", "name": "abc", "input": "def"},
    ],
)
def test_items_without_deltas_count_too(item: dict[str, Any]) -> None:
    meter = ResponsesStreamUsage()
    meter.feed(event("response.output_item.done", item=item))
    assert meter.usage_if_cut_now(1) == Usage(1, 2, estimated=True)


def test_searches_of_a_cut_stream_count() -> None:
    meter = ResponsesStreamUsage()
    for item in (SEARCHED, OPENED, SEARCHED):
        meter.feed(event("response.output_item.done", item=item))
    assert meter.usage_if_cut_now(7) == Usage(7, 0, web_searches=2, estimated=True)


@pytest.mark.parametrize(
    ("last", "usage", "error"),
    [
        (ended("incomplete", **counts(10, 3)), Usage(10, 3), False),
        (ended("failed", **counts(10, 3)), Usage(10, 3), True),
        (ended("failed", usage=None), Usage(7, 1, estimated=True), True),
        (ended("completed", usage=None), Usage(7, 1, estimated=True), False),
    ],
)
def test_every_end_of_a_response_is_one(last: bytes, usage: Usage, error: bool) -> None:
    meter = ResponsesStreamUsage()
    meter.feed(delta("abc") + last)
    assert meter.complete
    assert meter.error is error
    assert meter.usage_if_cut_now(7) == usage


@pytest.mark.parametrize(
    "data",
    [
        event("error", code="server_error", message="sorry"),
        event("error", named=False, error={"message": "sorry"}),
        b'event: error\ndata: {"message": "sorry"}\n\n',
        b'data: {"error": {"message": "sorry"}}\n\n',
    ],
)
def test_errors_are_seen(data: bytes) -> None:
    meter = ResponsesStreamUsage()
    meter.feed(data)
    assert meter.error
    assert not meter.complete


@pytest.mark.parametrize(
    "data",
    [b"{", b"null", b"[1]", b'{"type": 7}', b'{"type": "response.output_text.delta", "delta": 7}']
    + [b'{"type": "response.output_item.done", "item": %b}' % item for item in (b"7", b"{}")]
    + [b'{"type": "response.output_item.done", "item": {"content": 7, "name": []}}', b"[DONE]"],
)
def test_malformed_events_do_no_harm(data: bytes) -> None:
    meter = ResponsesStreamUsage()
    meter.feed(b"data: " + data + b"\n\n" + ended(**counts(10, 3)))
    assert meter.usage == Usage(10, 3)
    assert not meter.error


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps({**counts(3, 2), "error": None}).encode(), Usage(3, 2)),
        (json.dumps({**counts(3, 2), "error": {"code": "x"}}).encode(), Usage(3, 2)),
        (b'{"usage": null}', Usage(50, 5, estimated=True)),
        (b"not JSON", Usage(50, 3, estimated=True)),
        (b'{"error": {"message": "overloaded"}}', Usage()),
        (b'{"status": "failed", "error": {"code": "x"}, "usage": null}', Usage()),
        (
            b'{"output":[{"type":"web_search_call"}]}',
            Usage(50, 13, web_searches=1, estimated=True),
        ),
    ],
)
def test_bodies(body: bytes, expected: Usage) -> None:
    assert responses_body_usage(body, 50) == expected
