"""What a simulated model says, apart from how a dialect writes it; pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from scripts.simulator.behaviour import Behaviour, Pace, Plain, Short
from scripts.simulator.schema_values import example_of
from scripts.simulator.usage import BYTES_PER_TOKEN, InputTokens, Unit, tokens_of

Stop = Literal["end", "length", "tool", "sequence"]

SIGNATURE_PREFIX = "SIM0"
FRAGMENT_CHARS = 12
SILENCE = "Nothing was said."
_WORD = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer; `schema` is that of its arguments."""

    name: str
    schema: object


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as a model sees it, whatever its dialect.

    Attributes:
        tool: The tool to call: the first on offer, or the one named; None when none may be.
        tool_result: Text of the tool results the request ends in; None when it does not.
        max_tokens: Room for the answer; None without a limit.
    """

    model: str
    is_stream: bool
    last_user_text: str
    units: Sequence[Unit]
    tool: Tool | None = None
    tool_result: str | None = None
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    choices: int = 1
    is_usage_wanted: bool = True
    hides_thinking: bool = False
    seals_thinking: bool = False


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning before the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text; `pieces` is how it is streamed."""

    text: str

    @property
    def pieces(self) -> list[str]:
        """Word by word; joined they are the text."""
        return _WORD.findall(self.text)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call; `arguments` is JSON text."""

    name: str
    arguments: str


Block = Thinking | Text | ToolCall


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, why it ends, and what it costs."""

    blocks: tuple[Block, ...]
    stop: Stop
    stop_sequence: str | None
    input: InputTokens
    choices: int = 1

    @property
    def output_tokens(self) -> int:
        """Output tokens of all choices, thinking included."""
        return self.choices * sum(block_tokens(block) for block in self.blocks)

    @property
    def thinking_tokens(self) -> int:
        """The part of the output that is thinking."""
        thoughts = (block for block in self.blocks if isinstance(block, Thinking))
        return self.choices * sum(block_tokens(block) for block in thoughts)


def block_tokens(block: Block) -> int:
    """Output tokens of one block."""
    text = block.name + block.arguments if isinstance(block, ToolCall) else block.text
    return tokens_of(text.encode("utf-8"))


def signature_of(thinking: str) -> str:
    """The signature of a thought, recognisable as ours and bound to its text."""
    digest = hashlib.sha256(thinking.encode("utf-8")).digest()
    return SIGNATURE_PREFIX + base64.b64encode(digest * 2).decode("ascii")


def answer_to(prompt: Prompt, behaviour: Behaviour, tokens: InputTokens) -> Answer:
    """Decides what to say, cut at a stop sequence and at `max_tokens`."""
    blocks = _blocks(prompt, behaviour)
    stop: Stop = "tool" if isinstance(blocks[-1], ToolCall) else "end"
    blocks, sequence = _cut_at_sequence(blocks, prompt.stops)
    stop = "sequence" if sequence is not None else stop
    blocks, is_full = _cut_at_limit(blocks, prompt.max_tokens)
    if is_full:
        stop, sequence = "length", None
    return Answer(tuple(blocks), stop, sequence, tokens, prompt.choices)


def _blocks(prompt: Prompt, behaviour: Behaviour) -> list[Block]:
    said = prompt.last_user_text or SILENCE
    match behaviour:
        case Pace(count=count) | Short(count=count):
            return [Text(" ".join(f"w{n}" for n in range(count)) or SILENCE)]
        case Plain(kind="think"):
            return [Thinking(f"The user said {len(said.split())} words; repeat them."), Text(said)]
        case Plain(kind="tools"):
            return [_tool_step(prompt)]
    return [Text(said)]


def _tool_step(prompt: Prompt) -> Block:
    if prompt.tool_result is not None:
        return Text(f"The tool said: {prompt.tool_result}")
    if prompt.tool is None:
        return Text(prompt.last_user_text or SILENCE)
    arguments = example_of(prompt.tool.schema)
    if not isinstance(arguments, Mapping):
        arguments = {}
    return ToolCall(prompt.tool.name, orjson.dumps(arguments).decode("utf-8"))


def _cut_at_sequence(blocks: list[Block], stops: Sequence[str]) -> tuple[list[Block], str | None]:
    last = blocks[-1]
    if not isinstance(last, Text):
        return blocks, None
    found = [(last.text.find(stop), stop) for stop in stops if stop and stop in last.text]
    if not found:
        return blocks, None
    place, sequence = min(found)
    return [*blocks[:-1], Text(last.text[:place])], sequence


def _cut_at_limit(blocks: list[Block], limit: int | None) -> tuple[list[Block], bool]:
    if limit is None:
        return blocks, False
    kept: list[Block] = []
    room = limit
    for block in blocks:
        cost = block_tokens(block)
        if cost > room:
            return [*kept, *_shortened(block, room)], True
        kept.append(block)
        room -= cost
    return kept, False


def _shortened(block: Block, room: int) -> list[Block]:
    size = room * BYTES_PER_TOKEN
    if isinstance(block, ToolCall):
        return [ToolCall(block.name, _cut(block.arguments, size - len(block.name.encode())))]
    cut = _cut(block.text, size)
    return [type(block)(cut)] if cut else []


def _cut(text: str, size: int) -> str:
    return text.encode("utf-8")[: max(size, 0)].decode("utf-8", "ignore")


def fragments(arguments: str) -> list[str]:
    """JSON text in the pieces it is streamed in, the first one empty as providers do."""
    starts = range(0, len(arguments), FRAGMENT_CHARS)
    return ["", *(arguments[start : start + FRAGMENT_CHARS] for start in starts)]


def json_or_empty(arguments: str) -> Any:
    """Arguments as a value; empty when they were cut short."""
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {}
