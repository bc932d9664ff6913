"""Usage of every recorded case, and the rules that no recording shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.domain.catalog import Dialect
from shared.domain.usage import Usage
from shared.wire.formats import WireFormat
from shared.wire.usage_reader import (
    AnthropicStreamUsage,
    OpenAIStreamUsage,
    StreamUsage,
    body_usage,
    stream_usage,
)

SHARED = Path(__file__).resolve().parents[4] / "shared"
SIZES = [None, 1, 7, 900]

needs_recordings = pytest.mark.skipif(
    not SHARED.joinpath("fixtures").is_dir(), reason="no ../shared/fixtures beside the checkout"
)


@pytest.mark.parametrize("form", WireFormat)
def test_every_format_has_its_meter(form: WireFormat) -> None:
    assert stream_usage(form).usage == Usage(estimated=True)
    assert body_usage(form, b"{}", 7) == Usage(7, 1, estimated=True)


def metered(dialect: Dialect, data: bytes, size: int | None = None) -> StreamUsage:
    meter = stream_usage(dialect)
    step = size or max(1, len(data))
    for at in range(0, len(data), step):
        meter.feed(data[at : at + step])
    meter.close()
    return meter


def recorded_turns() -> list[Any]:
    """(dialect, response, what the SDK read) of every answered turn."""
    if not SHARED.joinpath("fixtures").is_dir():
        return []
    reads = json.loads((SHARED / "fixtures/SDK_READS.json").read_text())
    turns = []
    for path in sorted(SHARED.glob("fixtures/*/*.json")):
        dialect = Dialect(path.parent.name)
        for turn in json.loads(path.read_text())["interactions"]:
            name = f"fixtures/{dialect}/{path.name}#{turn['index']}"
            if turn["response"]["status"] == 200:
                read = reads.get(name)
                turns.append(pytest.param(dialect, turn["response"], read, id=name[9:]))
    return turns


def expected_usage(dialect: Dialect, read: dict[str, Any]) -> Usage:
    """Buckets of what the official SDK read, reckoned apart from the code under test."""
    if dialect is Dialect.OPENAI:
        return expected_openai(read)
    extra = [
        i for i in read.get("iterations") or [] if i["type"] in ("compaction", "advisor_message")
    ]

    def total(name: str) -> int:
        return (read.get(name) or 0) + sum(item[name] for item in extra)

    split = read.get("cache_creation") or {}
    hour = split.get("ephemeral_1h_input_tokens") or 0
    return Usage(
        input=total("input_tokens"),
        output=total("output_tokens"),
        cache_write_5m=total("cache_creation_input_tokens") - hour,
        cache_write_1h=hour,
        cache_hit=total("cache_read_input_tokens"),
        reasoning=(read.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        web_searches=(read.get("server_tool_use") or {}).get("web_search_requests") or 0,
    )


def expected_openai(read: dict[str, Any]) -> Usage:
    prompt = read.get("prompt_tokens_details") or {}
    hit, written = prompt.get("cached_tokens") or 0, prompt.get("cache_write_tokens") or 0
    details = read.get("completion_tokens_details") or {}
    return Usage(
        input=read["prompt_tokens"] - hit - written,
        output=read["total_tokens"] - read["prompt_tokens"],
        cache_write_5m=written,
        cache_hit=hit,
        reasoning=details.get("reasoning_tokens") or 0,
    )


@needs_recordings
@pytest.mark.parametrize(("dialect", "response", "read"), recorded_turns())
def test_recorded_usage(dialect: Dialect, response: dict[str, Any], read: Any) -> None:
    if "sse" not in response:
        body = json.dumps(response["json"]).encode()
        if "usage" in response["json"]:
            assert body_usage(dialect, body) == expected_usage(dialect, response["json"]["usage"])
            known = {k: v for k, v in response["json"]["usage"].items() if isinstance(v, int)}
            assert read is None or known.items() <= read["usage"].items()
        return
    data = response["sse"].encode()
    reported = (read or {}).get("usage") or last_usage(response["sse"])
    for size in SIZES:
        meter = metered(dialect, data, size)
        assert meter.complete
        assert not meter.error
        usage = meter.usage_if_cut_now(input_estimate=11)
        if reported:
            assert usage == expected_usage(dialect, reported)
        else:
            assert usage.estimated
            assert usage.input == 11
            assert usage.output > 0


def last_usage(sse: str) -> dict[str, Any]:
    """Usage objects of a stream laid over each other, where the SDK kept none."""
    merged: dict[str, Any] = {}
    for line in sse.splitlines():
        if line.startswith("data: {"):
            chunk = json.loads(line[6:])
            merged |= (chunk.get("message") or chunk).get("usage") or {}
    return merged


def vectors(*patterns: str) -> list[Any]:
    paths = [path for pattern in patterns for path in sorted(SHARED.glob(f"vectors/{pattern}"))]
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in paths]


@pytest.mark.skipif(not SHARED.joinpath("vectors").is_dir(), reason="no ../shared/vectors")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("vector", vectors("a-stream-*.json", "a-pass-*.json"))
def test_anthropic_vectors(vector: dict[str, Any], size: int | None) -> None:
    data = vector["input"]
    if isinstance(data, dict):
        usage = body_usage(Dialect.ANTHROPIC, json.dumps(data).encode())
        assert usage == expected_usage(Dialect.ANTHROPIC, data["usage"])
        return
    meter = metered(Dialect.ANTHROPIC, data.encode(), size)
    usage = meter.usage_if_cut_now(0)
    for expect in vector["expect"]:
        check_billing(expect.get("billing") or {}, usage)
        check_openai_form(expect.get("openai_usage"), usage)
        assert meter.error is bool(expect.get("client_error"))
        if expect.get("client_sees_failure") or expect.get("client_error"):
            assert not meter.complete
            assert usage.estimated


def check_billing(billing: dict[str, int], usage: Usage) -> None:
    found = {
        "input_uncached": usage.input,
        "cache_read": usage.cache_hit,
        "cache_write": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
    }
    assert {name: found[name] for name in billing} == billing


def check_openai_form(form: dict[str, int] | None, usage: Usage) -> None:
    if form is not None:
        assert usage.total_input == form["prompt_tokens"]
        assert usage.output == form["completion_tokens"]
        assert usage.cache_hit == form.get("cached_tokens", 0)


@pytest.mark.skipif(not SHARED.joinpath("vectors").is_dir(), reason="no ../shared/vectors")
@pytest.mark.parametrize("vector", vectors("o-stream-*.json", "o-resp-*.json"))
def test_openai_vectors(vector: dict[str, Any]) -> None:
    data = vector["input"]
    if isinstance(data, dict):
        reported = data.get("usage")
        usage = body_usage(Dialect.OPENAI, json.dumps(data).encode())
    else:
        chunks = [line[6:] for line in data.splitlines() if line.startswith("data: {")]
        reported = json.loads(chunks[-1]).get("usage")
        usage = metered(Dialect.OPENAI, data.encode()).usage_if_cut_now(0)
    if not reported:
        assert usage.estimated
        assert usage.output > 0
        return
    cached = (reported.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    assert usage == Usage(
        input=reported["prompt_tokens"] - cached,
        output=reported["completion_tokens"],
        cache_hit=cached,
    )


@pytest.mark.parametrize(
    ("dialect", "meter"),
    [(Dialect.ANTHROPIC, AnthropicStreamUsage), (Dialect.OPENAI, OpenAIStreamUsage)],
)
def test_a_meter_for_each_dialect(dialect: Dialect, meter: Callable[[], StreamUsage]) -> None:
    fresh = stream_usage(dialect)
    assert isinstance(fresh, meter)  # type: ignore[arg-type]
    assert not fresh.started
    assert not fresh.complete
    assert not fresh.error
    assert fresh.usage_if_cut_now(9) == Usage(input=9, estimated=True)
