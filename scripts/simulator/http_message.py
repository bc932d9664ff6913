"""What crosses the wire: a request as received, a reply as a plan of steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, headers in the order, spelling and number they came in."""

    method: str
    target: str
    version: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case; None when absent."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants the connection to stay open."""
        wish = (self.header("connection") or "").lower()
        return wish != "close" if self.version == "HTTP/1.1" else wish == "keep-alive"

    @property
    def key(self) -> str:
        """The credential: a bearer token, else `x-api-key`, else nothing."""
        scheme, _, token = (self.header("authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        return (self.header("x-api-key") or "").strip()


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent for a while."""

    seconds: float


class Ending(Enum):
    """Ways a reply stops short."""

    STALL = "stalled"
    RESET = "reset"


Step = bytes | Pause | Ending


@dataclass(slots=True)
class Reply:
    """A plan: the head, then steps; each piece of bytes is one chunk of a chunked body.

    Attributes:
        status: HTTP status.
        headers: All but framing, in order.
        steps: Bytes to send, pauses, and how it stops short.
        length: Content-Length; None sends the body chunked.
        delay_s: Silence before the head.
        separate: Every piece is a write of its own, never merged with the next.
        is_stream: Pieces are events and are counted.
        usage: What the reply reports, as reported.
        recorded: Whole body of a recording, in which events are counted.
    """

    status: int
    headers: list[tuple[str, str]]
    steps: Iterable[Step]
    length: int | None = None
    delay_s: float = 0.0
    separate: bool = False
    is_stream: bool = False
    usage: Mapping[str, object] | None = None
    recorded: bytes | None = field(default=None, repr=False)

    @classmethod
    def whole(
        cls, status: int, headers: Iterable[tuple[str, str]], body: bytes, **more: object
    ) -> Reply:
        """A body sent in one piece with its length."""
        return cls(status, list(headers), (body,), length=len(body), **more)  # type: ignore[arg-type]
