"""Two thousand broken requests: every answer is ours, in JSON, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable

import pytest

from shared.domain.catalog import Dialect
from shared.domain.keys import generate_key
from tests.support.gateway_worker import PATHS, UPSTREAM_KEY, RunningWorker, body, named, request
from tests.support.raw_upstream import RawUpstream

COUNT = 1_000
AT_ONCE = 100
# Longer than a busy machine takes to answer: many of these wait for more, and get no answer at all.
SILENT_S = 1.0
STATUSES = {400, 401, 404, 405, 413, 415, 426, 431, 502}

TOKENS = (
    b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"\xff", b"%00", b"/", b"..",
    b"HTTP/1.0", b"HTTP/2.0", b"HEAD ", b"GET ", b"CONNECT ", b"{", b"}", b"[", b'"', b",",
    b"1e400", b"-1", b"0",
    b"99999999999999999999", b"null", b"true", b"NaN", b"\\ud800", b'"stream":true',
    b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b"expect: 100-continue\r\n",
    b"connection: close\r\n", b"upgrade: h2c\r\n", b"host: evil.test\r\n", b"\x16\x03\x01",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"authorization: Bearer x\r\n", b"x-api-key: x\r\n",
)  # fmt: skip


def cut(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + data[at + dice.choice((1, 1, 2, 5, 40)) :]


def put_in(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(TOKENS) + data[at:]


def flip(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]


def repeat(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data))
    end = start + dice.choice((1, 10, 100, 1000))
    return data[:end] + data[start:end] * dice.choice((1, 1, 3)) + data[end:]


def swap_lines(data: bytes, dice: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\r\n".join(lines)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    cut,
    put_in,
    put_in,
    flip,
    repeat,
    swap_lines,
)


def templates(key: str) -> list[bytes]:
    """Requests that are good but for the key, maybe."""
    found = [request("GET", "/health"), request("HEAD", "/"), request("GET", "/v1/models")]
    for dialect in Dialect:
        data = body(dialect, named("raw", dialect), temperature=0.5, stop=["a"])
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (data[:30], data[30:]))
        bearer = f"authorization: Bearer {key}"
        found += [
            request("POST", PATHS[dialect], bearer, data=data),
            request("POST", PATHS[dialect], f"x-api-key: {key}", "accept: */*", data=data),
            request("POST", PATHS[dialect], bearer, "transfer-encoding: chunked")
            + chunks
            + b"0\r\n\r\n",
            request("POST", f"{PATHS[dialect]}?beta=true", bearer, "user-agent: x/1", data=data),
        ]
    return found


def broken_requests(key: str, seed: int) -> list[bytes]:
    """Requests with one to six faults each."""
    dice = random.Random(seed)
    good = templates(key)
    made = []
    for _ in range(COUNT):
        data = dice.choice(good)
        for _ in range(dice.randint(1, 6)):
            data = dice.choice(MUTATIONS)(data or b"x", dice)
        made.append(data)
    return made


async def answers_to(port: int, data: bytes) -> bytes:
    """All that comes back until the peer closes or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        writer.write(data)
        await writer.drain()
        while piece := await asyncio.wait_for(reader.read(65536), SILENT_S):
            received += piece
    writer.close()
    return received


async def ask_all(port: int, requests: list[bytes]) -> list[bytes]:
    """The answers to many requests, each on a connection of its own."""
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(data: bytes) -> bytes:
        async with places:
            return await answers_to(port, data)

    return await asyncio.gather(*map(ask, requests))


def split(received: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Answers one after the other, each of a status, headers and a body.

    Raises:
        ValueError: Something else came.
    """
    found = []
    while received:
        head, mark, received = received.partition(b"\r\n\r\n")
        line, *lines = head.decode("ascii").split("\r\n")
        if not mark or not line.startswith("HTTP/1.1 "):
            raise ValueError(f"no answer: {head[:200]!r}")
        headers = dict(one.lower().split(": ", 1) for one in lines)
        length = int(headers.get("content-length", "0"))
        # The answer to HEAD has a length and no body.
        content = b"" if received.startswith(b"HTTP/1.1 ") else received[:length]
        received = received[len(content) :]
        found.append((int(line.split(" ")[1]), headers, content))
    return found


def check(sent: bytes, received: bytes) -> int:
    """Check every answer to one broken request; how many there were."""
    try:
        found = split(received)
        for status, headers, content in found:
            if status == 100:
                continue
            assert status in STATUSES | {200}
            assert headers["content-type"] == "application/json"
            assert headers["x-request-id"].startswith("req_")
            assert "server" not in headers
            if status != 200 and content:
                assert json.loads(content)["error"]["message"]
    except (ValueError, KeyError, AssertionError) as error:
        raise AssertionError(f"{error!r}\nsent {sent!r}\nreceived {received!r}") from error
    return len(found)


@pytest.mark.parametrize("keyed", [False, True])
def test_broken_requests(worker: RunningWorker, raw_upstream: RawUpstream, keyed: bool) -> None:
    tasks = len(worker.run(asyncio.all_tasks))
    requests = broken_requests(worker.key if keyed else generate_key(), seed=7 + keyed)
    received = asyncio.run(ask_all(worker.port, requests))
    counts = [check(*pair) for pair in zip(requests, received, strict=True)]
    assert sum(count > 0 for count in counts) > COUNT / 3
    assert bool(raw_upstream.opened) == keyed
    assert all(UPSTREAM_KEY.encode() in one.head for one in raw_upstream.requests)
    assert not any(worker.key.encode() in one.raw for one in raw_upstream.requests)
    worker.spy.seen.clear()  # a key under a name that nobody knows stays on its flow
    worker.assert_clean()
    worker.wait_for(lambda: len(worker.run(asyncio.all_tasks)) <= tasks)
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)
