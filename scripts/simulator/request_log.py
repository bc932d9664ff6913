"""The oracle: every request as it came, and what became of its reply."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from scripts.simulator.http_message import Headers, Reply, Request

SECRET_HEADERS = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})
KEY_SUFFIX_CHARS = 8


@dataclass(slots=True)
class Exchange:
    """One request and the fate of its reply. Times are seconds since the epoch."""

    number: int
    at: float
    request: Request
    reply: Reply
    model: str | None = None
    note: str | None = None
    body_bytes: int = 0
    is_body_dropped: bool = False
    first_byte_at: float | None = None
    ended_at: float | None = None
    end: str | None = None
    pieces: int = 0
    bytes_sent: int = 0

    def started(self, at: float) -> None:
        """The head is about to leave."""
        self.first_byte_at = at

    def sent(self, size: int) -> None:
        """A piece of `size` body bytes was handed to the connection."""
        self.pieces += 1
        self.bytes_sent += size

    def stalled(self, at: float) -> None:
        """The reply has gone silent and will stay so."""
        if self.end is None:
            self.end, self.ended_at = "stalled", at

    def ended(self, how: str, at: float) -> None:
        """The reply is over: `complete`, `reset` or `client_left`."""
        self.end, self.ended_at = how, at
        # The plan is spent; what it holds would be kept for as long as the entry.
        self.reply.steps = ()

    @property
    def events(self) -> int:
        """Events sent so far; 0 for a body that is no stream."""
        if self.reply.recorded is not None:
            sent = self.reply.recorded[: self.bytes_sent].replace(b"\r", b"")
            return sent.count(b"\n\n")
        return self.pieces if self.reply.is_stream else 0


@dataclass(slots=True)
class RequestLog:
    """Exchanges in order of arrival; bounded in number and in bytes of bodies.

    The oldest bodies are dropped (`bodyDropped`) when all together pass `body_budget_bytes`;
    the oldest entries when there are more than `max_entries`.
    """

    redact: bool = False
    body_cap_bytes: int = 256 * 1024
    body_budget_bytes: int = 64 * 1024 * 1024
    max_entries: int = 20_000
    _entries: deque[Exchange] = field(default_factory=deque)
    _with_body: deque[Exchange] = field(default_factory=deque)
    _held_bytes: int = 0
    _count: int = 0

    def open(
        self,
        at: float,
        request: Request,
        reply: Reply,
        *,
        model: str | None = None,
        note: str | None = None,
    ) -> Exchange:
        """Adds an exchange; `note` says why the request was refused, if it was."""
        self._count += 1
        entry = Exchange(self._count, at, request, reply, model, note)
        entry.body_bytes = len(request.body)
        self._entries.append(entry)
        self._with_body.append(entry)
        self._held_bytes += entry.body_bytes
        self._shed()
        return entry

    def _shed(self) -> None:
        if len(self._entries) > self.max_entries:
            self._entries.popleft()
        while self._held_bytes > self.body_budget_bytes or len(self._with_body) > self.max_entries:
            entry = self._with_body.popleft()
            self._held_bytes -= entry.body_bytes
            entry.is_body_dropped = entry.body_bytes > 0
            old = entry.request
            entry.request = Request(old.method, old.target, old.version, old.headers, b"")

    def clear(self) -> None:
        """Forgets all entries; those under way are no longer listed."""
        self._entries.clear()
        self._with_body.clear()
        self._held_bytes = 0
        self._count = 0

    def lines(self) -> bytes:
        """All entries as JSON lines."""
        return b"".join(orjson.dumps(self.describe(entry)) + b"\n" for entry in self._entries)

    def describe(self, entry: Exchange) -> dict[str, object]:
        """One entry as JSON-ready values."""
        request = entry.request
        key = request.key
        digest = hashlib.sha256(key.encode("latin-1")).hexdigest()
        return {
            "number": entry.number,
            "at": entry.at,
            "method": request.method,
            "path": request.target,
            "headers": self._headers(request.headers),
            "keySuffix": key[-4:] if self.redact else key[-KEY_SUFFIX_CHARS:],
            "keySha256": None if self.redact or not key else digest,
            "model": entry.model,
            "body": request.body[: self.body_cap_bytes].decode("utf-8", "replace"),
            "bodyBytes": entry.body_bytes,
            "bodyDropped": entry.is_body_dropped,
            "json": _parsed(request.body),
            "note": entry.note,
            "answer": _answer(entry),
        }

    def _headers(self, headers: Headers) -> list[tuple[str, str]]:
        if not self.redact:
            return list(headers)
        return [(name, _hidden(name, value)) for name, value in headers]


def _hidden(name: str, value: str) -> str:
    return f"[hidden]…{value[-4:]}" if name.lower() in SECRET_HEADERS else value


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _answer(entry: Exchange) -> Mapping[str, object]:
    return {
        "status": entry.reply.status,
        "stream": entry.reply.is_stream,
        "events": entry.events,
        "bytes": entry.bytes_sent,
        "usage": entry.reply.usage,
        "end": entry.end,
        "clientLeft": entry.end == "client_left",
        "firstByteAt": entry.first_byte_at,
        "endedAt": entry.ended_at,
    }
