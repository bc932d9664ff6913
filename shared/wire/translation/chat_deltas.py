"""Blocks of a Messages stream, as the deltas of Chat Completions that they become.

A block begins, grows and stops; each step gives deltas for the client, possibly none. Entries of
lists carry an `index`: OpenAI's SDK merges lists by it, and fails on a list without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import StreamError
from shared.wire.translation.chat_answer import Fields, url_citations

MAX_THINKING_CHARS = 4 * 1024 * 1024

Deltas = tuple[Fields, ...]

_UNSIGNED = ("", None)


@dataclass(slots=True)
class Counts:
    """How much a streamed answer holds so far.

    Attributes:
        characters: Of its content.
        calls: Tool calls.
        thinking_blocks: Those given back with their signatures.
        annotations: Citations.
    """

    characters: int = 0
    calls: int = 0
    thinking_blocks: int = 0
    annotations: int = 0


class Block:
    """An open block that says nothing: what a server tool did, or what is not known.

    All methods raise `StreamError` on what is malformed.

    Attributes:
        is_text: Its text deltas may be passed on as they are, if `characters` are counted.
    """

    is_text = False

    def begin(self) -> Deltas:
        """What its start says."""
        return ()

    def grow(self, delta: Fields) -> Deltas:  # noqa: ARG002
        """What one delta says; one of a type that is not known says nothing."""
        return ()

    def stop(self) -> Deltas:
        """What can be said only now."""
        return ()


def string_in(fields: Fields, name: str) -> str:
    """A string.

    Raises:
        StreamError: It is missing, or something else.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise StreamError(f"{name} is no string")
    return value


def arguments_of(value: Any) -> str:
    """Input of a tool as the JSON text that OpenAI calls arguments; `{}` where there is none.

    Raises:
        StreamError: It is no object, or nested beyond all measure.
    """
    if value is not None and not isinstance(value, dict):
        raise StreamError("input of a tool is no object")
    try:
        return orjson.dumps(value or {}).decode()
    except orjson.JSONEncodeError:
        raise StreamError("input of a tool is nested too deeply") from None


def kept_thinking(block: Fields) -> list[Fields]:
    """A block of thinking as a client must send it back: none if it has no signature."""
    if block["type"] == "redacted_thinking":
        return [{"type": "redacted_thinking", "data": string_in(block, "data")}]
    if block.get("signature") in _UNSIGNED:
        return []
    thinking, signature = string_in(block, "thinking"), string_in(block, "signature")
    return [{"type": "thinking", "thinking": thinking, "signature": signature}]


class _TextBlock(Block):
    """Text, and what it cites."""

    is_text = True

    def __init__(self, start: Fields, counts: Counts) -> None:
        self._start = start
        self._counts = counts
        self._from = counts.characters
        found = start.get("citations")
        self._citations: list[Any] = list(found) if isinstance(found, list) else []

    def begin(self) -> Deltas:
        return self._content(string_in(self._start, "text"))

    def grow(self, delta: Fields) -> Deltas:
        kind = delta.get("type")
        if kind == "text_delta":
            return self._content(string_in(delta, "text"))
        if kind == "citations_delta":
            self._citations.append(delta.get("citation"))
        return ()

    def stop(self) -> Deltas:
        found = url_citations(self._citations, self._from, self._counts.characters)
        if not found:
            return ()
        first = self._counts.annotations
        self._counts.annotations += len(found)
        return ({"annotations": [{"index": i, **one} for i, one in enumerate(found, first)]},)

    def _content(self, text: str) -> Deltas:
        self._counts.characters += len(text)
        return ({"content": text},) if text else ()


class _ThinkingBlock(Block):
    """Thinking: its text as it comes, and the whole with its signature at the end."""

    def __init__(self, start: Fields, counts: Counts) -> None:
        self._start = start
        self._signature = start.get("signature")
        self._parts: list[str] = []
        self._room = MAX_THINKING_CHARS
        self._counts = counts

    def begin(self) -> Deltas:
        return self._thought(string_in(self._start, "thinking"))

    def grow(self, delta: Fields) -> Deltas:
        kind = delta.get("type")
        if kind == "thinking_delta":
            return self._thought(string_in(delta, "thinking"))
        if kind == "signature_delta":
            self._signature = string_in(delta, "signature")
        return ()

    def stop(self) -> Deltas:
        whole = {"thinking": "".join(self._parts), "signature": self._signature}
        return _numbered(kept_thinking({"type": "thinking", **whole}), self._counts)

    def _thought(self, text: str) -> Deltas:
        self._room -= len(text)
        if self._room < 0:
            raise StreamError("a block of thinking is too large")
        self._parts.append(text)
        return ({"reasoning_content": text},) if text else ()


class _RedactedBlock(Block):
    """Thinking that only its provider can read; it comes in one piece."""

    def __init__(self, start: Fields, counts: Counts) -> None:
        self._start = start
        self._counts = counts

    def begin(self) -> Deltas:
        return _numbered(kept_thinking(self._start), self._counts)


class _CallBlock(Block):
    """A tool call; its arguments are passed on as they come, fragment by fragment."""

    def __init__(self, start: Fields, counts: Counts) -> None:
        self._start = start
        self._index = counts.calls
        self._silent = True
        counts.calls += 1

    def begin(self) -> Deltas:
        function = {"name": string_in(self._start, "name"), "arguments": ""}
        identity = string_in(self._start, "id")
        call = {"index": self._index, "id": identity, "type": "function", "function": function}
        return ({"tool_calls": [call]},)

    def grow(self, delta: Fields) -> Deltas:
        if delta.get("type") != "input_json_delta":
            return ()
        fragment = string_in(delta, "partial_json")
        if not fragment:
            return ()
        self._silent = False
        return self._more(fragment)

    def stop(self) -> Deltas:
        return self._more(arguments_of(self._start.get("input"))) if self._silent else ()

    def _more(self, fragment: str) -> Deltas:
        return ({"tool_calls": [{"index": self._index, "function": {"arguments": fragment}}]},)


def opened(start: Fields, counts: Counts) -> Block:
    """The block that a `content_block` opens."""
    kind = _KINDS.get(string_in(start, "type"))
    return kind(start, counts) if kind is not None else Block()


def _numbered(blocks: list[Fields], counts: Counts) -> Deltas:
    first = counts.thinking_blocks
    counts.thinking_blocks += len(blocks)
    return tuple(
        {"thinking_blocks": [{"index": i, **block}]} for i, block in enumerate(blocks, first)
    )


_KINDS: dict[str, Callable[[Fields, Counts], Block]] = {
    "text": _TextBlock,
    "thinking": _ThinkingBlock,
    "redacted_thinking": _RedactedBlock,
    "tool_use": _CallBlock,
}
