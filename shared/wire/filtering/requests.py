"""What the content filter asks of requests."""

from __future__ import annotations

from typing import Any

from shared.domain.catalog import ThinkingMode
from shared.wire.errors import invalid_request
from shared.wire.formats import WireFormat

Fields = dict[str, Any]

# Kinds of `thinking` that take `display`, by Anthropic's SDK.
_DISPLAYED = ("enabled", "adaptive")
_TOOLS = ("tools", "functions", "mcp_servers")
_STRUCTURED = ("json_schema", "json_object")


def check_thinking_mode(mode: ThinkingMode, fields: Fields) -> None:
    """Refuse a request with tools where thinking is left out of answers.

    A model that thinks between calls of tools wants its signed thinking back, and a client that
    never got it cannot send it.

    Raises:
        GatewayError: 400 `invalid_request`, with the parameter at fault.
    """
    if mode is not ThinkingMode.STRIP:
        return
    for name in _TOOLS:
        if fields.get(name):
            message = f"{name}: tools cannot be used here, since thinking is left out of answers"
            raise invalid_request(message, name)


def omit_thinking(wire_format: WireFormat, fields: Fields) -> Fields:
    """A request that asks the upstream to leave the text of thinking out, where it can be asked.

    `/v1/messages` takes `thinking.display: "omitted"`, which keeps the signature; of
    `/v1/responses` no summary of the reasoning is asked for. Chat completions know no such wish.

    Args:
        wire_format: The format of the request as it goes upstream.
        fields: Its body; it is not changed.
    """
    if wire_format is WireFormat.MESSAGES:
        thinking = fields.get("thinking")
        if isinstance(thinking, dict) and thinking.get("type") in _DISPLAYED:
            return {**fields, "thinking": {**thinking, "display": "omitted"}}
    if wire_format is WireFormat.RESPONSES:
        reasoning = fields.get("reasoning")
        if isinstance(reasoning, dict):
            kept = {k: v for k, v in reasoning.items() if k not in ("summary", "generate_summary")}
            return {**fields, "reasoning": kept}
    return fields


def asks_for_structure(fields: Fields) -> bool:
    """Whether the text of the answer is to be JSON, in whichever format the request is.

    `response_format` of chat completions, `text.format` of responses, `output_config.format` and
    `output_format` of messages.
    """
    wishes = [fields.get("response_format"), fields.get("output_format")]
    wishes += [_inner(fields, name) for name in ("text", "output_config")]
    return any(isinstance(wish, dict) and wish.get("type") in _STRUCTURED for wish in wishes)


def _inner(fields: Fields, name: str) -> object:
    holder = fields.get(name)
    return holder.get("format") if isinstance(holder, dict) else None
