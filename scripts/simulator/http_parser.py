"""HTTP/1.1 requests out of bytes, kept as they came; pure."""

from __future__ import annotations

from scripts.simulator.http_message import Headers, Request

MAX_HEAD_BYTES = 1 << 20


class MalformedRequest(Exception):
    """Bytes that are no request; `head` holds what came."""

    def __init__(self, reason: str, head: bytes) -> None:
        super().__init__(reason)
        self.head = head


class RequestParser:
    """Takes bytes in any pieces; gives whole requests."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._body_start = 0
        self._length: int | None = None
        self._chunks: list[bytes] = []
        self.expects_continue = False

    @property
    def is_mid_request(self) -> bool:
        """Whether part of a request has come."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """The next whole request, or None until more bytes come.

        Raises:
            MalformedRequest: the bytes are no HTTP/1 request.
        """
        if self._head is None and not self._read_head():
            return None
        body = self._read_counted() if self._length is not None else self._read_chunked()
        if body is None or self._head is None:
            return None
        head, self._head, self.expects_continue = self._head, None, False
        return Request(head.method, head.target, head.version, head.headers, body)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise MalformedRequest("head too large", bytes(self._buffer[:1024]))
            return False
        raw = bytes(self._buffer[:end])
        head = _parse_head(raw)
        self._length = _body_length(head, raw)
        self._body_start = end + 4
        self._head = head
        self.expects_continue = (head.header("expect") or "").lower() == "100-continue"
        return True

    def _read_counted(self) -> bytes | None:
        end = self._body_start + (self._length or 0)
        if len(self._buffer) < end:
            return None
        return self._take(bytes(self._buffer[self._body_start : end]), end)

    def _read_chunked(self) -> bytes | None:
        while (line_end := self._buffer.find(b"\r\n", self._body_start)) >= 0:
            size = _chunk_size(bytes(self._buffer[self._body_start : line_end]))
            start = line_end + 2
            if size == 0:
                return self._end_of_chunks(start)
            if len(self._buffer) < start + size + 2:
                return None
            self._chunks.append(bytes(self._buffer[start : start + size]))
            self._body_start = start + size + 2
        return None

    def _end_of_chunks(self, at: int) -> bytes | None:
        """Skips trailers, which no provider reads."""
        end = at + 2
        if self._buffer[at:end] != b"\r\n":
            found = self._buffer.find(b"\r\n\r\n", at)
            if found < 0:
                return None
            end = found + 4
        body = b"".join(self._chunks)
        self._chunks.clear()
        return self._take(body, end)

    def _take(self, body: bytes, end: int) -> bytes:
        del self._buffer[:end]
        return body


def _parse_head(raw: bytes) -> Request:
    first, *lines = raw.split(b"\r\n")
    parts = first.decode("latin-1").split(" ")
    if len(parts) != 3 or parts[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise MalformedRequest("no request line", raw)
    return Request(parts[0], parts[1], parts[2], _parse_headers(lines, raw), b"")


def _parse_headers(lines: list[bytes], raw: bytes) -> Headers:
    pairs: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name[-1] in " \t" or name[0] in " \t":
            raise MalformedRequest("no header line", raw)
        pairs.append((name, value.strip(" \t")))
    return tuple(pairs)


def _body_length(head: Request, raw: bytes) -> int | None:
    coding, length = head.header("transfer-encoding"), head.header("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise MalformedRequest("ambiguous framing", raw)
        return None
    if length is None:
        return 0
    if not length.isascii() or not length.isdigit():
        raise MalformedRequest("no content length", raw)
    return int(length)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16)
    except ValueError:
        raise MalformedRequest("no chunk size", line) from None
