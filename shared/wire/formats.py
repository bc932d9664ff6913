"""Formats of requests and answers: one dialect may have several.

What takes a format takes a dialect too, for the plain one that all its upstreams speak.
"""

from __future__ import annotations

from enum import StrEnum

from shared.domain.catalog import Dialect


class WireFormat(StrEnum):
    """Shape of the requests, bodies and streams of one endpoint."""

    CHAT = "chat"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    RESPONSES = "responses"

    @property
    def dialect(self) -> Dialect:
        """The dialect it belongs to: whose errors and headers go with it."""
        return Dialect.ANTHROPIC if self in _OF_ANTHROPIC else Dialect.OPENAI

    @property
    def least_output_tokens(self) -> int:
        """The smallest limit of output tokens that upstreams take."""
        return 16 if self is WireFormat.RESPONSES else 1

    @classmethod
    def of(cls, spoken: Dialect | WireFormat) -> WireFormat:
        """The format that every upstream of a dialect speaks; a format is itself."""
        if isinstance(spoken, WireFormat):
            return spoken
        return cls.MESSAGES if spoken is Dialect.ANTHROPIC else cls.CHAT


_OF_ANTHROPIC = (WireFormat.MESSAGES, WireFormat.COUNT_TOKENS)
