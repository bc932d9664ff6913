import pytest

from addons.proxy.head import MAX_HEAD_BYTES, MAX_HEADERS, head_length, read_head
from shared.errors import GatewayError

GOOD = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


def test_reads_a_head_and_says_its_length() -> None:
    lines = read_head(GOOD + b"{}")
    assert lines == [b"POST /v1/messages HTTP/1.1", b"Host: x", b"Content-Length: 2"]
    assert head_length(lines) == len(GOOD)


@pytest.mark.parametrize("end", range(len(GOOD)))
def test_every_unfinished_head_is_waited_for(end: int) -> None:
    assert read_head(GOOD[:end]) is None


def head(*lines: bytes, request_line: bytes = b"POST /v1/messages HTTP/1.1") -> bytes:
    return b"\r\n".join([request_line, *lines, b"", b""])


@pytest.mark.parametrize(
    "raw",
    [
        head(b"Host: x", b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        head(b"Host: x", b"Content-Length: 3", b"Content-Length: 3"),
        head(b"Host: x", b"Content-Length: +13"),
        head(b"Host: x", b"Content-Length: -1"),
        head(b"Host: x", b"Content-Length: 1_0"),
        head(b"Host: x", b"Content-Length: "),
        head(b"Host: x", b"Transfer-Encoding: gzip, chunked"),
        head(b"Host: x", b"Transfer-Encoding: chunked, chunked"),
        head(b"Host: x", b"Transfer-Encoding: identity"),
        head(b"Host: x", b"Transfer-Encoding: \x0bchunked"),
        head(b"Transfer-Encoding: chunked", request_line=b"POST / HTTP/1.0"),
        head(b"Host: x", b"Host: y"),
        head(b"Accept: */*"),
        head(b"Host: x", b"X-Key : value"),
        head(b"Host: x", b" folded"),
        head(b"Host: x", b"\tfolded"),
        head(b"Host: x", b"no colon"),
        head(b"Host: x", b": empty name"),
        head(b"Host: x", b"X-Key: a\x00b"),
        head(b"Host: x", b"X-Key: a\rb"),
        head(b"Host: x", b"X-Key: a\nb"),
        head(b"Host: x", request_line=b"GET / HTTP/2.0"),
        head(b"Host: x", request_line=b"GET / HTTP/1.2"),
        head(b"Host: x", request_line=b"GET / http/1.1"),
        head(b"Host: x", request_line=b"GET /"),
        head(b"Host: x", request_line=b"GET  / HTTP/1.1"),
        head(b"Host: x", request_line=b"GET http://evil/ HTTP/1.1"),
        head(b"Host: x", request_line=b"CONNECT evil:443 HTTP/1.1"),
        head(b"Host: x", request_line=b"GET /\x00 HTTP/1.1"),
        head(b"Host: x", request_line="GET /é HTTP/1.1".encode()),
        head(request_line=b"PRI * HTTP/2.0"),
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_refuses_what_parsers_disagree_about(raw: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read_head(raw)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "raw",
    [
        head(b"Host: x", *[b"X-%d: y" % n for n in range(MAX_HEADERS)]),
        head(b"Host: x", b"X: " + b"y" * MAX_HEAD_BYTES),
        b"GET / HTTP/1.1\r\nX: " + b"y" * MAX_HEAD_BYTES,
    ],
)
def test_refuses_heads_that_are_too_large(raw: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read_head(raw)
    assert caught.value.status == 431


def test_a_malformed_field_is_named_without_its_value() -> None:
    with pytest.raises(GatewayError) as caught:
        read_head(head(b"Host: x", b"x api key: sk-troll-secret"))
    assert "x api key" in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "raw",
    [
        head(b"Host: x", b"Authorization: Bearer sk-troll-abc"),
        head(b"host:x", b"Transfer-Encoding: chunked"),
        head(b"Host: x", b"X-Empty:"),
        head(b"Host: x", "X-Text: é".encode()),
        head(b"Content-Length: 0", request_line=b"POST /v1/messages?beta=true HTTP/1.0"),
        head(b"Host: x", request_line=b"OPTIONS * HTTP/1.1"),
    ],
)
def test_accepts_ordinary_heads(raw: bytes) -> None:
    assert read_head(raw) is not None


@pytest.mark.parametrize("line", [b"x-api-key sk-troll-secret", b" Bearer sk-troll-secret: x"])
def test_a_field_without_a_name_is_not_shown_at_all(line: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read_head(head(b"Host: x", line))
    assert "sk-troll" not in caught.value.message
