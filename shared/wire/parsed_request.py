"""What the gateway needs to know of a client's request, whatever its dialect."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.domain.catalog import Dialect
from shared.wire.formats import WireFormat

# Hidden prompt text an upstream adds on its own account (tool use, roles, turns).
HIDDEN_TOKENS = 1024

# What a provider may charge for one picture at most, whatever its size in bytes.
IMAGE_TOKENS = 50_000

# Typical for an estimate, not a bound.
_TYPICAL_BYTES_PER_TOKEN = 4
_TYPICAL_IMAGE_TOKENS = 1600


@dataclass(slots=True)
class Media:
    """Input that is no text, counted while the content is read.

    Attributes:
        images: Pictures that stand in the body.
        inline_bytes: Their length in the body, which is no text.
        elsewhere: Something whose size the body does not tell: a URL, a document, a server tool.
    """

    images: int = 0
    inline_bytes: int = 0
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A checked request.

    Attributes:
        format: Of the endpoint it was sent to.
        body: Every field as it came; never changed.
        model: As the client named it.
        stream: Whether the answer shall be streamed.
        asked_for_usage: The client itself asked for the usage chunk of an OpenAI stream.
        max_tokens: Upper bound of one answer, None where the client gave none.
        choices: Answers asked for.
        input_tokens_bound: No more input tokens than this, as far as the body tells: one for
            every byte of text, an allowance for every picture and for hidden prompts.
        needs_context_window: The body does not tell: take the model's context window.
        input_estimate: Likely input tokens, for what has to be estimated.
        extra_output_tokens: Output that may be charged beyond `max_tokens` (a prediction).
        web_searches: Upper bound of server-side searches; 0 when none may happen.
        conversation_key: Equal for the turns of one conversation: hash of its beginning.
    """

    format: WireFormat
    body: dict[str, Any] = field(repr=False)
    model: str
    stream: bool
    asked_for_usage: bool
    max_tokens: int | None
    choices: int
    input_tokens_bound: int
    needs_context_window: bool
    input_estimate: int
    extra_output_tokens: int
    web_searches: int
    conversation_key: str

    @property
    def dialect(self) -> Dialect:
        """The dialect it is written in."""
        return self.format.dialect

    def input_bound(self, context_window: int) -> int:
        """Upper bound of input tokens at a model with that context window."""
        if self.needs_context_window:
            return context_window
        return min(self.input_tokens_bound, context_window)

    def output_bound(self, max_tokens: int) -> int:
        """Upper bound of the output of one choice that is limited to `max_tokens`."""
        return max_tokens + self.extra_output_tokens


def input_bound_of(body_bytes: int, media: Media) -> int:
    """Upper bound of input tokens: a token is at least a byte."""
    text = max(0, body_bytes - media.inline_bytes)
    return text + media.images * IMAGE_TOKENS + HIDDEN_TOKENS


def input_estimate_of(body_bytes: int, media: Media) -> int:
    """Likely input tokens of a body."""
    text = max(0, body_bytes - media.inline_bytes)
    return -(-text // _TYPICAL_BYTES_PER_TOKEN) + media.images * _TYPICAL_IMAGE_TOKENS


def conversation_key_of(*beginning: object) -> str:
    """Hash of what all turns of a conversation begin with: system and first user message."""
    return hashlib.blake2b(orjson.dumps(beginning), digest_size=16).hexdigest()
