from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.simulator.http_message import Request
from scripts.simulator.http_parser import MAX_HEAD_BYTES, MalformedRequest, RequestParser

COUNTED = b"POST /a?b=1 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\n\r\n"
)
TRAILERS = (
    b"PUT /t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n"
)
BARE = b"GET /g HTTP/1.0\r\n\r\n"


def requests_of(*pieces: bytes) -> list[Request]:
    parser, found = RequestParser(), []
    for piece in pieces:
        parser.feed(piece)
        while (request := parser.next_request()) is not None:
            found.append(request)
    return found


def test_keeps_headers_as_they_came() -> None:
    (request,) = requests_of(COUNTED)
    assert (request.method, request.target, request.path) == ("POST", "/a?b=1", "/a")
    assert request.headers == (("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("Content-Length", "5"))
    assert request.body == b"hello"


def test_joins_chunks() -> None:
    assert requests_of(CHUNKED)[0].body == b"abc0123456789"


def test_skips_trailers() -> None:
    assert [request.target for request in requests_of(TRAILERS + BARE)] == ["/t", "/g"]


@given(st.lists(st.integers(min_value=1, max_value=40), min_size=1, max_size=60))
def test_pieces_do_not_matter(sizes: list[int]) -> None:
    data, pieces = COUNTED + CHUNKED + TRAILERS + BARE, []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    assert requests_of(*pieces, data) == requests_of(COUNTED + CHUNKED + TRAILERS + BARE)


@pytest.mark.parametrize(
    "raw",
    [
        b"no request\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nSpace : before\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_refuses_what_is_no_request(raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        requests_of(raw)


def test_tells_of_an_expectation() -> None:
    parser = RequestParser()
    parser.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert parser.next_request() is None
    assert parser.expects_continue
