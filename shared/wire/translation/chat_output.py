"""What a chat request asks of its answer: length, sampling, thinking, form.

Each function returns fields of Anthropic's dialect and adds to `dropped` what the model at hand
does not take.
"""

from __future__ import annotations

from typing import Any

import orjson

from shared.wire.fields import Fields, refuse
from shared.wire.requests import MIN_THINKING_BUDGET
from shared.wire.translation.claude_models import ClaudeModel

_EFFORTS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_BUDGETS = {"low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 8192}
_ANY_JSON = "Answer with one JSON object and nothing else: no other text, no code fences."
_THIS_JSON = (
    "Answer with one JSON value that matches this JSON Schema and nothing else: no other text, no "
    "code fences.\n"
)


def limit_of(body: Fields, most: int) -> int | None:
    """`max_tokens`, the newer spelling before the older one, at most `most`; None without."""
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    return None if asked is None else min(asked, most)


def stops(body: Fields, dropped: list[str]) -> Fields:
    """`stop_sequences`; Anthropic refuses blank ones."""
    stop = body.get("stop")
    given = [stop] if isinstance(stop, str) else stop or []
    kept = [one for one in given if one.strip()]
    if len(kept) < len(given):
        dropped.append("stop")
    return {"stop_sequences": kept} if kept else {}


def sampling(body: Fields, model: ClaudeModel, dropped: list[str], *, thinks: bool) -> Fields:
    """`temperature` and `top_p`.

    Raises:
        GatewayError: 400, for values that OpenAI refuses too.
    """
    given = {name: body[name] for name in ("temperature", "top_p") if body.get(name) is not None}
    if given.get("temperature", 0) < 0:
        refuse("temperature", "must not be negative")
    if not 0 <= given.get("top_p", 1) <= 1:
        refuse("top_p", "must be between 0 and 1")
    if "temperature" in given:
        given["temperature"] = min(given["temperature"], 1)
    kept = _accepted(given, model, thinks=thinks)
    dropped += [name for name in given if name not in kept]
    return kept


def _accepted(given: Fields, model: ClaudeModel, *, thinks: bool) -> Fields:
    if thinks or not model.takes_sampling:
        return {}
    if len(given) < 2 or model.takes_both_samplings:
        return given
    # One of them has to go: a temperature that is the default one, or else top_p.
    stays = "top_p" if given["temperature"] == 1 else "temperature"
    return {stays: given[stays]}


def thinking(
    body: Fields, model: ClaudeModel, limit: int, dropped: list[str], *, barred: bool, forced: bool
) -> Fields:
    """`thinking`, and `output_config` with an effort.

    Args:
        body: The chat request.
        model: The model it is for.
        limit: Most output tokens of the answer; a budget stays below.
        dropped: Takes what is left out.
        barred: The messages do not allow a budget.
        forced: The model has to call a tool, before which it may not be told to think.

    Raises:
        GatewayError: 400, for an effort that is not known.
    """
    asked = body.get("reasoning_effort")
    if asked is None:
        return {}
    if asked == "none":
        return _no_thinking(model)
    if asked not in _EFFORTS:
        refuse("reasoning_effort", f"must be one of none, {', '.join(_EFFORTS)}")
    if model.takes_effort:
        return _adaptive(_EFFORTS[asked], model, forced=forced)
    budget = min(_BUDGETS[_EFFORTS[asked]], limit - 1)
    if model.takes_budget and budget >= MIN_THINKING_BUDGET and not barred and not forced:
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    dropped.append("reasoning_effort")
    return {}


def _adaptive(effort: str, model: ClaudeModel, *, forced: bool) -> Fields:
    if effort == "xhigh" and not model.takes_extra_effort:
        effort = "high"
    fields: Fields = {"output_config": {"effort": effort}}
    if not model.thinks_unasked and not forced:
        fields["thinking"] = {"type": "adaptive"}
    return fields


def _no_thinking(model: ClaudeModel) -> Fields:
    if not model.thinks_unasked:
        return {}
    if model.least_thinking is None:
        return {"output_config": {"effort": "low"}}
    return {"thinking": {"type": model.least_thinking}}


def form(body: Fields, model: ClaudeModel) -> tuple[Fields, list[Fields]]:
    """`output_config` with a format, and what the system prompt has to say of the form.

    Raises:
        GatewayError: 400, for a format that is not known.
    """
    wanted = body.get("response_format") or {}
    kind = wanted.get("type", "text")
    if kind == "text":
        return {}, []
    if kind == "json_object":
        return {}, [{"type": "text", "text": _ANY_JSON}]
    if kind != "json_schema":
        refuse("response_format.type", "must be text, json_object or json_schema")
    schema = _schema(wanted)
    if model.takes_schema:
        output_format = {"type": "json_schema", "schema": _closed(schema)}
        return {"output_config": {"format": output_format}}, []
    return {}, [{"type": "text", "text": _THIS_JSON + orjson.dumps(schema).decode()}]


def _schema(wanted: Fields) -> Fields:
    holder = wanted.get("json_schema")
    schema = holder.get("schema") if isinstance(holder, dict) else None
    if not isinstance(schema, dict):
        refuse("response_format.json_schema.schema", "must be an object")
    return schema


def _closed(schema: Any) -> Any:
    """A schema whose objects take no more properties than they name, as Anthropic demands."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if closed.get("type") == "object" and isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed
