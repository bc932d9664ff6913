"""A conversation of Anthropic's dialect as messages of a chat."""

from __future__ import annotations

from typing import Any

import orjson

from shared.wire.fields import Fields, refuse
from shared.wire.translation.messages_media import (
    NO_COUNTERPART,
    Part,
    parts_of,
    string_at,
    text_part,
)
from shared.wire.translation.messages_rules import is_mute
from shared.wire.translation.tool_ids import for_openai

Message = dict[str, Any]

# Claude Code tells Anthropic of itself in the first block. It changes with every version, and as
# prompt text it would spoil the prefix that OpenAI caches.
_BILLING_HEADER = "x-anthropic-billing-header:"
_UNTIL_USER = "next_user_message"
_FAILED = "[The tool failed.]"
_ELSEWHERE = "[See the user's next message.]"


def chat_messages(given: Fields) -> list[Message]:
    """The system prompt and every turn, in order.

    Args:
        given: A checked request; it is not changed.

    Raises:
        GatewayError: 400, with the path of the block that cannot be carried.
    """
    said = []
    for index, turn in _shown(given["messages"]):
        said += _TURNS[turn["role"]](turn["content"], f"messages[{index}].content")
    messages = _system(given.get("system"), "system") + _in_order(said)
    if all(message["role"] == "system" for message in messages):
        refuse("messages", "must hold a message of the user")
    return [*messages[:-1], _without_trailing_space(messages[-1])]


def _shown(turns: list[Fields]) -> list[tuple[int, Fields]]:
    """Turns with their number, but for those of the system that a user's turn has cleared."""
    last_user = max((i for i, turn in enumerate(turns) if turn["role"] == "user"), default=-1)
    return [
        (index, turn)
        for index, turn in enumerate(turns)
        if turn["role"] != "system" or turn.get("clear_at") != _UNTIL_USER or index > last_user
    ]


def _in_order(messages: list[Message]) -> list[Message]:
    """Calls of one turn together and their results right after them, as OpenAI demands.

    For Anthropic, turns of one role in a row are one.
    """
    ordered: list[list[Message]] = []
    later: list[list[Message]] = []
    for message in messages:
        if message["role"] == "tool":
            ordered.append([message])
        elif message["role"] != "assistant":
            later.append([message])
        elif not later and ordered and "tool_calls" in ordered[-1][0]:
            ordered[-1].append(message)
        else:
            ordered += [*later, [message]]
            later = []
    return [_together(group) for group in ordered + later]


def _together(group: list[Message]) -> Message:
    if len(group) == 1:
        return group[0]
    text = "".join(message["content"] or "" for message in group)
    calls = [call for message in group for call in message.get("tool_calls", ())]
    return {"role": "assistant", "content": text or None, "tool_calls": calls}


def _system(content: str | list[Fields] | None, path: str) -> list[Message]:
    blocks = [text_part(content)] if isinstance(content, str) else content or []
    texts = []
    for index, block in enumerate(blocks):
        if block["type"] != "text":
            refuse(f"{path}[{index}].type", "must be text")
        texts.append(_without_billing_header(block["text"]))
    text = "".join(texts)
    return [{"role": "system", "content": text}] if text else []


def _without_billing_header(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(_BILLING_HEADER) else text


def _user(content: str | list[Fields], path: str) -> list[Message]:
    """Results of tools first, since OpenAI wants them right after the calls."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results: list[Message] = []
    media: list[Part] = []
    own: list[Part] = []
    for index, block in enumerate(content):
        here = f"{path}[{index}]"
        if block["type"] == "tool_result":
            message, shown = _tool_result(block, here)
            results.append(message)
            media += shown
        else:
            own += parts_of(block, here)
    if results and not media and not own:
        return results
    return [*results, {"role": "user", "content": _compact([*media, *own])}]


def _tool_result(block: Fields, path: str) -> tuple[Message, list[Part]]:
    """The message of the tool, and parts for the user's, since a tool can only send text."""
    call = for_openai(string_at(block, "tool_use_id", path))
    texts = [_FAILED] if block.get("is_error") else []
    shown: list[Part] = []
    for part in _result_parts(block.get("content"), f"{path}.content"):
        if part["type"] == "text":
            texts.append(part["text"])
        else:
            texts.append(_ELSEWHERE)
            shown.append(part)
    message = {"role": "tool", "tool_call_id": call, "content": "\n".join(texts)}
    return message, [text_part(f"Output of the tool call {call}:"), *shown] if shown else []


def _result_parts(content: str | list[Fields] | None, path: str) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [p for i, block in enumerate(content) for p in parts_of(block, f"{path}[{i}]")]


def _assistant(content: str | list[Fields], path: str) -> list[Message]:
    if isinstance(content, str):
        return [{"role": "assistant", "content": content}]
    texts = []
    calls = []
    for index, block in enumerate(content):
        kind, here = block["type"], f"{path}[{index}]"
        if kind == "text":
            texts.append(block["text"])
        elif kind == "compaction":
            texts += [part["text"] for part in parts_of(block, here)]
        elif kind == "tool_use":
            calls.append(_tool_call(block, here))
        elif not is_mute(kind):
            refuse(f"{here}.type", NO_COUNTERPART)
    text = "".join(texts)
    if calls:
        return [{"role": "assistant", "content": text or None, "tool_calls": calls}]
    return [{"role": "assistant", "content": text}]


def _tool_call(block: Fields, path: str) -> Fields:
    given = block.get("input")
    if given is not None and not isinstance(given, dict):
        refuse(f"{path}.input", "must be an object")
    return {
        "id": for_openai(string_at(block, "id", path)),
        "type": "function",
        "function": {
            "name": string_at(block, "name", path),
            "arguments": orjson.dumps(given or {}).decode(),
        },
    }


def _compact(parts: list[Part]) -> str | list[Part]:
    """One text as a string, which every upstream takes; no empty ones."""
    said = [part for part in parts if part.get("text") != ""]
    if not said:
        return ""
    return said[0]["text"] if len(said) == 1 and said[0]["type"] == "text" else said


def _without_trailing_space(last: Message) -> Message:
    """An answer that was begun: upstreams that continue it refuse white space at its end."""
    if last["role"] == "assistant" and last["content"]:
        return {**last, "content": last["content"].rstrip()}
    return last


_TURNS = {"user": _user, "assistant": _assistant, "system": _system}
