"""The filter over a stream of events in the client's format."""

from __future__ import annotations

from collections import deque

from shared.wire.filtering.draft import Draft, Voices
from shared.wire.filtering.raw_events import data_of, split_events
from shared.wire.filtering.readers import AnswerReader
from shared.wire.filtering.rules import RuleSet
from shared.wire.sse import MAX_EVENT_BYTES
from shared.wire.token_counts import object_of

_DONE = b"[DONE]"


class StreamFilter:
    """Replaces text across the events that it is cut into.

    An event whose text may still become part of a match waits, and all that follow wait behind it,
    so that nothing changes places. The end of a text (its block, its choice, a call of a tool)
    decides it. An event that no rule touches keeps its bytes.
    """

    def __init__(self, reader: AnswerReader, rules: RuleSet) -> None:
        self._reader = reader
        self._voices = Voices(rules)
        self._waiting: deque[Draft] = deque()
        self._waiting_bytes = 0

    def feed(self, events: bytes) -> bytes:
        """Take whole events; returns those that may go on, possibly none."""
        return b"".join([self._take(event) for event in split_events(events)])

    def flush(self) -> bytes:
        """The stream has ended: the events that wait."""
        self._voices.close_all()
        return self._settled()

    def _take(self, event: bytes) -> bytes:
        data = data_of(event)
        fields = object_of(data) if data is not None else None
        draft = Draft(event, fields or {}, self._voices)
        if fields is not None:
            self._reader.event(draft)
        elif data == _DONE:
            self._voices.close_all()
        self._waiting.append(draft)
        self._waiting_bytes += len(event)
        if self._waiting_bytes > MAX_EVENT_BYTES:
            self._voices.close_all()
        return self._settled()

    def _settled(self) -> bytes:
        """The events that are decided, up to the first that is not."""
        sent = []
        while self._waiting and self._waiting[0].is_decided():
            draft = self._waiting.popleft()
            self._waiting_bytes -= len(draft.raw)
            sent.append(draft.settle())
        return b"".join(sent)
