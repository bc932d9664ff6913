"""Chat Completions requests: what OpenAI refuses, and what a model sees of the rest; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.simulator.answer import Prompt, Tool
from scripts.simulator.errors import Refusal, Refused
from scripts.simulator.usage import openai_units

ROLES = {"developer", "system", "user", "assistant", "tool", "function"}
# Anthropic's: OpenAI names the first argument it does not know.
FOREIGN_FIELDS = (
    "system",
    "stop_sequences",
    "top_k",
    "max_tokens_to_sample",
    "context_management",
    "output_config",
)
MAX_CHOICES = 128
MAX_STOPS = 4


def read_prompt(body: Mapping[str, Any]) -> Prompt:
    """Reads a request.

    Raises:
        Refused: with the provider's 400.
    """
    _check_top_level(body)
    messages = body["messages"]
    _check_messages(messages)
    _check_tool_turns(messages)
    stream_options = body.get("stream_options") or {}
    stop = body.get("stop")
    return Prompt(
        model=body["model"],
        is_stream=body.get("stream") is True,
        last_user_text=_last_user_text(messages),
        units=openai_units(body),
        tool=_tool(body),
        tool_result=_tool_result(messages),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stops=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        choices=body.get("n") or 1,
        is_usage_wanted=stream_options.get("include_usage") is True,
    )


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refused:
    """OpenAI's 400."""
    return Refused(Refusal(400, "invalid_request_error", message, code, param))


def _check_top_level(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise invalid("you must provide a model parameter")
    for name in FOREIGN_FIELDS:
        if name in body:
            raise invalid(f"Unrecognized request argument supplied: {name}")
    if "messages" not in body:
        code = "missing_required_parameter"
        raise invalid("Missing required parameter: 'messages'.", "messages", code)
    if not isinstance(body["messages"], list):
        message = "Invalid type for 'messages': expected an array of objects."
        raise invalid(message, "messages", "invalid_type")
    if not body["messages"]:
        message = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got "
            "an empty array instead."
        )
        raise invalid(message, "messages", "empty_array")
    _check_numbers(body)
    _check_options(body)


def _check_numbers(body: Mapping[str, Any]) -> None:
    for name, most in (("max_tokens", None), ("max_completion_tokens", None), ("n", MAX_CHOICES)):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
        if value < 1 or (most is not None and value > most):
            message = f"Invalid '{name}': integer out of range, got {value}."
            raise invalid(message, name, "integer_out_of_range")


def _check_options(body: Mapping[str, Any]) -> None:
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > MAX_STOPS:
        message = f"Invalid 'stop': array too long. Expected at most {MAX_STOPS} items."
        raise invalid(message, "stop", "array_above_max_length")
    if body.get("tool_choice") is not None and not body.get("tools"):
        message = (
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified."
        )
        raise invalid(message, "tool_choice")
    if body.get("stream_options") is not None and body.get("stream") is not True:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise invalid(message, "stream_options")


def _check_messages(messages: Sequence[Any]) -> None:
    for place, message in enumerate(messages):
        if not isinstance(message, Mapping):
            name = f"messages[{place}]"
            raise invalid(f"Invalid type for '{name}': expected an object.", name, "invalid_type")
        if message.get("role") not in ROLES:
            name = f"messages[{place}].role"
            supported = ", ".join(f"'{role}'" for role in sorted(ROLES))
            text = f"Invalid value: '{message.get('role')}'. Supported values are: {supported}."
            raise invalid(text, name, "invalid_value")


def _check_tool_turns(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every call is answered by the tool messages right after it, and only calls are."""
    open_ids: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_ids:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceeding message with 'tool_calls'."
                )
                raise invalid(text, f"messages.[{place}].role")
            open_ids.discard(message["tool_call_id"])
            continue
        _refuse_unanswered(open_ids, place)
        open_ids = {call["id"] for call in message.get("tool_calls") or ()}
    _refuse_unanswered(open_ids, len(messages))


def _refuse_unanswered(open_ids: set[str], place: int) -> None:
    if open_ids:
        text = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response "
            f"messages: {', '.join(sorted(open_ids))}"
        )
        raise invalid(text, f"messages.[{place}].role")


def text_of(content: object) -> str:
    """The text of a message's content, its text parts joined."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(str(part["text"]) for part in parts if "text" in part)


def _last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message["role"] == "user":
            return text_of(message.get("content"))
    return ""


def _tool_result(messages: Sequence[Mapping[str, Any]]) -> str | None:
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.append(text_of(message.get("content")))
    return "; ".join(reversed(results)) if results else None


def _tool(body: Mapping[str, Any]) -> Tool | None:
    choice = body.get("tool_choice")
    if choice == "none":
        return None
    wanted = choice.get("function", {}).get("name") if isinstance(choice, Mapping) else None
    for entry in body.get("tools") or ():
        function = entry.get("function") or {}
        if wanted in {None, function.get("name")} and "name" in function:
            return Tool(function["name"], function.get("parameters") or {"type": "object"})
    return None
