"""Tokens by formula, and prompt caches that remember prefixes.

A prompt is a row of units: tools, system, messages, in this order. A unit costs its compact JSON
(UTF-8, no spaces, `cache_control` left out) divided by four, rounded up:

- Anthropic: each tool; the system string or each of its blocks; each message's content string or
  each of its blocks, and `MESSAGE_TOKENS` for each message on its first unit.
- OpenAI: each tool; each message as a whole, or the instructions and each item of the input.

An answer costs, for each block, its bytes divided by four, rounded up: of the text, of the
thinking, of the tool's name and its compact JSON arguments together.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
OPENAI_MIN_CACHED_TOKENS = 1024
OPENAI_CACHE_STEP = 128
OPENAI_CACHE_TTL_S = 600.0
ANTHROPIC_TTL_S = {"5m": 300.0, "1h": 3600.0}
MAX_PREFIXES = 50_000


def tokens_of(data: bytes) -> int:
    """Tokens of some bytes: a quarter, rounded up."""
    return -(-len(data) // BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a prompt; `ttl` is set where a cache breakpoint follows it."""

    data: bytes
    tokens: int
    ttl: str | None = None


@dataclass(frozen=True, slots=True)
class InputTokens:
    """Input in disjoint buckets."""

    uncached: int
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0

    @property
    def total(self) -> int:
        """All input tokens."""
        return self.uncached + self.write_5m + self.write_1h + self.read


def anthropic_units(body: Mapping[str, Any]) -> list[Unit]:
    """The units of a Messages request; a top-level `cache_control` marks the last one."""
    units = [_unit(tool) for tool in body.get("tools") or ()]
    units += [_unit(block) for block in _blocks(body.get("system"))]
    for message in body.get("messages") or ():
        for place, block in enumerate(_blocks(message.get("content"))):
            units.append(_unit(block, MESSAGE_TOKENS if place == 0 else 0))
    if units and isinstance(mark := body.get("cache_control"), Mapping):
        last = units[-1]
        units[-1] = Unit(last.data, last.tokens, _ttl(mark))
    return units


def openai_units(body: Mapping[str, Any]) -> list[Unit]:
    """The units of a Chat Completions request."""
    return [_unit(part) for key in ("tools", "messages") for part in body.get(key) or ()]


def responses_units(body: Mapping[str, Any]) -> list[Unit]:
    """The units of a Responses request; an input that is a string is one unit."""
    given = body.get("input")
    items = given if isinstance(given, list) else [given]
    instructions = body.get("instructions")
    parts = [*(body.get("tools") or ()), *([instructions] if instructions else ()), *items]
    return [_unit(part) for part in parts]


def _blocks(content: object) -> Sequence[Any]:
    if content is None:
        return ()
    return content if isinstance(content, list) else (content,)


def _unit(part: object, extra: int = 0) -> Unit:
    mark = part.get("cache_control") if isinstance(part, Mapping) else None
    data = orjson.dumps(_unmarked(part))
    ttl = _ttl(mark) if isinstance(mark, Mapping) else None
    return Unit(data, tokens_of(data) + extra, ttl)


def _ttl(mark: Mapping[str, Any]) -> str:
    return "1h" if mark.get("ttl") == "1h" else "5m"


def _unmarked(part: object) -> object:
    if not isinstance(part, dict) or "cache_control" not in part:
        return part
    return {key: value for key, value in part.items() if key != "cache_control"}


class PromptCache:
    """Prefixes seen before, each for one scope (key and model), until they expire."""

    def __init__(self) -> None:
        self._expires: OrderedDict[bytes, float] = OrderedDict()

    def clear(self) -> None:
        """Forgets all prefixes."""
        self._expires.clear()

    def anthropic(self, scope: str, units: Sequence[Unit], now: float) -> InputTokens:
        """Tokens read up to the longest known prefix, written up to the last breakpoint."""
        marks = [place for place, unit in enumerate(units) if unit.ttl]
        if not marks:
            return InputTokens(sum(unit.tokens for unit in units))
        digests = _digests(scope, units[: marks[-1] + 1])
        known = self._longest(digests, now)
        written = {"5m": 0, "1h": 0}
        for place in marks:
            ttl = units[place].ttl or "5m"
            start = max([known, *(mark for mark in marks if mark < place)])
            written[ttl] += sum(unit.tokens for unit in units[start + 1 : place + 1])
            self._remember(digests[place], now + ANTHROPIC_TTL_S[ttl])
        return InputTokens(
            uncached=sum(unit.tokens for unit in units[marks[-1] + 1 :]),
            write_5m=written["5m"],
            write_1h=written["1h"],
            read=sum(unit.tokens for unit in units[: known + 1]),
        )

    def openai(self, scope: str, units: Sequence[Unit], now: float) -> InputTokens:
        """Tokens of the longest known prefix from 1024 tokens on, in steps of 128."""
        total = sum(unit.tokens for unit in units)
        if total < OPENAI_MIN_CACHED_TOKENS:
            return InputTokens(total)
        digests = _digests(scope, units)
        known = self._longest(digests, now)
        for digest in digests:
            self._remember(digest, now + OPENAI_CACHE_TTL_S)
        prefix = sum(unit.tokens for unit in units[: known + 1])
        read = prefix - prefix % OPENAI_CACHE_STEP if prefix >= OPENAI_MIN_CACHED_TOKENS else 0
        return InputTokens(total - read, read=read)

    def _longest(self, digests: Sequence[bytes], now: float) -> int:
        for place in range(len(digests) - 1, -1, -1):
            if self._expires.get(digests[place], 0.0) > now:
                return place
        return -1

    def _remember(self, digest: bytes, until: float) -> None:
        self._expires[digest] = max(until, self._expires.get(digest, 0.0))
        self._expires.move_to_end(digest)
        if len(self._expires) > MAX_PREFIXES:
            self._expires.popitem(last=False)


def _digests(scope: str, units: Iterable[Unit]) -> list[bytes]:
    running = hashlib.blake2b(scope.encode("utf-8", "replace"), digest_size=16)
    digests: list[bytes] = []
    for unit in units:
        running.update(b"%d:" % len(unit.data))
        running.update(unit.data)
        digests.append(running.digest())
    return digests
