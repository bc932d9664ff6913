"""A lean load generator, a process of its own: keep-alive clients on raw sockets.

`python -m scripts.benchmark.load` reads a LoadPlan as JSON from standard input and prints a
LoadResult as JSON. It reads the CPU time of watched processes at both ends of the measured window.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from dataclasses import dataclass, field
from typing import cast

from scripts.benchmark.processes import cpu_ms

GIVE_UP_S = 30.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to send where, for how long; `requests` are sent in turn by all clients."""

    port: int
    requests: list[str]
    end: str
    connections: int
    warm_up_s: float
    seconds: float
    watch: list[int]


@dataclass(slots=True)
class LoadResult:
    """What came of it: counts and CPU time are those of the measured window."""

    answers: int = 0
    failures: int = 0
    first_failure: str = ""
    seconds: float = 0.0
    cpu_ms: dict[str, float] = field(default_factory=dict)
    first_byte_ms: list[float] = field(default_factory=list)
    whole_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds if self.seconds else 0.0


class Client(asyncio.Protocol):
    """One keep-alive connection: a request, its answer to the end, the next request."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._answer = bytearray()
        self._body_at = -1
        self._length: int | None = None
        self._sent_at = 0.0
        self._first_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that ends before the run does is a failure."""
        self._run.lost(f"connection lost: {exc}")

    def _ask(self) -> None:
        if self._transport is None or self._run.is_over:
            return
        self._answer.clear()
        self._body_at = -1
        self._first_at = 0.0
        self._sent_at = time.perf_counter()
        self._transport.write(self._run.next_request())

    def data_received(self, data: bytes) -> None:
        """Takes a piece of the answer; at its end asks again."""
        self._answer += data
        if self._body_at < 0 and not self._read_head():
            return
        if not self._first_at and len(self._answer) > self._body_at:
            self._first_at = time.perf_counter()
        if self._is_whole():
            self._run.answered(self._answer, self._sent_at, self._first_at)
            self._ask()

    def _read_head(self) -> bool:
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._body_at = end + 4
        head = bytes(self._answer[:end]).lower()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        self._length = int(rest.partition(b"\r\n")[0]) if found else None
        return True

    def _is_whole(self) -> bool:
        if self._length is not None:
            return len(self._answer) >= self._body_at + self._length
        return self._answer.endswith(b"0\r\n\r\n")


class Run:
    """One run: clients, the window that counts, what was seen."""

    def __init__(self, plan: LoadPlan) -> None:
        self.result = LoadResult()
        self.is_over = False
        self._plan = plan
        self._requests = [request.encode("utf-8") for request in plan.requests]
        self._end = plan.end.encode("utf-8")
        self._next = 0
        self._counts = False

    def next_request(self) -> bytes:
        """The next request in turn."""
        self._next += 1
        return self._requests[self._next % len(self._requests)]

    def answered(self, answer: bytearray, sent_at: float, first_at: float) -> None:
        """A whole answer came."""
        if not answer.startswith(b"HTTP/1.1 200") or answer.find(self._end, -4096) < 0:
            self.failed(bytes(answer[:400]).decode("latin-1"))
        elif self._counts:
            self.result.answers += 1
            self.result.first_byte_ms.append((first_at - sent_at) * 1000)
            self.result.whole_ms.append((time.perf_counter() - sent_at) * 1000)

    def lost(self, why: str) -> None:
        """A connection went away."""
        if not self.is_over:
            self.failed(why)

    def failed(self, why: str) -> None:
        """Notes a failure, the first one in words."""
        self.result.failures += 1
        self.result.first_failure = self.result.first_failure or why

    async def measure(self) -> LoadResult:
        """Warms up, measures, stops."""
        loop = asyncio.get_running_loop()
        transports = []
        for _ in range(self._plan.connections):
            opened = await loop.create_connection(
                lambda: Client(self), "127.0.0.1", self._plan.port
            )
            transports.append(opened[0])
        await asyncio.sleep(self._plan.warm_up_s)
        before, started = self._cpu(), time.perf_counter()
        self._counts = True
        await asyncio.sleep(self._plan.seconds)
        self._counts, self.is_over = False, True
        after, self.result.seconds = self._cpu(), time.perf_counter() - started
        self.result.cpu_ms = {pid: after[pid] - before[pid] for pid in before}
        for transport in transports:
            transport.abort()
        return self.result

    def _cpu(self) -> dict[str, float]:
        return {str(pid): cpu_ms(pid) for pid in self._plan.watch}


def main() -> None:
    """Reads the plan, runs it, prints the result."""
    plan = LoadPlan(**json.load(sys.stdin))
    result = asyncio.run(Run(plan).measure())
    print(json.dumps(dataclasses.asdict(result)))


if __name__ == "__main__":
    main()
