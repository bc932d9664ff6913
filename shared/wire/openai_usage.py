"""Token usage from the bytes of an OpenAI-dialect upstream, streamed or not.

`prompt_tokens` includes what was read from a cache or written to one.
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


def openai_usage(fields: Any) -> Usage | None:
    """Disjoint buckets of one `usage` object; None if it is none or lacks input or output.

    Cache writes are named by OpenAI `prompt_tokens_details.cache_write_tokens`, by LiteLLM
    `cache_creation_input_tokens`. DeepSeek names cache hits `prompt_cache_hit_tokens`.
    """
    prompt = count_in(fields, "prompt_tokens")
    completion = count_in(fields, "completion_tokens")
    if prompt is None or completion is None:
        return None
    hit = _first(
        count_in(fields, "prompt_tokens_details", "cached_tokens"),
        count_in(fields, "prompt_cache_hit_tokens"),
        count_in(fields, "cache_read_input_tokens"),
    )
    written = _first(
        count_in(fields, "prompt_tokens_details", "cache_write_tokens"),
        count_in(fields, "cache_creation_input_tokens"),
        count_in(fields, "prompt_tokens_details", "cache_creation_tokens"),
    )
    written = min(written, prompt)
    hit = min(hit, prompt - written)
    reasoning = count_in(fields, "completion_tokens_details", "reasoning_tokens") or 0
    return Usage(
        input=prompt - hit - written,
        output=_output(prompt, completion, reasoning, count_in(fields, "total_tokens")),
        cache_write_5m=written,
        cache_hit=hit,
        reasoning=reasoning,
    )


class OpenAIStreamUsage:
    """Meters a stream of chat completions as it passes.

    Attributes:
        started: An event was seen.
        complete: `[DONE]` was seen.
        error: A chunk that is an error was seen.
    """

    def __init__(self) -> None:
        self.started = False
        self.complete = False
        self.error = False
        self._scanner = EventScanner()
        self._usage: Usage | None = None
        self._finished = False
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
        return replace(self._usage or Usage(), estimated=not self._final)

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
        reported = self._usage or Usage()
        return estimated_usage(reported, input_estimate, self._output_bytes, output_cap)

    @property
    def _final(self) -> bool:
        # Some upstreams put running usage into every chunk: only what comes with the end counts.
        return self._usage is not None and (self._finished or self.complete)

    def _observe(self, event: Event) -> None:
        plain = _plain_text(event.data) if self.started else None
        if plain is not None:
            self._output_bytes += plain
            return
        self.started = True
        if event.data == b"[DONE]":
            self.complete = True
            return
        chunk = object_of(event.data)
        if chunk is None:
            return
        if chunk.get("error"):
            self.error = True
        self._take_usage(chunk)
        self._take_choices(chunk.get("choices"))

    def _take_usage(self, chunk: dict[str, Any]) -> None:
        fields = chunk.get("usage")
        if fields is None and isinstance(chunk.get("x_groq"), dict):
            fields = chunk["x_groq"].get("usage")
        usage = openai_usage(fields)
        if usage is not None:
            self._usage = usage
            self._finished = self._finished or chunk.get("choices") == []

    def _take_choices(self, choices: Any) -> None:
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._output_bytes += _choice_bytes(choice.get("delta"))
                self._finished = self._finished or choice.get("finish_reason") is not None


def openai_body_usage(body: bytes, input_estimate: int = 0) -> Usage:
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
    usage = openai_usage(answer.get("usage"))
    if usage is not None:
        return usage
    return estimated_usage(Usage(), input_estimate, len(body))


def _plain_text(data: bytes) -> int | None:
    """Bytes of a chunk that holds nothing but more text; None where it may hold anything else."""
    if b'"finish_reason":null' not in data or data.count(b'"delta"') != 1 or b'"error"' in data:
        return None
    if b'"usage"' in data and b'"usage":null' not in data:
        return None
    return plain_string_length(data, b'"delta":{"content":"')


def _first(*counts: int | None) -> int:
    """The first that is reported and not 0."""
    return next((count for count in counts if count), 0)


def _output(prompt: int, completion: int, reasoning: int, total: int | None) -> int:
    """Output with reasoning inside.

    xAI reports reasoning beside `completion_tokens`, which `total_tokens` gives away.
    """
    if reasoning > completion or total == prompt + completion + reasoning:
        return completion + reasoning
    return completion


def _choice_bytes(delta: Any) -> int:
    """Bytes of output in a delta: text, refusal, reasoning, names and arguments of calls."""
    if not isinstance(delta, dict):
        return 0
    size = sum(utf8_length(delta.get(name)) for name in _TEXT)
    calls = delta.get("tool_calls")
    calls = calls if isinstance(calls, list) else []
    functions = [call.get("function") for call in calls if isinstance(call, dict)]
    for function in (*functions, delta.get("function_call")):
        if isinstance(function, dict):
            size += utf8_length(function.get("name")) + utf8_length(function.get("arguments"))
    return size


_TEXT = ("content", "refusal", "reasoning_content", "reasoning")
