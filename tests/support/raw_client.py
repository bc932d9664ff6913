"""A client that sends bytes as they are and reads answers strictly."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any, Self

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: Its status.
        headers: Names in lower case; repeated ones joined by a comma.
        body: Decoded from its framing.
        version: As in the status line.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    version: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        """The events of a stream, each without its closing empty line."""
        return [event for event in self.body.split(b"\n\n") if event.strip()]


class BrokenAnswer(AssertionError):
    """What came is no whole HTTP answer."""


class RawClient:
    """One connection to a port of this machine."""

    def __init__(self, port: int, timeout_s: float = TIMEOUT_S) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send; a peer that has closed already is fine."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def ask(self, data: bytes, method: str = "GET") -> Answer:
        """Send a request and read its answer."""
        self.send(data)
        return self.read(method)

    def read(self, method: str = "GET") -> Answer:
        """The next final answer; `method` is that of its request.

        Raises:
            BrokenAnswer: The connection ended inside of it.
        """
        answer = self.read_head_and_body(method)
        while answer.status == 100:
            answer = self.read_head_and_body(method)
        return answer

    def read_head_and_body(self, method: str = "GET") -> Answer:
        """The next answer, interim ones too."""
        status_line, *lines = self._until(b"\r\n\r\n").split(b"\r\n")
        version, status, _ = status_line.decode().split(" ", 2)
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.decode().partition(":")
            key = name.lower()
            headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value.strip()
        bodyless = method == "HEAD" or int(status) in (100, 204, 304)
        body = b"" if bodyless else self._body(headers)
        return Answer(int(status), headers, body, version)

    def read_some(self) -> bytes:
        """The next bytes, whatever they are; empty at the end of the connection."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self._receive()

    def read_until(self, mark: bytes) -> bytes:
        """Bytes up to and with a mark."""
        return self._until(mark) + mark

    def is_closed(self, within_s: float = 5.0) -> bool:
        """Whether the peer closes in time, having sent nothing more."""
        self.socket.settimeout(within_s)
        try:
            return self._receive() == b"" and not self._buffer
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(TIMEOUT_S)

    def half_close(self) -> None:
        """No more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close, unread data or not."""
        self.socket.close()

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return self._chunked()
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self._rest()

    def _chunked(self) -> bytes:
        body = b""
        while True:
            size = int(self._until(b"\r\n"), 16)
            data = self._exactly(size + 2)
            if not data.endswith(b"\r\n"):
                raise BrokenAnswer(f"a chunk is not closed: {data[-20:]!r}")
            if not size:
                return body
            body += data[:-2]

    def _rest(self) -> bytes:
        while data := self._receive():
            self._buffer += data
        body, self._buffer = self._buffer, b""
        return body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise BrokenAnswer(f"the connection ended after {self._buffer[-200:]!r}")
        self._buffer += data

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""
