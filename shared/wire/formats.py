"""Formats of requests and answers: one dialect may have several."""

from __future__ import annotations

from enum import StrEnum

from shared.domain.catalog import Dialect


class WireFormat(StrEnum):
    """Shape of the requests, bodies and streams of one endpoint."""

    CHAT = "chat"
    MESSAGES = "messages"
    RESPONSES = "responses"

    @property
    def dialect(self) -> Dialect:
        """The dialect it belongs to: whose errors and headers go with it."""
        return Dialect.ANTHROPIC if self is WireFormat.MESSAGES else Dialect.OPENAI

    @classmethod
    def of(cls, dialect: Dialect) -> WireFormat:
        """The format that every upstream of a dialect speaks."""
        return cls.MESSAGES if dialect is Dialect.ANTHROPIC else cls.CHAT
