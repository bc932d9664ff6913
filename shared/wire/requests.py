"""A client's body on a native route: parsed once, checked, and made ready for an upstream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from shared.domain.catalog import Dialect
from shared.domain.pricing import Price
from shared.wire.anthropic_request import read_messages_request
from shared.wire.errors import invalid_request
from shared.wire.fields import Fields
from shared.wire.json_body import read_object
from shared.wire.openai_request import read_chat_request
from shared.wire.parsed_request import ParsedRequest

MIN_THINKING_BUDGET = 1024

__all__ = ["ParsedRequest", "check_priced", "parse_request", "prepare_upstream"]


def parse_request(dialect: Dialect, body: bytes) -> ParsedRequest:
    """Parse and check the body of `/v1/messages` or `/v1/chat/completions`.

    Raises:
        GatewayError: 400 `invalid_request`, with the path of the parameter at fault.
    """
    fields = read_object(body)
    if dialect is Dialect.ANTHROPIC:
        return read_messages_request(fields, len(body))
    return read_chat_request(fields, len(body))


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
    """The body for an upstream of the client's own dialect.

    Every field keeps its place and value, known or not, but for these: `model` is replaced;
    `max_tokens` (in OpenAI's dialect `max_completion_tokens`) is put in where the client gave
    none; a stream of OpenAI's dialect always asks for usage.

    Args:
        parsed: What `parse_request` returned; it is not changed.
        upstream_model: The model's name there.
        max_tokens: What to put in where the client gave none.
    """
    fields: dict[str, Any] = dict(parsed.body)
    fields["model"] = upstream_model
    openai = parsed.dialect is Dialect.OPENAI
    if parsed.max_tokens is None and max_tokens is not None:
        fields["max_completion_tokens" if openai else "max_tokens"] = max_tokens
        if not openai:
            _fit_thinking(fields, max_tokens)
    if openai and parsed.stream:
        options: Mapping[str, Any] = fields.get("stream_options") or {}
        fields["stream_options"] = {**options, "include_usage": True}
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
