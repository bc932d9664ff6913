"""Responses requests: what OpenAI refuses, and what a model sees of the rest; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.simulator.answer import SIGNATURE_PREFIX, Prompt, Tool, signature_of
from scripts.simulator.errors import Refusal, Refused
from scripts.simulator.openai_request import invalid, text_of
from scripts.simulator.usage import responses_units

ROLES = {"developer", "system", "user", "assistant"}
# Of chat completions and of Anthropic: OpenAI names the first argument it does not know.
FOREIGN_FIELDS = (
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "response_format",
    "reasoning_effort",
    "functions",
    "system",
    "stop_sequences",
)
MIN_OUTPUT_TOKENS = 16
SEALED = "reasoning.encrypted_content"
CALLS = {"function_call": "function call", "custom_tool_call": "custom tool call"}


def read_prompt(body: Mapping[str, Any]) -> Prompt:
    """Reads a request.

    Raises:
        Refused: with the provider's 400, or its 404 for what would be stored.
    """
    _check_top_level(body)
    items = items_of(body["input"])
    for place, item in enumerate(items):
        _check_item(item, place)
    _check_tool_turns(items)
    return Prompt(
        model=body["model"],
        is_stream=body.get("stream") is True,
        last_user_text=_last_user_text(items),
        units=responses_units(body),
        tool=_tool(body),
        tool_result=_tool_result(items),
        max_tokens=body.get("max_output_tokens"),
        seals_thinking=SEALED in (body.get("include") or ()),
    )


def items_of(given: object) -> Sequence[Any]:
    """The input as items; a string is one message of the user."""
    if isinstance(given, str):
        return ({"type": "message", "role": "user", "content": given},)
    return given if isinstance(given, list) else ()


def _check_top_level(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    for name in FOREIGN_FIELDS:
        if name in body:
            raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if (found := body.get("previous_response_id")) is not None:
        message = f"Previous response with id '{found}' not found."
        raise invalid(message, "previous_response_id", "previous_response_not_found")
    if not items_of(body.get("input")):
        message = (
            "Missing required parameter: 'input'. One of 'input', 'previous_response_id', "
            "'prompt' or 'conversation' must be provided."
        )
        raise invalid(message, "input", "missing_required_parameter")
    _check_limit(body.get("max_output_tokens"))
    _check_stream_options(body)


def _check_limit(limit: object) -> None:
    name = "max_output_tokens"
    if limit is None:
        return
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise invalid(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
    if limit < MIN_OUTPUT_TOKENS:
        message = (
            f"Invalid '{name}': integer below minimum value. Expected a value >= "
            f"{MIN_OUTPUT_TOKENS}, but got {limit} instead."
        )
        raise invalid(message, name, "integer_below_min_value")


def _check_stream_options(body: Mapping[str, Any]) -> None:
    options = body.get("stream_options")
    if isinstance(options, Mapping) and "include_usage" in options:
        name = "stream_options.include_usage"
        raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def _check_item(item: object, place: int) -> None:
    name = f"input[{place}]"
    if not isinstance(item, Mapping):
        raise invalid(f"Invalid type for '{name}': expected an object.", name, "invalid_type")
    kind = item.get("type", "message" if "role" in item else "item_reference")
    if kind == "item_reference" or (kind == "reasoning" and not item.get("encrypted_content")):
        message = (
            f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is "
            "set to false. Try again with `store` set to true, or remove this item from your "
            "input."
        )
        raise Refused(Refusal(404, "invalid_request_error", message, None, "input"))
    if kind == "message" and item.get("role") not in ROLES:
        supported = ", ".join(f"'{role}'" for role in sorted(ROLES))
        message = f"Invalid value: '{item.get('role')}'. Supported values are: {supported}."
        raise invalid(message, f"{name}.role", "invalid_value")
    if kind == "reasoning" and not _is_sealed_well(item):
        message = f"The encrypted content for item {item.get('id')} could not be verified."
        raise invalid(message, None, "invalid_encrypted_content")


def _is_sealed_well(item: Mapping[str, Any]) -> bool:
    """Ours must fit the text; others cannot be judged."""
    sealed = str(item["encrypted_content"])
    return not sealed.startswith(SIGNATURE_PREFIX) or sealed == signature_of(
        text_of(item.get("summary"))
    )


def _check_tool_turns(items: Sequence[Mapping[str, Any]]) -> None:
    """Every call is answered by an output behind it, and only calls are."""
    open_ids: dict[str, str] = {}
    for item in items:
        kind = str(item.get("type"))
        if kind in CALLS:
            open_ids[str(item.get("call_id"))] = CALLS[kind]
        elif kind.removesuffix("_output") in CALLS:
            call_id = str(item.get("call_id"))
            if open_ids.pop(call_id, None) is None:
                word = CALLS[kind.removesuffix("_output")]
                message = f"No tool call found for {word} output with call_id {call_id}."
                raise invalid(message, "input")
    for call_id, word in open_ids.items():
        raise invalid(f"No tool output found for {word} {call_id}.", "input")


def _last_user_text(items: Sequence[Mapping[str, Any]]) -> str:
    for item in reversed(items):
        if item.get("role") == "user":
            return text_of(item.get("content"))
    return ""


def _tool_result(items: Sequence[Mapping[str, Any]]) -> str | None:
    results: list[str] = []
    for item in reversed(items):
        if item.get("type") not in {"function_call_output", "custom_tool_call_output"}:
            break
        results.append(text_of(item.get("output")))
    return "; ".join(reversed(results)) if results else None


def _tool(body: Mapping[str, Any]) -> Tool | None:
    choice = body.get("tool_choice")
    if choice == "none":
        return None
    wanted = choice.get("name") if isinstance(choice, Mapping) else None
    for entry in body.get("tools") or ():
        if entry.get("type") == "function" and wanted in {None, entry.get("name")}:
            return Tool(entry["name"], entry.get("parameters") or {"type": "object"})
    return None
