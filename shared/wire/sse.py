"""An incremental reader of server-sent events, on bytes.

It only observes: the bytes themselves are relayed as they came. Field names and line ends are
those of the WHATWG HTML standard, section 9.2.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import StreamError

MAX_EVENT_BYTES = 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event.

    Attributes:
        name: Value of `event:`; empty when there was none.
        data: Values of `data:`, joined by line feeds, undecoded.
    """

    name: bytes
    data: bytes


class EventScanner:
    """Splits a stream of bytes, cut anywhere, into events.

    `decode` takes the next piece and returns the events it completes; `flush` returns what an
    upstream left without its closing empty line.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._partial: list[bytes] = []
        self._data: list[bytes] = []
        self._name = b""
        self._size = 0
        self._after_cr = False
        self._first = True

    def decode(self, chunk: bytes) -> list[Event]:
        """Take the next bytes.

        Raises:
            StreamError: One event is larger than the cap.
        """
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        if b"\n" not in chunk:
            self._grow(len(chunk))
            self._partial.append(chunk)
            return []
        lines = chunk.split(b"\n")
        if self._partial:
            begun = b"".join(self._partial)
            self._size -= len(begun)
            lines[0] = begun + lines[0]
        rest = lines.pop()
        events = self._read(lines)
        self._grow(len(rest))
        self._partial = [rest] if rest else []
        return events

    def flush(self) -> list[Event]:
        """End the stream: the event that was not closed, if it has data."""
        last = b"".join(self._partial)
        self._partial = []
        self._size = 0
        return self._read([last, b""])

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """Turn CR and CRLF into LF; a CRLF may be cut between two chunks."""
        if not chunk:
            return chunk
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read(self, lines: list[bytes]) -> list[Event]:
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        events = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(Event(self._name, b"\n".join(self._data)))
                self._name, self._data, self._size = b"", [], 0
                continue
            self._grow(len(line))
            if line.startswith(b"data: "):
                self._data.append(line[6:])
            else:
                self._field(line)
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ")

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._max:
            raise StreamError(f"an event is larger than {self._max} bytes")
