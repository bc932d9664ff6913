"""Token usage from an Anthropic upstream's bytes, streamed or not.

`input_tokens` excludes what was read from a cache or written to one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.domain.usage import Usage
from shared.wire.sse import Event, EventScanner
from shared.wire.token_counts import (
    count_in,
    estimated_usage,
    is_error_only,
    object_of,
    plain_string_length,
    utf8_length,
)

_TEXT_DELTA = b'"delta":{"type":"text_delta","text":"'

# Sampling passes, which the top-level figures contain. All other kinds of iteration
# (compaction, advisor) come on top of them.
_INSIDE = frozenset({"message", "fallback_message"})


class AnthropicUsageFields:
    """The figures of one answer, merged from however many usage objects it carried.

    Every object is cumulative: a field it has replaces the earlier one, a field it lacks (or
    that is null) keeps it.
    """

    def __init__(self) -> None:
        self._top = Usage()
        self._has_output = False
        self._iterations: list[Any] = []

    @property
    def whole(self) -> bool:
        """Whether both input and output were reported."""
        return self._has_output and self.usage().total_input > 0

    def merge(self, usage: Any) -> None:
        """Take one usage object."""
        if not isinstance(usage, dict):
            return
        output = count_in(usage, "output_tokens")
        self._has_output = self._has_output or output is not None
        merged = _merged(self._top, usage)
        if merged.total_input == 0:
            # No request has no input: an object that says so is a filler, not a correction.
            merged = replace(self._top, output=merged.output, web_searches=merged.web_searches)
        self._top = merged
        iterations = usage.get("iterations")
        if isinstance(iterations, list):
            self._iterations = iterations

    def usage(self) -> Usage:
        """The figures in disjoint buckets, iterations added."""
        if not self._iterations:
            return self._top
        inside, outside = Usage(), Usage()
        for item in self._iterations:
            if isinstance(item, dict) and item.get("type") in _INSIDE:
                inside = _plus(inside, _merged(Usage(), item))
            elif isinstance(item, dict):
                outside = _plus(outside, _merged(Usage(), item))
        top = self._top
        if inside.total > top.total:
            top = replace(inside, reasoning=top.reasoning, web_searches=top.web_searches)
        return _plus(top, outside)


class AnthropicStreamUsage:
    """Meters a stream of the Messages API as it passes.

    Attributes:
        started: An event was seen.
        complete: `message_stop` was seen, under its name: clients go by the `event:` line.
        error: An `error` event was seen, under its name.
    """

    def __init__(self) -> None:
        self.started = False
        self.complete = False
        self.error = False
        self._scanner = EventScanner()
        self._fields = AnthropicUsageFields()
        self._final = False
        self._output_bytes = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """As `StreamUsage.feed`."""
        events = self._scanner.decode(chunk)
        for event in events:
            self._observe(event)
        return events

    def close(self) -> list[Event]:
        """As `StreamUsage.close`."""
        events = self._scanner.flush()
        for event in events:
            self._observe(event)
        return events

    @property
    def usage(self) -> Usage:
        """What the upstream has reported so far; flagged unless it was its last word."""
        return replace(self._fields.usage(), estimated=not self._final)

    def usage_if_cut_now(self, input_estimate: int, output_cap: int | None = None) -> Usage:
        """What to charge if nothing more came.

        The upstream's final figures where they were seen; else what it reported so far, with
        the output counted from what it produced, flagged.

        Args:
            input_estimate: Tokens to charge as input if the upstream named none.
            output_cap: What counted output never exceeds.
        """
        if self._final:
            return self.usage
        reported = self._fields.usage()
        return estimated_usage(reported, input_estimate, self._output_bytes, output_cap)

    def _observe(self, event: Event) -> None:
        self.started = True
        name = event.name or _type_of(event.data)
        if name == b"content_block_delta":
            plain = plain_string_length(event.data, _TEXT_DELTA)
            self._output_bytes += _text_bytes(event.data, "delta") if plain is None else plain
        elif name == b"content_block_start":
            self._output_bytes += _text_bytes(event.data, "content_block")
        elif name == b"message_start":
            self._message_start(event.data)
        elif name == b"message_delta":
            self._message_delta(event.data)
        elif event.name == b"message_stop":
            self.complete = True
        elif event.name == b"error":
            self.error = True

    def _message_start(self, data: bytes) -> None:
        message = (object_of(data) or {}).get("message")
        if isinstance(message, dict):
            self._fields.merge(message.get("usage"))

    def _message_delta(self, data: bytes) -> None:
        fields = object_of(data) or {}
        usage, delta = fields.get("usage"), fields.get("delta")
        self._fields.merge(usage)
        stopped = isinstance(delta, dict) and delta.get("stop_reason") is not None
        if stopped and count_in(usage, "output_tokens") is not None:
            self._final = self._fields.whole


def anthropic_body_usage(body: bytes, input_estimate: int = 0) -> Usage:
    """Usage of an answer that was not streamed.

    Args:
        body: The upstream's body of a 2xx answer.
        input_estimate: Tokens to charge as input if the body names none.

    Returns:
        The reported figures; where they lack, estimated from the body's size, and flagged.
        Nothing for an error object without figures.
    """
    answer = object_of(body) or {}
    if is_error_only(answer):
        return Usage()
    fields = AnthropicUsageFields()
    fields.merge(answer.get("usage"))
    if fields.whole:
        return fields.usage()
    return estimated_usage(fields.usage(), input_estimate, len(body))


def _merged(old: Usage, fields: dict[str, Any]) -> Usage:
    """`old`, with every figure that `fields` has replaced by it."""
    write_5m, write_1h = _cache_writes(old, fields)
    return Usage(
        input=_newer(count_in(fields, "input_tokens"), old.input),
        output=_newer(count_in(fields, "output_tokens"), old.output),
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        cache_hit=_newer(count_in(fields, "cache_read_input_tokens"), old.cache_hit),
        reasoning=_newer(
            count_in(fields, "output_tokens_details", "thinking_tokens"), old.reasoning
        ),
        web_searches=_newer(
            count_in(fields, "server_tool_use", "web_search_requests"), old.web_searches
        ),
    )


def _cache_writes(old: Usage, fields: dict[str, Any]) -> tuple[int, int]:
    """Tokens written to the 5-minute and the 1-hour cache.

    What the total has beyond the split counts as 5 minutes. A total without a split keeps the
    1-hour part known before, as far as the total reaches.
    """
    total = count_in(fields, "cache_creation_input_tokens")
    short = count_in(fields, "cache_creation", "ephemeral_5m_input_tokens")
    long = count_in(fields, "cache_creation", "ephemeral_1h_input_tokens")
    if short is None and long is None:
        if total is None:
            return old.cache_write_5m, old.cache_write_1h
        long = min(old.cache_write_1h, total)
        return total - long, long
    long = long or 0
    return max(short or 0, (total or 0) - long), long


def _newer(value: int | None, old: int) -> int:
    return old if value is None else value


def _plus(one: Usage, other: Usage) -> Usage:
    return Usage(
        input=one.input + other.input,
        output=one.output + other.output,
        cache_write_5m=one.cache_write_5m + other.cache_write_5m,
        cache_write_1h=one.cache_write_1h + other.cache_write_1h,
        cache_hit=one.cache_hit + other.cache_hit,
        reasoning=one.reasoning + other.reasoning,
        web_searches=one.web_searches + other.web_searches,
    )


def _type_of(data: bytes) -> bytes:
    kind = (object_of(data) or {}).get("type")
    return kind.encode() if isinstance(kind, str) else b""


def _text_bytes(data: bytes, part: str) -> int:
    """Bytes of output in a delta or at the start of a block: text, thinking, tool input."""
    inner = (object_of(data) or {}).get(part)
    if not isinstance(inner, dict):
        return 0
    names = ("text", "partial_json", "thinking", "name")
    return sum(utf8_length(inner.get(name)) for name in names)
