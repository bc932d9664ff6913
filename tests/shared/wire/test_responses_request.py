from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.parsed_request import HIDDEN_TOKENS, IMAGE_TOKENS, ParsedRequest
from shared.wire.responses_request import read_responses_request

SHARED = Path(__file__).resolve().parents[4] / "shared"
SAID = [{"role": "user", "content": "hi"}]
SEARCH = {"type": "web_search"}


def read(size: int = 1000, **fields: Any) -> ParsedRequest:
    return read_responses_request({"model": "m", "input": SAID, **fields}, size)


def recorded() -> list[Any]:
    """Bodies of `/v1/responses` that clients really sent; lists are cut short in some."""
    found = []
    for path in sorted(SHARED.glob("clients/*.json")):
        for number, request in enumerate(json.loads(path.read_text())):
            if request.get("path") == "/v1/responses":
                body = request["body"]
                tools = [tool for tool in body.get("tools") or [] if isinstance(tool, dict)]
                whole = {**body, "tools": tools} if tools else body
                found.append(pytest.param(whole, id=f"{path.stem}#{number}"))
    return found


@pytest.mark.skipif(not SHARED.joinpath("clients").is_dir(), reason="no ../shared/clients")
@pytest.mark.parametrize("body", recorded())
def test_what_clients_send_is_accepted(body: dict[str, Any]) -> None:
    parsed = read_responses_request(body, len(json.dumps(body)))
    assert parsed.model == body["model"]
    assert parsed.stream is body.get("stream", False)
    assert parsed.max_tokens == body.get("max_output_tokens")


def test_what_is_known_of_a_plain_request() -> None:
    parsed = read()
    assert (parsed.model, parsed.stream, parsed.asked_for_usage) == ("m", False, True)
    assert (parsed.max_tokens, parsed.choices, parsed.web_searches) == (None, 1, 0)
    assert parsed.input_tokens_bound == 1000 + HIDDEN_TOKENS
    assert parsed.input_estimate == 250
    assert not parsed.needs_context_window
    assert parsed.body["input"] is SAID


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "hi"},
        {"input": ""},
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"stream": None, "tools": None, "max_output_tokens": None, "include": None},
        {"instructions": "x", "temperature": 1, "top_p": 0.5, "truncation": "auto"},
        {"store": False, "include": ["reasoning.encrypted_content"]},
        {"store": True},
        {"store": None},
        {"previous_response_id": None, "conversation": None, "prompt": None, "background": False},
        {"service_tier": "auto"},
        {"service_tier": "default"},
        {"reasoning": {"effort": "high", "summary": "auto"}, "text": {"verbosity": "low"}},
        {"prompt_cache_key": "x", "prompt_cache_options": {"mode": "implicit", "ttl": "30m"}},
        {"tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": True},
        {"client_metadata": {"file_id": "kept"}},
    ],
)
def test_accepted(fields: dict[str, Any]) -> None:
    assert read(**fields).body["model"] == "m"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"background_options": {"continuation_id": "x"}}, "background_options"),
        ({"container": "cntr_1"}, "container"),
        ({"file_ids": ["file-1"]}, "file_ids"),
        ({"vector_store_ids": ["vs_1"]}, "vector_store_ids"),
        (
            {"prompt_cache_options": {"comparison_response_id": "resp_1"}},
            "prompt_cache_options.comparison_response_id",
        ),
        ({"prompt_cache_options": {"ttl": "12h"}}, "prompt_cache_options.ttl"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": 5}, "input"),
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": "9"}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"stream": "true"}, "stream"),
        ({"store": "no"}, "store"),
        ({"include": "x"}, "include"),
        ({"include": [1]}, "include"),
        ({"instructions": [SAID]}, "instructions"),
        ({"reasoning": "high"}, "reasoning"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"fallbacks": ["dear-model"]}, "fallbacks"),
        ({"api_base": "https://x"}, "api_base"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"context_management": {}}, "context_management"),
    ],
)
def test_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("fields", "searches"),
    [
        ({"tools": [SEARCH]}, 20),
        ({"tools": [SEARCH], "max_tool_calls": 2}, 2),
        ({"input": [{"type": "additional_tools", "tools": [SEARCH]}, *SAID]}, 20),
        ({"tools": [{"type": "custom"}], "max_tool_calls": 2}, 0),
    ],
)
def test_searches_are_bounded(fields: dict[str, Any], searches: int) -> None:
    parsed = read(**fields)
    assert parsed.web_searches == searches
    assert parsed.needs_context_window is bool(searches)


def test_pictures_cost_an_allowance() -> None:
    url = "data:image/png;base64," + "A" * 500
    part = {"type": "input_image", "image_url": url}
    parsed = read(input=[{"role": "user", "content": [part]}])
    assert parsed.input_tokens_bound == 1000 - len(url) + IMAGE_TOKENS + HIDDEN_TOKENS


def test_a_context_that_is_compacted_upstream_is_bounded_by_the_window() -> None:
    assert read(context_management=[{"type": "compaction"}]).needs_context_window


def test_the_conversation_key_is_that_of_its_beginning() -> None:
    first = [{"role": "developer", "content": "be kind"}, *SAID]
    later = [*first, {"type": "reasoning", "summary": []}, {"role": "user", "content": "more"}]
    assert read(input=first).conversation_key == read(input=later).conversation_key
    keys = {
        read(input=first).conversation_key,
        read(input=first, instructions="x").conversation_key,
        read(input=SAID).conversation_key,
        read(input="other").conversation_key,
    }
    assert len(keys) == 4
    assert read(input="hi").conversation_key == read(input=SAID).conversation_key
