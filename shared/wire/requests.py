"""A client's body on a native route: parsed once, checked, and made ready for an upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from shared.domain.catalog import Dialect
from shared.domain.pricing import Price
from shared.wire.anthropic_request import read_messages_request
from shared.wire.errors import invalid_request
from shared.wire.fields import Fields
from shared.wire.formats import WireFormat
from shared.wire.json_body import read_object
from shared.wire.openai_request import read_chat_request
from shared.wire.parsed_request import ParsedRequest
from shared.wire.responses_request import read_responses_request

MIN_THINKING_BUDGET = 1024
_LIMITS = {
    WireFormat.CHAT: "max_completion_tokens",
    WireFormat.MESSAGES: "max_tokens",
    WireFormat.RESPONSES: "max_output_tokens",
}

__all__ = ["ParsedRequest", "check_priced", "parse_request", "prepare_upstream"]


def parse_request(spoken: WireFormat | Dialect, body: bytes) -> ParsedRequest:
    """Parse and check the body of a request.

    Raises:
        GatewayError: 400 `invalid_request`, with the path of the parameter at fault.
    """
    fields, size = read_object(body), len(body)
    match form := WireFormat.of(spoken):
        case WireFormat.CHAT:
            return read_chat_request(fields, size)
        case WireFormat.RESPONSES:
            return read_responses_request(fields, size)
        case WireFormat.MESSAGES:
            return read_messages_request(fields, size)
    return replace(read_messages_request(fields, size, limited=False), format=form)


def read_translated(parsed: ParsedRequest, dialect: Dialect, body: Fields) -> ParsedRequest:
    """Check a translation like a request of its dialect.

    Args:
        parsed: The client's own request.
        dialect: The upstream's.
        body: Fields in that dialect; the limit of output tokens may be left open.

    Raises:
        GatewayError: 400.
    """
    fields = {**body, "model": parsed.model}
    size = len(orjson.dumps(fields))
    if dialect is Dialect.ANTHROPIC:
        return read_messages_request(fields, size, limited=parsed.max_tokens is not None)
    return read_chat_request(fields, size)


def check_priced(parsed: ParsedRequest, price: Price) -> None:
    """Refuse what the model has no price for.

    Raises:
        GatewayError: 400 `invalid_request`, for a web search at a model without its price.
    """
    if parsed.web_searches and price.base.web_search is None:
        raise invalid_request("Web search has no price for this model.", "tools")


def prepare_upstream(
    parsed: ParsedRequest, upstream_model: str, max_tokens: int | None = None
) -> bytes:
    """The body for an upstream that takes the format of the request.

    Every field keeps its place and value, known or not, but for these: `model` is replaced; the
    limit of output tokens, under the name it has in the format, is put in where the client gave
    none; a stream of chat completions always asks for usage; a response is never stored.

    Args:
        parsed: What `parse_request` returned; it is not changed.
        upstream_model: The model's name there.
        max_tokens: What to put in where the client gave none.
    """
    fields: dict[str, Any] = dict(parsed.body)
    fields["model"] = upstream_model
    limit = _LIMITS.get(parsed.format)
    if parsed.max_tokens is None and max_tokens is not None and limit is not None:
        fields[limit] = max_tokens
        if parsed.format is WireFormat.MESSAGES:
            _fit_thinking(fields, max_tokens)
    if parsed.format is WireFormat.CHAT and parsed.stream:
        options: Mapping[str, Any] = fields.get("stream_options") or {}
        fields["stream_options"] = {**options, "include_usage": True}
    if parsed.format is WireFormat.RESPONSES:
        fields["store"] = False
    return orjson.dumps(fields)


def _fit_thinking(fields: Fields, max_tokens: int) -> None:
    """Keep a budget that a translation chose below the limit that was put in."""
    thinking = fields.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if not isinstance(budget, int) or budget < max_tokens:
        return
    if max_tokens > MIN_THINKING_BUDGET:
        fields["thinking"] = {**fields["thinking"], "budget_tokens": max_tokens - 1}
    else:
        del fields["thinking"]
