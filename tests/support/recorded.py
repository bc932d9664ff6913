"""Recorded cases of provider traffic, and what each must cost: reckoned here, on its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

STORED_OBJECTS = ("file_id", "container")


@dataclass(frozen=True)
class Turn:
    """One recorded request and its answer.

    Attributes:
        name: `PROVIDER/CASE#TURN`.
        dialect: `openai` or `anthropic`.
        request: Recorded body, None when none was recorded.
        status: Recorded status.
        stream: Whether the answer is a stream.
        body: The answer as text: events or JSON.
    """

    name: str
    dialect: str
    request: dict[str, Any] | None
    status: int
    stream: bool
    body: str


def turns(material: Path) -> Iterator[Turn]:
    """Every recorded turn of a route that the gateway serves."""
    for path in sorted((material / "fixtures").glob("*/*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        dialect = path.parent.name
        for number, interaction in enumerate(case["interactions"]):
            request = interaction.get("request") or {}
            if "count_tokens" in (request.get("path") or ""):
                continue
            response = interaction["response"]
            stream = "sse" in response
            body = response["sse"] if stream else json.dumps(response.get("json"))
            name = f"{dialect}/{path.stem}#{number}"
            yield Turn(name, dialect, request.get("body"), response["status"], stream, body)


def names_stored_objects(request: object) -> bool:
    """Whether a request refers to objects stored at the provider, which are all users' own."""
    if isinstance(request, Mapping):
        return any(
            (key in STORED_OBJECTS and value is not None) or names_stored_objects(value)
            for key, value in request.items()
        )
    if isinstance(request, list):
        return any(names_stored_objects(item) for item in request)
    return False


UNPRICED_TOOLS = ("advisor_", "code_execution_")


def has_no_price(request: Mapping[str, Any]) -> bool:
    """Whether a request asks for what is charged by other measures than tokens and searches.

    Advisors cost another model's tokens, code execution costs hours, OpenAI's web search costs a
    fee that its answers do not report, sound has rates of its own.
    """
    tools = (str(tool.get("type", "")) for tool in request.get("tools") or [])
    sound = '"input_audio"' in json.dumps(request)
    return (
        any(tool.startswith(UNPRICED_TOOLS) for tool in tools)
        or "web_search_options" in request
        or sound
    )


def reported_usage(turn: Turn) -> dict[str, int] | None:
    """Tokens by bucket as the provider reported them last, None when it did not."""
    found: dict[str, Any] = {}
    for document in _documents(turn):
        for holder in (document, document.get("message") or {}):
            usage = holder.get("usage")
            if isinstance(usage, dict):
                known = {key: value for key, value in usage.items() if value is not None}
                found = {**found, **known} if turn.dialect == "anthropic" else known
    if not found:
        return None
    return _anthropic(found) if turn.dialect == "anthropic" else _openai(found)


def cost_nano(usage: Mapping[str, int], pricing: Mapping[str, Any]) -> int:
    """Nano-USD of usage at the prices of config.json, USD per million tokens."""
    rates = {name: Decimal(str(rate)) for name, rate in pricing.items()}
    millionths = sum(usage[bucket] * rates[bucket] for bucket in rates if bucket != "webSearch")
    searches = usage["webSearch"] * rates.get("webSearch", Decimal(0)) / 1000
    return int(((millionths / 10**6 + searches) * 10**9).to_integral_value(ROUND_HALF_EVEN))


def _documents(turn: Turn) -> Iterator[dict[str, Any]]:
    if not turn.stream:
        yield json.loads(turn.body)
        return
    for line in turn.body.splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield json.loads(line[5:])


def _anthropic(usage: Mapping[str, Any]) -> dict[str, int]:
    passes = [usage, *(p for p in usage.get("iterations") or [] if p["type"] != "message")]
    total = dict.fromkeys(("input", "output", "cacheWrite", "cacheWrite1h", "cacheHit"), 0)
    for one in passes:
        writes = one.get("cache_creation_input_tokens") or 0
        long = (one.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0)
        total["input"] += one.get("input_tokens") or 0
        total["output"] += one.get("output_tokens") or 0
        total["cacheWrite"] += writes - long
        total["cacheWrite1h"] += long
        total["cacheHit"] += one.get("cache_read_input_tokens") or 0
    searches = (usage.get("server_tool_use") or {}).get("web_search_requests") or 0
    return {**total, "webSearch": searches}


def _openai(usage: Mapping[str, Any]) -> dict[str, int]:
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or 0
    written = details.get("cache_write_tokens") or 0
    prompt = usage["prompt_tokens"]
    # xAI leaves reasoning out of completion_tokens and counts it in the total.
    output = max(usage["completion_tokens"], usage.get("total_tokens", 0) - prompt)
    return {
        "input": prompt - cached - written,
        "output": output,
        "cacheWrite": written,
        "cacheWrite1h": 0,
        "cacheHit": cached,
        "webSearch": 0,
    }
