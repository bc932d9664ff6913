"""Raw server-sent events: apart, their data, and with other data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

# Atomic, so that the CR and the LF of one CRLF are never taken for two line ends.
_BOUNDARY = re.compile(rb"(?>\r\n|\n|\r){2,}")
_DATA = re.compile(rb"(?:^|(?<=[\r\n]))data(?:: ?([^\r\n]*))?(?=[\r\n]|\Z)(?>\r\n|\n|\r|\Z)")


def split_events(events: bytes) -> Iterator[bytes]:
    """Each event with the empty lines that close it; their bytes add up to what came."""
    if events.count(b"\n\n") == 1 and events.endswith(b"\n\n") and b"\r" not in events:
        yield events
        return
    start = 0
    for boundary in _BOUNDARY.finditer(events):
        yield events[start : boundary.end()]
        start = boundary.end()
    if start < len(events):
        yield events[start:]


def data_of(event: bytes) -> bytes | None:
    """Its data, several lines joined; None for a comment or an empty line."""
    lines = [line[1] or b"" for line in _DATA.finditer(event)]
    return b"\n".join(lines) if lines else None


def with_data(event: bytes, data: bytes) -> bytes:
    """The event with other data on one line; every other line stays as it is."""
    lines = list(_DATA.finditer(event))
    first, last = lines[0], lines[-1]
    ending = first[0][len(first[0].rstrip(b"\r\n")) :]
    between = b"".join(event[one.end() : two.start()] for one, two in pairwise(lines))
    kept = between + event[last.end() :]
    return event[: first.start()] + b"data: " + data + ending + kept
