"""A stream of chat completion chunks, as a stream of Anthropic's Messages."""

from __future__ import annotations

from typing import Any

from shared.domain.catalog import Dialect
from shared.domain.usage import Usage
from shared.errors import StreamError
from shared.wire.errors import error_event
from shared.wire.sse import Event
from shared.wire.token_counts import object_of
from shared.wire.translation.chat_answer_to_messages import (
    opening,
    reported_usage,
    stop_reason_of,
    usage_fields,
)
from shared.wire.translation.chat_errors import reported_error, reports_error
from shared.wire.translation.chat_parts import (
    Fields,
    Kind,
    calls_of,
    choice_of,
    citations_of,
    object_in,
    texts_of,
)
from shared.wire.translation.interfaces import Asked
from shared.wire.translation.message_blocks import BlockWriter, event

_DONE = b"[DONE]"
_LAST = event("message_stop", {})


class ChatToMessagesStream:
    """Translates a stream as it passes; what is said becomes what `translate_completion` makes.

    The message ends with `[DONE]`, since usage may come after the finish reason; a stream that
    ends without it is complete if it had a finish reason. Usage is what the upstream reported,
    0 where it did not: the bill's estimate is the meter's, and is not known here.

    Args:
        asked: What is to be known of the request.
    """

    def __init__(self, asked: Asked) -> None:
        self.failed = False
        self.ended = False
        self._asked = asked
        self._blocks = BlockWriter(asked.request_id)
        self._begun = False
        self._known: Fields = {}
        self._usage: Usage | None = None
        self._finish_reason: Any = None
        self._refused = False

    def translate(self, events: list[Event]) -> bytes:
        """As `StreamTranslator.translate`."""
        for each in events:
            if self.ended:
                break
            if each.data == _DONE:
                self._complete()
            elif each.data:
                self._take(each.data)
        return self._written()

    def flush(self) -> bytes:
        """As `StreamTranslator.flush`."""
        if self.ended:
            return b""
        if self._finish_reason is None:
            raise StreamError("the stream ended early")
        self._complete()
        return self._written()

    def _written(self) -> bytes:
        written = b"".join(self._blocks.written)
        self._blocks.written.clear()
        return written

    def _take(self, data: bytes) -> None:
        chunk = object_of(data)
        if chunk is None:
            raise StreamError("an event is no JSON object")
        text = _plain_text(chunk)
        if text and self._begun:
            self._blocks.text(Kind.TEXT, text)
            return
        if reports_error(chunk):
            self._fail(data)
            return
        self._usage = reported_usage(chunk) or self._usage
        choice = choice_of(chunk)
        if not self._begun:
            self._know(chunk)
            if choice is not None:
                self._begin()
        if choice is not None:
            self._tell(object_in(choice, "delta"))
            self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def _tell(self, delta: Fields) -> None:
        for kind, text in texts_of(delta):
            self._refused = self._refused or kind is Kind.REFUSAL
            self._blocks.text(kind, text)
        for part in calls_of(delta):
            self._blocks.call(part)
        for citation in citations_of(delta):
            self._blocks.citation(citation)

    def _know(self, chunk: Fields) -> None:
        """Keep what the message starts with: Azure's first chunk has neither id nor model."""
        self._known |= {name: value for name, value in chunk.items() if value}

    def _begin(self) -> None:
        self._begun = True
        fields = {"message": opening(self._known, self._asked)}
        self._blocks.written.append(event("message_start", fields))

    def _complete(self) -> None:
        if not self._begun:
            self._begin()
        self._blocks.close()
        reason = stop_reason_of(
            self._finish_reason, called=self._blocks.called, refused=self._refused
        )
        fields = {
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": usage_fields(self._usage or Usage()),
        }
        self._blocks.written += (event("message_delta", fields), _LAST)
        self.ended = True

    def _fail(self, data: bytes) -> None:
        error = reported_error(data, self._asked.secrets)
        told = error_event(error, Dialect.ANTHROPIC, self._asked.request_id)
        self._blocks.written.append(told)
        self.failed = self.ended = True


def _plain_text(chunk: Fields) -> str | None:
    """The text of a chunk that holds nothing but more text, as most do; None for any other."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or chunk.get("usage"):
        return None
    choice = choices[0]
    if chunk.get("error") or chunk.get("x_groq"):
        return None
    if not isinstance(choice, dict) or choice.get("finish_reason") or choice.get("index"):
        return None
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) and len(delta) == 1 else None
    return text if isinstance(text, str) else None
