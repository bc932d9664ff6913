"""Messages requests: what Anthropic refuses, and what a model sees of the rest; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.simulator.answer import SIGNATURE_PREFIX, Prompt, Tool, signature_of
from scripts.simulator.errors import Refusal, Refused
from scripts.simulator.usage import anthropic_units

ROLES = {"user", "assistant", "system"}
SAMPLING = ("temperature", "top_p", "top_k")
# The first version under which sampling parameters are refused.
NO_SAMPLING_SINCE = "2026-10-21"
# OpenAI's: Anthropic refuses every field it does not know.
FOREIGN_FIELDS = (
    "n",
    "stop",
    "max_completion_tokens",
    "stream_options",
    "response_format",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "user",
    "reasoning_effort",
)


def read_prompt(body: Mapping[str, Any], version: str | None, *, is_count: bool = False) -> Prompt:
    """Reads a request; a count of tokens needs no `max_tokens`.

    Raises:
        Refused: with the provider's 400.
    """
    if version is None:
        raise invalid("anthropic-version: header is required")
    _check_top_level(body, version, is_count=is_count)
    messages = body["messages"]
    for place, message in enumerate(messages):
        _check_message(message, place)
    _check_tool_turns(messages)
    thinking = body.get("thinking") or {}
    return Prompt(
        model=body["model"],
        is_stream=body.get("stream") is True,
        last_user_text=_last_user_text(messages),
        units=anthropic_units(body),
        tool=_tool(body),
        tool_result=_tool_result(messages[-1]),
        max_tokens=body.get("max_tokens"),
        stops=tuple(body.get("stop_sequences") or ()),
        hides_thinking=thinking.get("display") == "omitted",
    )


def invalid(message: str) -> Refused:
    """Anthropic's 400."""
    return Refused(Refusal(400, "invalid_request_error", message))


def _check_top_level(body: Mapping[str, Any], version: str, *, is_count: bool) -> None:
    needed = ("model", "messages") if is_count else ("model", "max_tokens", "messages")
    for name in needed:
        if name not in body:
            raise invalid(f"{name}: Field required")
    if not isinstance(body["model"], str):
        raise invalid("model: Input should be a valid string")
    if not isinstance(body["messages"], list):
        raise invalid("messages: Input should be a valid list")
    if not body["messages"]:
        raise invalid("messages: at least one message is required")
    _check_limit(body.get("max_tokens", 1))
    for name in FOREIGN_FIELDS:
        if name in body:
            raise invalid(f"{name}: Extra inputs are not permitted")
    for name in SAMPLING:
        if name in body and version >= NO_SAMPLING_SINCE:
            raise invalid(f"{name}: not supported in version {version}")


def _check_limit(limit: object) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise invalid("max_tokens: Input should be a valid integer")
    if limit < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")


def _check_message(message: object, place: int) -> None:
    if not isinstance(message, Mapping):
        raise invalid(f"messages.{place}: Input should be a valid dictionary")
    if message.get("role") not in ROLES:
        raise invalid(f"messages.{place}.role: Input should be 'user' or 'assistant'")
    content = message.get("content")
    if not isinstance(content, str | list):
        raise invalid(f"messages.{place}.content: Input should be a valid list")
    for number, block in enumerate(blocks_of(content)):
        _check_block(block, f"messages.{place}.content.{number}")


def _check_block(block: object, where: str) -> None:
    if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
        raise invalid(f"{where}: Input should be a valid dictionary with a type")
    if block["type"] == "text" and not block.get("text"):
        raise invalid("messages: text content blocks must be non-empty")
    if block["type"] == "thinking" and not _is_signature_good(block):
        raise invalid(f"{where}: Invalid `signature` in `thinking` block")


def _is_signature_good(block: Mapping[str, Any]) -> bool:
    """Ours must fit their text, or the emptied text; others cannot be judged."""
    signature, text = str(block.get("signature", "")), str(block.get("thinking", ""))
    if not signature.startswith(SIGNATURE_PREFIX):
        return bool(signature)
    return not text or signature == signature_of(text)


def _check_tool_turns(messages: Sequence[Mapping[str, Any]]) -> None:
    """Results answer the uses of the message before; a use must not go unanswered."""
    uses: set[str] = set()
    for place, message in enumerate(messages):
        blocks = blocks_of(message["content"])
        results = {str(block["tool_use_id"]) for block in blocks if "tool_use_id" in block}
        if message["role"] == "user" and (stray := results - uses):
            raise invalid(
                f"messages.{place}.content.0: unexpected `tool_use_id` found in `tool_result` "
                f"blocks: {', '.join(sorted(stray))}. Each `tool_result` block must have a "
                "corresponding `tool_use` block in the previous message."
            )
        if missing := uses - results:
            raise invalid(
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(sorted(missing))}. Each `tool_use` block must "
                "have a corresponding `tool_result` block in the next message."
            )
        uses = {str(block["id"]) for block in blocks if block["type"] == "tool_use"}


def blocks_of(content: object) -> Sequence[Mapping[str, Any]]:
    """Content as blocks; a string is one text block, an empty one none."""
    if isinstance(content, str):
        return ({"type": "text", "text": content},) if content else ()
    return content if isinstance(content, list) else ()


def text_of(content: object) -> str:
    """The text blocks of a content, joined."""
    return "\n".join(str(block["text"]) for block in blocks_of(content) if block["type"] == "text")


def _last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message["role"] == "user" and (text := text_of(message["content"])):
            return text
    return ""


def _tool_result(last: Mapping[str, Any]) -> str | None:
    blocks = [block for block in blocks_of(last["content"]) if block["type"] == "tool_result"]
    return "; ".join(text_of(block.get("content")) for block in blocks) if blocks else None


def _tool(body: Mapping[str, Any]) -> Tool | None:
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "none":
        return None
    wanted = choice.get("name")
    for entry in body.get("tools") or ():
        if "input_schema" in entry and wanted in {None, entry.get("name")}:
            return Tool(entry["name"], entry["input_schema"])
    return None
