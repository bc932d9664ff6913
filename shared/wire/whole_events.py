"""Holds back an event that is not complete.

A client could not read it anyway, and an error event could not follow a torn one.
"""

from __future__ import annotations

_BOUNDARIES = (b"\n\n", b"\r\n\r\n", b"\r\r")
_OVERLAP_BYTES = 3


class WholeEvents:
    """Relays a stream event by event, its bytes as they came.

    Only what is new is searched: a large event comes in many pieces.
    """

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._overlap = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; returns those of complete events, possibly none."""
        end = last_boundary(self._overlap + chunk) - len(self._overlap)
        if end <= 0:
            self._held.append(chunk)
            self._overlap = (self._overlap + chunk)[-_OVERLAP_BYTES:]
            return b""
        events = b"".join([*self._held, chunk[:end]])
        rest = chunk[end:]
        self._held = [rest] if rest else []
        self._overlap = rest[-_OVERLAP_BYTES:]
        return events

    def flush(self) -> bytes:
        """End the stream: a last event that lacks its empty line."""
        held, self._held, self._overlap = b"".join(self._held), [], b""
        return held


def last_boundary(data: bytes) -> int:
    """Where the last complete event of a piece of a stream ends, 0 when none does."""
    if data.endswith(b"\n\n"):
        return len(data)
    ends = (data.rfind(mark) + len(mark) for mark in _BOUNDARIES if mark in data)
    return max(ends, default=0)
