from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import StreamError
from shared.wire.sse import Event, EventScanner


def scan(data: bytes, size: int | None = None) -> list[Event]:
    scanner = EventScanner()
    step = size or max(1, len(data))
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    return [e for piece in pieces for e in scanner.decode(piece)] + scanner.flush()


CASES = {
    "two": (b"event: a\ndata: 1\n\ndata: 2\n\n", [Event(b"a", b"1"), Event(b"", b"2")]),
    "crlf": (b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", [(b"a", b"1"), (b"", b"2")]),
    "cr": (b"event: a\rdata: 1\r\rdata: 2\r\r", [(b"a", b"1"), (b"", b"2")]),
    "mixed line ends": (
        b"data: 1\r\n\ndata: 2\n\rdata: 3\r\r\n",
        [(b"", x) for x in b"1 2 3".split()],
    ),
    "no space": (b"event:a\ndata:1\n\n", [(b"a", b"1")]),
    "one space goes, two stay": (b"data:  1\n\n", [(b"", b" 1")]),
    "several lines": (b"data: 1\ndata: 2\ndata\n\n", [(b"", b"1\n2\n")]),
    "comments": (b": hello\n\n: x\ndata: 1\n: y\n\n", [(b"", b"1")]),
    "no data, no event": (b"event: a\n\ndata: 1\n\n", [(b"", b"1")]),
    "other fields": (b"id: 7\nretry: 10\ndata: 1\nfoo: bar\n\n", [(b"", b"1")]),
    "extra blank lines": (b"\n\n\ndata: 1\n\n\n\ndata: 2\n\n", [(b"", b"1"), (b"", b"2")]),
    "byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", [(b"", b"1")]),
    "byte order mark further on": (b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [(b"", b"1")]),
    "unclosed": (b"data: 1\n\ndata: 2", [(b"", b"1"), (b"", b"2")]),
    "unclosed with line end": (b"data: [DONE]\n", [(b"", b"[DONE]")]),
    "colon in data": (b'data: {"a": "b:c"}\n\n', [(b"", b'{"a": "b:c"}')]),
    "split characters": ("data: đồng 😀\n\n".encode(), [(b"", "đồng 😀".encode())]),
    "invalid UTF-8": (b"data: \xff\xfe\n\n", [(b"", b"\xff\xfe")]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
@pytest.mark.parametrize("case", CASES)
def test_events_whatever_the_split(case: str, size: int | None) -> None:
    data, events = CASES[case]
    assert scan(data, size) == events


names = st.sampled_from([b"", b"message_start", b"x"])
lines = st.binary(max_size=20).filter(lambda b: not set(b) & {10, 13})


@given(
    st.lists(st.tuples(names, st.lists(lines, min_size=1, max_size=3)), max_size=8),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.randoms(use_true_random=False),
)
def test_any_stream_in_any_pieces(
    events: list[tuple[bytes, list[bytes]]], end: bytes, chance: random.Random
) -> None:
    data = b""
    for name, values in events:
        data += (b"event: " + name + end if name else b"") + b"".join(
            b"data: " + value + end for value in values
        )
        data += end
    scanner, found, at = EventScanner(), [], 0
    while at < len(data):
        step = chance.randint(1, 40)
        found += scanner.decode(data[at : at + step])
        at += step
    assert found + scanner.flush() == [(name, b"\n".join(values)) for name, values in events]


@pytest.mark.parametrize("size", [1, 100, 4096])
@pytest.mark.parametrize("line", [b"data: " + b"x" * 200, b"data: x\n" * 50, b": " + b"x" * 200])
def test_an_event_beyond_the_cap_is_an_error(line: bytes, size: int) -> None:
    scanner = EventScanner(max_event_bytes=100)
    with pytest.raises(StreamError, match="larger than 100 bytes"):
        deque(scanner.decode(line[at : at + size]) for at in range(0, len(line), size))


def test_the_cap_is_for_one_event_not_for_the_stream() -> None:
    scanner = EventScanner(max_event_bytes=100)
    for _ in range(50):
        for piece in (b"data: " + b"x" * 60, b"x" * 30, b"\n", b"\n"):
            scanner.decode(piece)
    assert scanner.flush() == []


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    scanner = EventScanner()
    for _ in range(1_000_000):
        scanner.decode(b"x")
    assert scanner.decode(b"\ndata: 1\n\n") == [(b"", b"1")]
