"""Requests of Chat Completions as requests of Anthropic's Messages.

What becomes of each parameter stands in `chat_rules`.
"""

from __future__ import annotations

from shared.wire.fields import Fields, objects, refuse
from shared.wire.parsed_request import ParsedRequest
from shared.wire.translation.chat_output import form, limit_of, sampling, stops, thinking
from shared.wire.translation.chat_rules import TOP_LEVEL
from shared.wire.translation.chat_tools import forces_a_tool, translate_tools
from shared.wire.translation.chat_turns import Conversation, conversation_of
from shared.wire.translation.claude_models import claude_model
from shared.wire.translation.interfaces import TargetModel, TranslatedRequest
from shared.wire.translation.rules import left_out

_TIERS = {"auto": "auto", "default": "standard_only"}


def translate_chat(parsed: ParsedRequest, target: TargetModel) -> TranslatedRequest:
    """A chat completion as a message.

    `max_tokens` stays open where the client gave no limit.

    Args:
        parsed: The checked request; it is not changed.
        target: The model that it is for.

    Raises:
        GatewayError: 400, with the parameter that cannot be carried.
    """
    body = parsed.body
    _refuse_what_changes_the_answer(body)
    dropped = list(left_out(body, TOP_LEVEL))
    conversation = conversation_of(objects(body, "messages"))
    format_fields, said_of_form = form(body, claude_model(target.name))
    fields = _conversation(conversation, said_of_form)
    fields |= translate_tools(body)
    _merge(fields, format_fields)
    _merge(fields, _answer(body, target, dropped, fields, conversation))
    fields |= _about(body)
    if parsed.stream:
        fields["stream"] = True
    return TranslatedRequest(fields, tuple(dict.fromkeys(dropped)))


def _refuse_what_changes_the_answer(body: Fields) -> None:
    if body.get("n") not in (None, 1):
        refuse("n", "must be 1: this model's upstream gives one answer")
    for name, instead in (("functions", "tools"), ("function_call", "tool_choice")):
        if body.get(name):
            refuse(name, f"is replaced by {instead}")


def _conversation(conversation: Conversation, said_of_form: list[Fields]) -> Fields:
    turns = [{"role": turn.role, "content": turn.blocks} for turn in conversation.turns]
    system = [*conversation.system, *said_of_form]
    return {"system": system, "messages": turns} if system else {"messages": turns}


def _answer(
    body: Fields, target: TargetModel, dropped: list[str], made: Fields, conversation: Conversation
) -> Fields:
    """What the answer shall be like."""
    model = claude_model(target.name)
    limit = limit_of(body, target.max_output_tokens)
    fields: Fields = {} if limit is None else {"max_tokens": limit}
    fields |= thinking(
        body,
        model,
        target.max_output_tokens if limit is None else limit,
        dropped,
        barred=conversation.bars_thinking,
        forced=forces_a_tool(made),
    )
    thinks = fields.get("thinking", {}).get("type") in ("enabled", "adaptive")
    fields |= sampling(body, model, dropped, thinks=thinks)
    return fields | stops(body, dropped)


def _about(body: Fields) -> Fields:
    """Who asks, and how it is served."""
    fields: Fields = {}
    user = body.get("user") or body.get("safety_identifier")
    if user is not None:
        if not isinstance(user, str):
            refuse("safety_identifier", "must be a string")
        fields["metadata"] = {"user_id": user}
    tier = body.get("service_tier")
    if tier is not None:
        fields["service_tier"] = _TIERS[tier]
    return fields


def _merge(fields: Fields, more: Fields) -> None:
    """Add fields; `output_config` has its effort and its format from different places."""
    config = {**fields.get("output_config", {}), **more.get("output_config", {})}
    fields |= more
    if config:
        fields["output_config"] = config
