"""Token usage from an upstream's bytes, before any translation, whatever their format.

The two dialects count differently and never share a type: OpenAI's `prompt_tokens` includes
cached tokens, Anthropic's `input_tokens` excludes them. Both become the disjoint buckets of
`Usage`.

A stream that ends early is charged for the output seen so far: text, thinking, and names and
arguments of tool calls, at one token for every three bytes (see `token_counts`), flagged.
"""

from __future__ import annotations

from typing import Protocol

from shared.domain.catalog import Dialect
from shared.domain.usage import Usage
from shared.wire.anthropic_usage import AnthropicStreamUsage, anthropic_body_usage
from shared.wire.formats import WireFormat
from shared.wire.openai_usage import OpenAIStreamUsage, openai_body_usage
from shared.wire.responses_usage import ResponsesStreamUsage, responses_body_usage
from shared.wire.sse import Event

__all__ = [
    "AnthropicStreamUsage",
    "OpenAIStreamUsage",
    "ResponsesStreamUsage",
    "StreamUsage",
    "anthropic_body_usage",
    "body_usage",
    "openai_body_usage",
    "responses_body_usage",
    "stream_usage",
]


class StreamUsage(Protocol):
    """Meters a stream as it passes; feed it every byte, in pieces of any size.

    Attributes:
        started: An event was seen.
        complete: The upstream said that the stream is complete, so that a client can read it.
        error: The upstream sent an error event, so that a client can read it.
    """

    started: bool
    complete: bool
    error: bool

    def feed(self, chunk: bytes) -> list[Event]:
        """Observe the next bytes; returns the events they complete, for others to read.

        Raises:
            StreamError: One event is larger than the cap.
        """

    def close(self) -> list[Event]:
        """End the stream: reads and returns a last event that lacks its closing empty line."""

    @property
    def usage(self) -> Usage:
        """What the upstream has reported so far; flagged unless it was its last word."""

    def usage_if_cut_now(self, input_estimate: int, output_cap: int | None = None) -> Usage:
        """What to charge if nothing more came; the upstream's last word where it was seen."""


def stream_usage(spoken: WireFormat | Dialect) -> StreamUsage:
    """A new meter for a stream of that format."""
    match WireFormat.of(spoken):
        case WireFormat.CHAT:
            return OpenAIStreamUsage()
        case WireFormat.RESPONSES:
            return ResponsesStreamUsage()
    return AnthropicStreamUsage()


def body_usage(spoken: WireFormat | Dialect, body: bytes, input_estimate: int = 0) -> Usage:
    """Usage of a 2xx answer that was not streamed; estimated and flagged where it has none."""
    match WireFormat.of(spoken):
        case WireFormat.CHAT:
            return openai_body_usage(body, input_estimate)
        case WireFormat.RESPONSES:
            return responses_body_usage(body, input_estimate)
    return anthropic_body_usage(body, input_estimate)
