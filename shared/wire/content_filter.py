"""The content filter of config.json: what answers say, less what the operator wants hidden.

It works on what the assistant says and on messages of errors. Arguments of tools, structured
output, quoted sources and signed thinking are never rewritten: clients run, parse, compare or send
them back.
"""

from __future__ import annotations

import orjson

from shared.domain.catalog import FilterSpec
from shared.wire.filtering.chat import ChatReader
from shared.wire.filtering.messages import MessagesReader
from shared.wire.filtering.readers import AnswerReader, Measures
from shared.wire.filtering.responses import ResponsesReader
from shared.wire.filtering.rules import RuleSet
from shared.wire.filtering.stream import StreamFilter
from shared.wire.filtering.text import filter_text
from shared.wire.formats import WireFormat
from shared.wire.token_counts import object_of

# What is not listed holds Anthropic's errors and no text.
_READERS: dict[WireFormat, type[ChatReader | MessagesReader | ResponsesReader]] = {
    WireFormat.CHAT: ChatReader,
    WireFormat.MESSAGES: MessagesReader,
    WireFormat.RESPONSES: ResponsesReader,
}


class ContentFilter:
    """The filter, compiled. It keeps no state: one serves all answers.

    Attributes:
        thinking: What becomes of thinking.
    """

    def __init__(self, spec: FilterSpec) -> None:
        """Compile.

        Raises:
            PatternError: A rule is none; config.json with such a rule does not load.
        """
        self.thinking = spec.thinking
        self._rules = RuleSet(spec.rules)
        self._none = RuleSet(())

    @classmethod
    def of(cls, spec: FilterSpec) -> ContentFilter | None:
        """The filter, None where there is nothing to filter."""
        return cls(spec) if spec != FilterSpec() else None

    def text(self, text: str) -> str:
        """A text of the gateway's own making that quotes others, such as a message of an error."""
        return filter_text(self._rules, text)

    def body(self, wire_format: WireFormat, body: bytes, *, structured: bool = False) -> bytes:
        """An answer or error in one piece; its own bytes where nothing changed.

        Args:
            wire_format: The format that the client reads.
            body: JSON; anything else passes.
            structured: The client asked for JSON, so that the text is left alone.
        """
        fields = object_of(body)
        if fields is None:
            return body
        reader: AnswerReader = _READERS.get(wire_format, MessagesReader)(
            self._measures(structured=structured)
        )
        return orjson.dumps(fields) if reader.body(fields) else body

    def stream(self, wire_format: WireFormat, *, structured: bool = False) -> StreamFilter:
        """The filter of one stream; its arguments are those of `body`."""
        measures = self._measures(structured=structured)
        return StreamFilter(_READERS.get(wire_format, MessagesReader)(measures), measures.said)

    def _measures(self, *, structured: bool) -> Measures:
        said = self._none if structured else self._rules
        return Measures(said, self._rules, self.thinking)
