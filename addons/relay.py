"""The one callable that mitmproxy runs for every piece of a stream.

mitmproxy loses the piece when it raises and goes on, so it never raises: it ends the stream with an
error event.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from addons.context import RequestContext
from addons.metering import StreamMeter
from shared.domain.usage import Usage
from shared.errors import GatewayError, StreamError
from shared.wire import errors as wire
from shared.wire.content_filter import ContentFilter
from shared.wire.filtering.requests import asks_for_structure
from shared.wire.filtering.stream import StreamFilter
from shared.wire.formats import WireFormat
from shared.wire.translation.directions import stream_translator
from shared.wire.translation.interfaces import Asked, StreamTranslator
from shared.wire.usage_chunk import UsageChunkFilter
from shared.wire.whole_events import WholeEvents

logger = logging.getLogger(__name__)

NOTE_S = 1.0
NOTE_BYTES = 4096


class Stage(Protocol):
    """A step of an answer's bytes towards the client: whole events out, cut anywhere in."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; returns those that may go on, possibly none."""

    def flush(self) -> bytes:
        """The stream is complete: what was held back."""


class Relay:
    """The stream callable of one answer.

    Args:
        context: Of the request.
        meter: Reads usage from the upstream's bytes.
        checkpoint: Tells the ledger how far the stream has come.
        content_filter: What the answer is cleared of.
        secrets: Words that no error may show: the upstream's host, its key.
    """

    def __init__(
        self,
        context: RequestContext,
        meter: StreamMeter,
        checkpoint: Callable[[str, Usage], None],
        content_filter: ContentFilter | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.failed = False
        self._context = context
        self._meter = meter
        self._checkpoint = checkpoint
        self._estimate = context.outgoing.input_estimate if context.outgoing else 0
        self._translator = translator_of(context, secrets)
        self._stages: list[Stage] = [] if self._translator else native_stages(context)
        self._filter: StreamFilter | None = None
        if content_filter is not None:
            structured = wants_structure(context)
            self._filter = content_filter.stream(context.format, structured=structured)
            self._stages.append(self._filter)
        self._ended = False
        self._told = False
        self._noted_at_s = float("-inf")
        self._unnoted_bytes = 0

    def __call__(self, data: bytes) -> list[bytes]:
        """Chunks for what arrived; `b""` means that the upstream has ended."""
        if self._ended:
            return []
        try:
            return self._pass(data) if data else self._end()
        except StreamError as error:
            logger.warning("request %s: %s", self._context.request_id, error)
            self.failed = True
            return self.fail(wire.upstream_failed(str(error)))
        except Exception:  # mitmproxy would lose this piece and go on
            logger.exception("relaying request %s failed", self._context.request_id)
            self.failed = True
            return self.fail(wire.internal_error())

    def fail(self, error: GatewayError) -> list[bytes]:
        """End the stream with an error event; one that was complete already just ends."""
        if self._ended:
            return []
        if self._upstream_told and not self.failed:
            self._ended = True
            self._context.end_reason = "upstream_error"
            return _chunks(self._filter.flush() if self._filter is not None else b"")
        if self._whole and not self.failed:
            try:
                return self._finish()
            except StreamError as broken:
                logger.warning("request %s: %s", self._context.request_id, broken)
        self._ended = True
        waiting = self._filter.flush() if self._filter is not None else b""
        return [*_chunks(waiting), *self.report(error)]

    def report(self, error: GatewayError) -> list[bytes]:
        """An error event, be the stream ended or not; once."""
        if self._told:
            return []
        self._told = True
        context = self._context
        context.end_reason = context.end_reason or error.code
        return [wire.error_event(error, context.format, context.request_id)]

    @property
    def _upstream_told(self) -> bool:
        """Whether the client has been told of an error by the upstream's own event."""
        translated = self._translator is not None and self._translator.failed
        return translated or self._meter.reader.error

    @property
    def _whole(self) -> bool:
        """Whether the client's last event has come, or has been written."""
        return self._meter.reader.complete if self._translator is None else self._translator.ended

    def _pass(self, data: bytes) -> list[bytes]:
        events = self._meter.reader.feed(data)
        self._note(len(data))
        if self._translator is not None:
            data = self._translator.translate(events)
        for stage in self._stages:
            data = stage.feed(data)
        return _chunks(data)

    def _note(self, size: int) -> None:
        """Tell the ledger how far the stream has come, every second or few kilobytes."""
        self._unnoted_bytes += size
        now_s = time.monotonic()
        if now_s - self._noted_at_s < NOTE_S and self._unnoted_bytes < NOTE_BYTES:
            return
        self._noted_at_s, self._unnoted_bytes = now_s, 0
        self._checkpoint(self._context.request_id, self._meter.usage(self._estimate))

    def _end(self) -> list[bytes]:
        """The upstream has ended: complete, or cut without a word."""
        last = self._meter.reader.close()
        data = self._translator.translate(last) if self._translator is not None else b""
        if self._upstream_told:
            self._context.end_reason = "upstream_error"
        elif self._translator is None and not self._whole:
            return self.fail(wire.upstream_failed("the stream ended early"))
        try:
            return self._finish(data)
        except StreamError as error:
            return self.fail(wire.upstream_failed(str(error)))

    def _finish(self, data: bytes = b"") -> list[bytes]:
        if self._translator is not None:
            data += self._translator.flush()
        for stage in self._stages:
            data = stage.feed(data) + stage.flush() if data else stage.flush()
        self._ended = True
        return _chunks(data)


def translator_of(
    context: RequestContext, secrets: tuple[str, ...] = ()
) -> StreamTranslator | None:
    """A translator of the answer, None where client and upstream speak the same dialect."""
    if not context.translates:
        return None
    return stream_translator(context.dialect, asked_by(context, secrets))


def native_stages(context: RequestContext) -> list[Stage]:
    """What an answer's bytes pass where nothing is translated."""
    stages: list[Stage] = [WholeEvents()]
    asked = context.parsed is not None and context.parsed.asked_for_usage
    if context.format is WireFormat.CHAT and not asked:
        stages.append(UsageChunkFilter())
    return stages


def wants_structure(context: RequestContext) -> bool:
    """Whether the text of the answer is to be JSON."""
    return context.parsed is not None and asks_for_structure(context.parsed.body)


def asked_by(context: RequestContext, secrets: tuple[str, ...] = ()) -> Asked:
    """What the translation of an answer must know of its request."""
    return Asked(
        context.request_id,
        int(context.arrived_at.timestamp()),
        wants_usage=context.parsed is not None and context.parsed.asked_for_usage,
        secrets=secrets,
    )


def _chunks(data: bytes) -> list[bytes]:
    return [data] if data else []
