"""Requests of Anthropic's Messages as requests of OpenAI's Chat Completions."""

from __future__ import annotations

import hashlib

from shared.wire.fields import Fields, refuse
from shared.wire.parsed_request import ParsedRequest
from shared.wire.translation.interfaces import TargetModel, TranslatedRequest
from shared.wire.translation.messages_media import NO_COUNTERPART
from shared.wire.translation.messages_output import output_fields
from shared.wire.translation.messages_rules import TOP_LEVEL, left_out_within
from shared.wire.translation.messages_tools import functions, is_loosened
from shared.wire.translation.messages_turns import chat_messages
from shared.wire.translation.openai_models import calls_one_tool_at_a_time, reasons
from shared.wire.translation.rules import left_out

# OpenAI's limits.
MAX_STOPS = 4
MAX_USER = 64


def translate_messages(parsed: ParsedRequest, target: TargetModel) -> TranslatedRequest:
    """A checked message as a chat request; `messages_rules` says what becomes of what.

    Args:
        parsed: What `read_messages_request` returned; it is not changed.
        target: The model it is for.

    Raises:
        GatewayError: 400, with the parameter that cannot be carried.
    """
    if parsed.body.get("compaction") is not None:
        refuse("compaction", NO_COUNTERPART)
    given = {name: value for name, value in parsed.body.items() if value is not None}
    body = {
        "messages": chat_messages(given),
        **_limits(parsed, target),
        **_stream(parsed),
        **_sampling(given, target),
        **functions(given, target.name),
        **output_fields(given, target.name),
        **_account(given),
    }
    dropped = (
        *left_out(given, TOP_LEVEL),
        *_left_out_for(given, target),
        *left_out_within(given),
    )
    return TranslatedRequest(body, dropped)


def _limits(parsed: ParsedRequest, target: TargetModel) -> Fields:
    stops = parsed.body.get("stop_sequences") or []
    if len(stops) > MAX_STOPS:
        refuse("stop_sequences", f"this model's upstream takes at most {MAX_STOPS}")
    made: Fields = {"stop": stops} if stops else {}
    if parsed.max_tokens is not None:
        made["max_completion_tokens"] = min(parsed.max_tokens, target.max_output_tokens)
    return made


def _stream(parsed: ParsedRequest) -> Fields:
    return {"stream": True, "stream_options": {"include_usage": True}} if parsed.stream else {}


def _sampling(given: Fields, target: TargetModel) -> Fields:
    if reasons(target.name):
        return {}
    return {name: given[name] for name in ("temperature", "top_p") if name in given}


def _account(given: Fields) -> Fields:
    made: Fields = (
        {"service_tier": "default"} if given.get("service_tier") == "standard_only" else {}
    )
    user = (given.get("metadata") or {}).get("user_id")
    if user is not None and not isinstance(user, str):
        refuse("metadata.user_id", "must be a string")
    if user:
        made["user"] = user if len(user) <= MAX_USER else hashlib.sha256(user.encode()).hexdigest()
    return made


def _left_out_for(given: Fields, target: TargetModel) -> tuple[str, ...]:
    """What is carried for some models, or in some company, and not here."""
    config, choice = given.get("output_config") or {}, given.get("tool_choice") or {}
    single = choice.get("disable_parallel_tool_use") and calls_one_tool_at_a_time(target.name)
    thinks = reasons(target.name)
    left = {
        "temperature": thinks and "temperature" in given,
        "top_p": thinks and "top_p" in given,
        "thinking": not thinks and "thinking" in given,
        "output_config.effort": not thinks and config.get("effort") is not None,
        "tool_choice": "tool_choice" in given and not given.get("tools"),
        "tool_choice.disable_parallel_tool_use": given.get("tools") and single,
        "tools[].strict": any(map(is_loosened, given.get("tools") or [])),
    }
    return tuple(name for name, absent in left.items() if absent)
