from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wire.filtering.raw_events import data_of, split_events, with_data


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (b"", []),
        (b"data: 1\n\n", [b"data: 1\n\n"]),
        (b"data: 1\n\ndata: 2\n\n", [b"data: 1\n\n", b"data: 2\n\n"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"data: 1\r\n\r\n", b"data: 2\r\n\r\n"]),
        (b"data: 1\r\rdata: 2\r\r", [b"data: 1\r\r", b"data: 2\r\r"]),
        (b"\n\nevent: e\ndata: 1\n\n", [b"\n\n", b"event: e\ndata: 1\n\n"]),
        (b"data: 1\n\n\n\ndata: 2", [b"data: 1\n\n\n\n", b"data: 2"]),
        (b": hello\n\n", [b": hello\n\n"]),
    ],
)
def test_split(events: bytes, expected: list[bytes]) -> None:
    assert list(split_events(events)) == expected


@given(st.text(alphabet="ad:\r\n ", max_size=40))
def test_no_byte_is_lost(text: str) -> None:
    assert b"".join(split_events(text.encode())) == text.encode()


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\r\n\r\n", b"{}"),
        (b"data:  x\r\r", b" x"),
        (b"event: data: no\ndata: x", b"x"),
        (b"event: a\ndata: 1\nid: 7\ndata\ndata: 2\n\n", b"1\n\n2"),
        (b": data: x\n\n", None),
        (b"database: x\n\n", None),
        (b"\n\n", None),
        (b"data: a\ndata: b\n\n", b"a\nb"),
    ],
)
def test_data(event: bytes, data: bytes | None) -> None:
    assert data_of(event) == data


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b"data: 1\n\n", b"data: X\n\n"),
        (b"event: a\r\ndata:1\r\n\r\n", b"event: a\r\ndata: X\r\n\r\n"),
        (b"event: a\ndata: 1\nid: 7\ndata: 2\n: c\n\n", b"event: a\ndata: X\nid: 7\n: c\n\n"),
        (b"data: 1", b"data: X"),
        (b"data: 1\rid: 2\r\r", b"data: X\rid: 2\r\r"),
    ],
)
def test_other_data(event: bytes, expected: bytes) -> None:
    assert with_data(event, b"X") == expected
    assert data_of(expected) == b"X"
