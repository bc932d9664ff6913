"""Token usage in disjoint buckets, whatever dialect reported it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; the buckets never overlap.

    Attributes:
        input: Uncached input tokens.
        output: Output tokens, reasoning included.
        cache_write_5m: Input tokens written to the five-minute cache.
        cache_write_1h: Input tokens written to the one-hour cache.
        cache_hit: Input tokens read from a cache.
        reasoning: The part of `output` spent on reasoning; for display, never priced on its own.
        web_searches: Server-side searches, priced per request.
        estimated: True when the upstream did not report the figures.
    """

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_hit: int = 0
    reasoning: int = 0
    web_searches: int = 0
    estimated: bool = False

    @property
    def total_input(self) -> int:
        """All input tokens, cached or not: what price tiers go by."""
        return self.input + self.cache_write_5m + self.cache_write_1h + self.cache_hit

    @property
    def total(self) -> int:
        """All tokens."""
        return self.total_input + self.output

    def to_document(self) -> dict[str, int | bool]:
        """Shape of `request_logs.usage` and of journal lines."""
        return {
            "input": self.input,
            "output": self.output,
            "cacheWrite5m": self.cache_write_5m,
            "cacheWrite1h": self.cache_write_1h,
            "cacheHit": self.cache_hit,
            "reasoning": self.reasoning,
            "webSearches": self.web_searches,
            "estimated": self.estimated,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, int | bool]) -> Usage:
        """Inverse of `to_document`; a missing bucket is 0."""
        return cls(
            input=int(document.get("input", 0)),
            output=int(document.get("output", 0)),
            cache_write_5m=int(document.get("cacheWrite5m", 0)),
            cache_write_1h=int(document.get("cacheWrite1h", 0)),
            cache_hit=int(document.get("cacheHit", 0)),
            reasoning=int(document.get("reasoning", 0)),
            web_searches=int(document.get("webSearches", 0)),
            estimated=bool(document.get("estimated", False)),
        )
