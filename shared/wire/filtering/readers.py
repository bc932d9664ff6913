"""What the filter asks of a reader of one wire format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.domain.catalog import ThinkingMode
from shared.wire.filtering.draft import Draft, Fields
from shared.wire.filtering.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Measures:
    """What is done to an answer.

    Attributes:
        said: Rules for what the assistant says; none where the text is structured output.
        errors: Rules for the messages of errors.
        thinking: What becomes of thinking.
    """

    said: RuleSet
    errors: RuleSet
    thinking: ThinkingMode


class AnswerReader(Protocol):
    """Knows where an answer of one format holds text, thinking and errors."""

    def event(self, draft: Draft) -> None:
        """Mark the pieces of text of a stream's next event and change what else is to change."""

    def body(self, fields: Fields) -> bool:
        """Filter an answer in one piece, in place; returns whether it changed."""
