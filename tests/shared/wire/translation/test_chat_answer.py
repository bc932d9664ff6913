"""Words that a chat completion has of its own."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.usage import Usage
from shared.wire.translation.chat_answer import (
    finish_reason,
    refusal_of,
    service_tier,
    url_citations,
    usage_object,
)
from shared.wire.usage_reader import openai_body_usage


@pytest.mark.parametrize(
    ("stop_reason", "calls", "expected"),
    [
        pytest.param("end_turn", True, "stop", id="the upstream's word counts"),
        pytest.param("end_turn", False, "stop", id="tricky-49 end_turn"),
        pytest.param("stop_sequence", False, "stop", id="tricky-49 stop_sequence"),
        pytest.param("pause_turn", False, "stop", id="tricky-49 pause_turn"),
        pytest.param("max_tokens", True, "length", id="tricky-49 max_tokens"),
        pytest.param("model_context_window_exceeded", False, "length", id="tricky-49 window"),
        pytest.param("tool_use", True, "tool_calls", id="tricky-49 tool_use"),
        pytest.param("refusal", False, "content_filter", id="tricky-49 refusal"),
        pytest.param("new_reason", False, "stop", id="unknown"),
        pytest.param("new_reason", True, "tool_calls", id="unknown, with calls"),
        pytest.param(None, True, "tool_calls", id="none, with calls"),
        pytest.param([], False, "stop", id="no word at all"),
    ],
)
def test_finish_reasons(stop_reason: object, calls: bool, expected: str) -> None:
    assert finish_reason(stop_reason, calls=calls) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stop_reason": "refusal", "stop_details": {"explanation": "No."}}, "No."),
        ({"stop_reason": "refusal", "stop_details": {"explanation": 1}}, None),
        ({"stop_reason": "refusal", "stop_details": None}, None),
        ({"stop_reason": "end_turn", "stop_details": {"explanation": "No."}}, None),
        ({}, None),
    ],
)
def test_refusals(fields: dict[str, Any], expected: str | None) -> None:
    assert refusal_of(fields) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({"service_tier": "standard"}, "default", id="tricky-57 standard"),
        pytest.param({"service_tier": "priority"}, "priority", id="tricky-57 priority"),
        pytest.param({"service_tier": "batch"}, None, id="tricky-57 batch"),
        pytest.param({"service_tier": []}, None, id="no word"),
        pytest.param({}, None, id="none"),
        pytest.param(None, None, id="no usage"),
    ],
)
def test_service_tiers(usage: object, expected: str | None) -> None:
    assert service_tier(usage) == expected


def test_usage_is_read_back_as_it_was() -> None:
    """tricky-51, tricky-53, tricky-55; only the split of cache writes by age is lost."""
    usage = Usage(input=5, output=9, cache_write_5m=2, cache_write_1h=3, cache_hit=100, reasoning=4)
    made = usage_object(usage)
    assert made["prompt_tokens"] == 110
    assert made["prompt_tokens"] + made["completion_tokens"] == made["total_tokens"]
    body = b'{"usage": %b}' % str(made).replace("'", '"').encode()
    assert openai_body_usage(body) == Usage(
        input=5, output=9, cache_write_5m=5, cache_hit=100, reasoning=4
    )


SEARCHED = {"type": "web_search_result_location", "url": "https://x.example/", "title": "X"}


@pytest.mark.parametrize(
    ("citations", "expected"),
    [
        pytest.param([SEARCHED], [("https://x.example/", "X")], id="web search"),
        pytest.param([SEARCHED, SEARCHED], [("https://x.example/", "X")], id="cited twice"),
        pytest.param(
            [{**SEARCHED, "title": None}],
            [("https://x.example/", "https://x.example/")],
            id="no title",
        ),
        pytest.param(
            [{"type": "search_result_location", "source": "http://y.example/", "title": "Y"}],
            [("http://y.example/", "Y")],
            id="search of one's own",
        ),
        pytest.param(
            [{"type": "search_result_location", "source": "row 5", "title": "Y"}],
            [],
            id="a source without an address",
        ),
        pytest.param([{"type": "char_location", "document_title": "D"}], [], id="a document"),
        pytest.param([{"url": ["https://x.example/"]}], [], id="an address that is a list"),
        pytest.param([None, "x", 1], [], id="no objects"),
    ],
)
def test_citations(citations: list[Any], expected: list[tuple[str, str]]) -> None:
    found = url_citations(citations, 3, 8)
    cited = [annotation["url_citation"] for annotation in found]
    assert [(each["url"], each["title"]) for each in cited] == expected
    assert all((each["start_index"], each["end_index"]) == (3, 8) for each in cited)
    assert all(annotation["type"] == "url_citation" for annotation in found)
