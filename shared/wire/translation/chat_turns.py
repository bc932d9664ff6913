"""Messages of a chat as a system prompt and the turns of user and assistant.

Chat Completions has six roles in any order. Anthropic has two that take turns, the system prompt
beside them, and answers of tools inside of the user's turn, before anything else in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.wire.fields import Fields, refuse
from shared.wire.translation.chat_content import (
    said,
    text_alone,
    text_blocks,
    text_part,
    thought_blocks,
    thoughts,
    with_cache_control,
)
from shared.wire.translation.chat_tools import call_id, tool_use

_SYSTEM = ("system", "developer")
_NO_FUNCTIONS = "functions are replaced by tools: send tool_calls and the role tool"


@dataclass(frozen=True, slots=True)
class Turn:
    """Messages of one side in a row.

    Attributes:
        role: `user` or `assistant`.
        path: Where its first message stands.
        blocks: Its blocks.
        calls: Ids of the tool calls in it.
    """

    role: str
    path: str
    blocks: list[Fields] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)

    def add(self, blocks: list[Fields]) -> None:
        """Put what another message says at the end."""
        self.blocks.extend(blocks)
        self.calls.update(block["id"] for block in blocks if block["type"] == "tool_use")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat in Anthropic's form.

    Attributes:
        system: Blocks of the system prompt, in the order in which they came.
        turns: At least one; roles alternate and none is empty.
    """

    system: list[Fields]
    turns: list[Turn]

    @property
    def prefilled(self) -> bool:
        """Whether the answer is to continue what the assistant said last."""
        return self.turns[-1].role == "assistant"

    @property
    def bars_thinking(self) -> bool:
        """Whether thinking by a budget would be refused: its last turn of tools has no thoughts."""
        last = next((turn for turn in reversed(self.turns) if turn.role == "assistant"), None)
        if last is None or self.prefilled:
            return self.prefilled
        return bool(last.calls) and "thinking" not in last.blocks[0]["type"]


def conversation_of(messages: Iterable[Fields]) -> Conversation:
    """The system prompt and the turns of a chat.

    Raises:
        GatewayError: 400, with the path of the message at fault.
    """
    system: list[Fields] = []
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message["role"] in _SYSTEM:
            blocks = text_alone(message.get("content"), f"{path}.content")
            system += with_cache_control(message, blocks, path)
        else:
            _add(turns, message, path)
    if not turns:
        refuse("messages", "must hold at least one message of the user")
    return Conversation(system, _ended(turns))


def _add(turns: list[Turn], message: Fields, path: str) -> None:
    role = "assistant" if message["role"] == "assistant" else "user"
    blocks = _assistant(message, path) if role == "assistant" else _user(turns, message, path)
    if role == "assistant" and not blocks:
        return
    if not turns or turns[-1].role != role:
        _refuse_empty(turns)
        turns.append(Turn(role, path))
    turns[-1].add(with_cache_control(message, blocks, path))


def _refuse_empty(turns: list[Turn]) -> None:
    """An empty turn would be refused upstream, and one left out would join the turns around it."""
    if turns and not turns[-1].blocks:
        refuse(f"{turns[-1].path}.content", "must not be empty")


def _ended(turns: list[Turn]) -> list[Turn]:
    """The turns with answers of tools first; what is to be continued does not end in blanks."""
    _refuse_empty(turns)
    for turn in turns:
        if turn.role == "user":
            turn.blocks.sort(key=lambda block: block["type"] != "tool_result")
    last = turns[-1]
    final = last.blocks[-1]
    if last.role == "assistant" and final["type"] == "text":
        last.blocks[-1] = {**final, "text": final["text"].rstrip()}
    return turns


def _user(turns: list[Turn], message: Fields, path: str) -> list[Fields]:
    role = message["role"]
    if role == "function":
        refuse(f"{path}.role", _NO_FUNCTIONS)
    if role == "tool":
        return [_tool_result(turns, message, path)]
    return said(message.get("content"), f"{path}.content")


def _tool_result(turns: list[Turn], message: Fields, path: str) -> Fields:
    identity = call_id(message, "tool_call_id", path)
    asking = next((turn for turn in turns[-2:][::-1] if turn.role == "assistant"), None)
    if asking is None or identity not in asking.calls:
        refuse(f"{path}.tool_call_id", "answers no tool call of the assistant's turn before it")
    content = message.get("content")
    answer = said(content, f"{path}.content") if isinstance(content, list) else content
    if not isinstance(answer, list) and not text_blocks(answer):
        answer = ""
    return {"type": "tool_result", "tool_use_id": identity, "content": answer}


def _assistant(message: Fields, path: str) -> list[Fields]:
    if message.get("function_call") is not None:
        refuse(f"{path}.function_call", _NO_FUNCTIONS)
    blocks = thoughts(message.get("thinking_blocks"), f"{path}.thinking_blocks")
    content = message.get("content")
    if isinstance(content, list):
        blocks += _answered(content, f"{path}.content", thinks=not blocks)
    else:
        blocks += text_blocks(content) or text_blocks(message.get("refusal"))
    calls = message.get("tool_calls") or ()
    return blocks + [tool_use(call, f"{path}.tool_calls[{i}]") for i, call in enumerate(calls)]


def _answered(content: list[Fields], path: str, *, thinks: bool) -> list[Fields]:
    """Parts of an assistant's message; thoughts count once, wherever a client keeps them."""
    blocks = []
    for index, part in enumerate(content):
        if part["type"] in ("thinking", "redacted_thinking"):
            blocks += thought_blocks(part) if thinks else []
        else:
            blocks += text_part(part, f"{path}[{index}]")
    return blocks
