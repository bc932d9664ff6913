"""Hides the usage chunk that only the gateway asked for.

Upstreams of OpenAI's dialect send usage in one last chunk without choices, when asked. The
gateway always asks; a client that did not must not see that chunk, since some read
`choices[0]` of every one.
"""

from __future__ import annotations

import re

from shared.wire.sse import MAX_EVENT_BYTES, EventScanner
from shared.wire.token_counts import object_of

_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
# Atomic, so that the CR and the LF of one CRLF are never taken for two line ends.
_BOUNDARY = re.compile(rb"(?>\r\n|\n|\r){2}")


class UsageChunkFilter:
    """Drops the usage chunk from a stream, leaving every other byte as it came.

    Only the event that is not yet complete is held back. What is larger than 1 MiB is no usage
    chunk and passes.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; returns those that may go on, possibly none."""
        buffer = self._held + chunk
        # Upstreams put `"usage": null` into every chunk: only one without choices is looked at.
        if buffer.endswith(b"\n\n") and _NO_CHOICES.search(buffer) is None:
            self._held = b""
            return buffer
        passed, start = [], 0
        for boundary in _BOUNDARY.finditer(buffer):
            if boundary.end() == len(buffer) and buffer.endswith(b"\r"):
                break  # the LF of a CRLF may follow
            passed.append(_unless_usage(buffer[start : boundary.end()]))
            start = boundary.end()
        self._held = buffer[start:]
        if len(self._held) > MAX_EVENT_BYTES:
            passed.append(self._held)
            self._held = b""
        return b"".join(passed)

    def flush(self) -> bytes:
        """End the stream: what was held back, unless it is a usage chunk."""
        held, self._held = self._held, b""
        return _unless_usage(held)


def _unless_usage(event: bytes) -> bytes:
    if _NO_CHOICES.search(event) is None:
        return event
    scanner = EventScanner()
    for read in (*scanner.decode(event), *scanner.flush()):
        chunk = object_of(read.data) or {}
        if chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict):
            return b""
    return event
