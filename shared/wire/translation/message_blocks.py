"""Content blocks of an Anthropic stream, one after the other."""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from shared.errors import StreamError
from shared.wire.translation.chat_parts import CallPart, Kind, is_object
from shared.wire.translation.tool_ids import for_anthropic_client

_TEXT = b'{"type":"text_delta","text":%b}'
_DELTA_OF = {
    Kind.TEXT: _TEXT,
    Kind.REFUSAL: _TEXT,
    Kind.THINKING: b'{"type":"thinking_delta","thinking":%b}',
}
_EMPTY_TEXT = {"type": "text", "text": ""}
_EMPTY_OF: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: _EMPTY_TEXT,
    Kind.REFUSAL: _EMPTY_TEXT,
    Kind.THINKING: {"type": "thinking", "thinking": "", "signature": ""},
}


def event(name: str, fields: dict[str, Any]) -> bytes:
    """One server-sent event."""
    data = orjson.dumps({"type": name, **fields})
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def tool_id(upstream_id: str, request_id: str, number: int) -> str:
    """The id that a client is given for a call; an upstream that gives none gets one made up.

    Args:
        upstream_id: The upstream's, may be empty.
        request_id: Ours, which tells the calls of a conversation's turns apart.
        number: Which call of the answer it is, from 0.
    """
    return for_anthropic_client(upstream_id or f"call_{request_id}_{number}")


class _Block:
    """One block: what has not been written of it, and whether more can come."""

    def __init__(self, kind: Kind | None, number: int = 0) -> None:
        self.kind = kind
        self.number = number
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.pending: list[bytes] = []
        self.closed = False

    @property
    def settled(self) -> bool:
        """Whether it is whole as far as can be seen: arguments are once they are an object."""
        if self.kind is not None:
            return True
        last = self.arguments[-1] if self.arguments else ""
        return last.rstrip().endswith("}") and is_object("".join(self.arguments))


class BlockWriter:
    """Writes blocks one after the other, in whatever order their parts come.

    Only the first block that is not closed is written as it comes; parts of others wait. A call
    is followed by the next block as soon as its arguments are an object, at the latest at the
    end: upstreams may tell parallel calls in turns.

    Args:
        request_id: Ours, for calls without an id.

    Attributes:
        written: Events; whoever sends them empties it.
        called: A tool call has been written.
    """

    def __init__(self, request_id: str) -> None:
        self.written: list[bytes] = []
        self.called = False
        self._calls = 0
        self._request_id = request_id
        self._blocks: deque[_Block] = deque()
        self._call_of: dict[int, _Block] = {}
        self._index = 0
        self._before_delta: bytes | None = None  # None until the first block has been started

    def text(self, kind: Kind, text: str) -> None:
        """Continue the last block if it is of this kind, else begin one."""
        block = self._blocks[-1] if self._blocks else None
        if block is None or block.kind is not kind:
            block = self._append(_Block(kind))
        self._delta(block, _DELTA_OF[kind] % orjson.dumps(text))

    def citation(self, citation: dict[str, Any]) -> None:
        """Add to the text that was told last; without one it is left out."""
        if self._blocks and self._blocks[-1].kind is Kind.TEXT:
            delta = orjson.dumps({"type": "citations_delta", "citation": citation})
            self._delta(self._blocks[-1], delta)

    def call(self, part: CallPart) -> None:
        """Begin or continue a tool call.

        Raises:
            StreamError: It continues a call that was whole and has been closed.
        """
        block = self._call_of.get(part.position)
        if block is None or _is_another(block, part):
            block = self._call_of[part.position] = self._append(_Block(None, self._calls))
            self._calls += 1
        block.id = block.id or part.id
        block.name = block.name or part.name
        if part.arguments:
            self._argue(block, part.arguments)
        self._advance()

    def close(self) -> None:
        """Close every block.

        Raises:
            StreamError: A call has no name.
        """
        for block in self._blocks:
            if block.kind is None and not block.name and (block.id or block.arguments):
                raise StreamError("a tool call has no name")
        while self._blocks:
            self._advance()
            self._stop()

    def _argue(self, block: _Block, arguments: str) -> None:
        if block.closed:
            if arguments.strip():
                raise StreamError("a tool call goes on after its end")
            return
        block.arguments.append(arguments)
        delta = b'{"type":"input_json_delta","partial_json":%b}' % orjson.dumps(arguments)
        self._delta(block, delta)

    def _append(self, block: _Block) -> _Block:
        self._blocks.append(block)
        self._advance()
        return block

    def _delta(self, block: _Block, delta: bytes) -> None:
        if self._before_delta is not None and block is self._blocks[0]:
            self.written.append(self._before_delta + delta + b"}\n\n")
        else:
            block.pending.append(delta)

    def _advance(self) -> None:
        """Start the first block if it can be, and go on to the next while it is whole."""
        while self._blocks and self._started():
            if len(self._blocks) == 1 or not self._blocks[0].settled:
                return
            self._stop()

    def _started(self) -> bool:
        if self._before_delta is not None:
            return True
        block = self._blocks[0]
        content = self._content_of(block)
        if content is None:
            return False
        fields = {"index": self._index, "content_block": content}
        self.written.append(event("content_block_start", fields))
        self._before_delta = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
            % self._index
        )
        for delta in block.pending:
            self._delta(block, delta)
        block.pending = []
        self.called = self.called or block.kind is None
        return True

    def _content_of(self, block: _Block) -> dict[str, Any] | None:
        """The block as it begins; None for a call whose name has not come."""
        if block.kind is not None:
            return _EMPTY_OF[block.kind]
        if not block.name:
            return None
        call_id = tool_id(block.id, self._request_id, block.number)
        return {"type": "tool_use", "id": call_id, "name": block.name, "input": {}}

    def _stop(self) -> None:
        self._blocks.popleft().closed = True
        if self._before_delta is not None:
            self.written.append(event("content_block_stop", {"index": self._index}))
            self._index += 1
            self._before_delta = None


def _is_another(block: _Block, part: CallPart) -> bool:
    """Whether a part begins a call of its own although it bears the index of another.

    Some upstreams send whole calls, each with the index 0 or without one.
    """
    if not block.name or not part.name:
        return False
    if block.id and part.id:
        return block.id != part.id
    return bool(part.arguments) and is_object("".join(block.arguments))
