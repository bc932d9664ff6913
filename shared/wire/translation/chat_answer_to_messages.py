"""A completion, as an answer of Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from shared.domain.usage import Usage
from shared.errors import StreamError
from shared.wire.errors import upstream_failed
from shared.wire.openai_usage import openai_usage
from shared.wire.token_counts import object_of
from shared.wire.translation.chat_errors import reported_error, reports_error
from shared.wire.translation.chat_parts import (
    Fields,
    Kind,
    calls_of,
    choice_of,
    citations_of,
    is_object,
    object_in,
    texts_of,
)
from shared.wire.translation.interfaces import Asked
from shared.wire.translation.message_blocks import tool_id

# An answer that was broken off for want of anything is one that is not whole.
_STOP_REASONS = {
    "length": "max_tokens",
    "model_length": "max_tokens",
    "insufficient_system_resource": "max_tokens",
    "error": "max_tokens",
    "content_filter": "refusal",
}
_SERVICE_TIERS = {"default": "standard", "priority": "priority", "batch": "batch"}


def translate_completion(body: bytes, asked: Asked) -> bytes:
    """A completion as a message.

    Its id and model are the upstream's own. Reasoning becomes an unsigned thinking block, a
    refusal text with the stop reason `refusal`; arguments that are no JSON object become `{}`.
    Usage that the upstream does not report is 0.

    Args:
        body: The upstream's, of a 2xx answer.
        asked: What is to be known of the request.

    Raises:
        GatewayError: It is no completion (502), or an error under a 2xx.
    """
    answer = object_of(body)
    if answer is None:
        raise upstream_failed("the answer is no JSON object")
    if reports_error(answer):
        raise reported_error(body, asked.secrets)
    try:
        return orjson.dumps(_message(answer, asked))
    except StreamError as error:
        raise upstream_failed(str(error)) from None


def opening(answer: Fields, asked: Asked) -> dict[str, Any]:
    """A message before anything is said: what a completion and its chunks have in common."""
    upstream_id, model = answer.get("id"), answer.get("model")
    usage = usage_fields(reported_usage(answer) or Usage())
    tier = answer.get("service_tier")
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        usage["service_tier"] = _SERVICE_TIERS[tier]
    return {
        "id": upstream_id
        if upstream_id and isinstance(upstream_id, str)
        else f"msg_{asked.request_id}",
        "type": "message",
        "role": "assistant",
        "model": model if isinstance(model, str) else "",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def stop_reason_of(finish_reason: Any, *, called: bool, refused: bool) -> str:
    """The reason to stop, of a message with tool calls or a refusal in it or without."""
    cut = _STOP_REASONS.get(finish_reason) if isinstance(finish_reason, str) else None
    if cut is not None:
        return cut
    if called:
        return "tool_use"
    return "refusal" if refused else "end_turn"


def reported_usage(answer: Fields) -> Usage | None:
    """Usage of a completion or a chunk, where the meter reads it as well."""
    fields = answer.get("usage")
    if fields is None and isinstance(answer.get("x_groq"), dict):
        fields = answer["x_groq"].get("usage")
    return openai_usage(fields)


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Usage as Anthropic reports it: `input_tokens` without what concerns the cache."""
    fields: dict[str, Any] = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_hit,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return fields


def _message(answer: Fields, asked: Asked) -> dict[str, Any]:
    choice = choice_of(answer)
    if choice is None and not isinstance(answer.get("choices"), list):
        raise StreamError("the answer has no choices")
    said = object_in(choice or {}, "message")
    calls = list(_tool_uses(said, asked))
    message = opening(answer, asked)
    message["content"] = [*_texts(said), *calls]
    message["stop_reason"] = stop_reason_of(
        (choice or {}).get("finish_reason"), called=bool(calls), refused=bool(said.get("refusal"))
    )
    return message


def _texts(said: Fields) -> list[dict[str, Any]]:
    """Blocks of thinking and text; neighbours of the same kind are one."""
    blocks: list[tuple[Kind, list[str]]] = []
    for kind, text in texts_of(said):
        if not blocks or blocks[-1][0] is not kind:
            blocks.append((kind, []))
        blocks[-1][1].append(text)
    content = [_block(kind, "".join(texts)) for kind, texts in blocks]
    citations = list(citations_of(said))
    if citations and blocks and blocks[-1][0] is Kind.TEXT:
        content[-1]["citations"] = citations
    return content


def _block(kind: Kind, text: str) -> dict[str, Any]:
    if kind is Kind.THINKING:
        return {"type": "thinking", "thinking": text, "signature": ""}
    return {"type": "text", "text": text}


def _tool_uses(said: Fields, asked: Asked) -> Iterator[dict[str, Any]]:
    for number, call in enumerate(calls_of(said)):
        if call.name:
            yield {
                "type": "tool_use",
                "id": tool_id(call.id, asked.request_id, number),
                "name": call.name,
                "input": orjson.Fragment(call.arguments) if is_object(call.arguments) else {},
            }
        elif call.id or call.arguments:
            raise StreamError("a tool call has no name")
