"""The client's side over real sockets: bad input, and the answer each must get."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from shared.domain.accounts import RateState
from shared.domain.catalog import Dialect
from shared.domain.keys import generate_key
from shared.errors import StoreUnavailable
from tests.support.gateway_errors import check_error
from tests.support.gateway_worker import (
    MAX_BODY,
    PATHS,
    PROXY_KEY,
    RunningWorker,
    body,
    named,
    request,
)
from tests.support.raw_upstream import RawUpstream, response

DIALECTS = list(Dialect)


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of bad input.

    Attributes:
        status: What it is answered with.
        send: Makes the bytes; gets the worker and the path.
        closes: Whether the connection is closed after the answer.
        headers: What the answer must hold besides.
        method: Of the request.
    """

    status: int
    send: Callable[[RunningWorker, str], bytes]
    closes: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"


def with_headers(*headers: str, data: bytes = b"{}") -> Callable[[RunningWorker, str], bytes]:
    """A POST with these headers and no others than host and content-length."""
    return lambda worker, path: request("POST", path, *headers, data=data)


def keyed(*headers: str, data: bytes | None = b"{}", method: str = "POST", suffix: str = ""):
    """The same with the user's key."""
    return lambda worker, path: worker.keyed(method, path + suffix, *headers, data=data)


def raw(*lines: bytes, request_line: bytes = b"POST %s HTTP/1.1", tail: bytes = b""):
    """A keyed request of these lines."""

    def make(worker: RunningWorker, path: str) -> bytes:
        first = request_line % path.encode() if b"%s" in request_line else request_line
        key = b"authorization: Bearer " + worker.key.encode()
        return b"\r\n".join([first, key, *lines, b"", b""]) + tail

    return make


def chunked(tail: bytes, *lines: bytes):
    """A keyed request with a chunked body as given."""
    return raw(b"host: x", b"transfer-encoding: chunked", *lines, tail=tail)


def mistyped(key: str) -> str:
    """Another last character: the checksum is wrong."""
    return key[:-1] + ("a" if key[-1] != "a" else "b")


CREDENTIALS = {
    "no key": Case(401, with_headers()),
    "empty bearer": Case(401, with_headers("authorization: Bearer ")),
    "bare bearer": Case(401, with_headers("authorization: Bearer")),
    "basic": Case(401, with_headers("authorization: Basic dXNlcjpwYXNz")),
    "wrong checksum": Case(
        401,
        lambda worker, path: request(
            "POST", path, f"x-api-key: {mistyped(worker.key)}", data=b"{}"
        ),
    ),
    "unknown": Case(401, with_headers(f"x-api-key: {generate_key()}")),
    "a portal token": Case(401, with_headers("authorization: Bearer eyJhbGciOi.eyJzdWIi.c2ln")),
    "over 256 bytes": Case(401, with_headers("x-api-key: sk-troll-" + "a" * 256)),
    "not ascii": Case(401, with_headers("x-api-key: sk-troll-\u00e9" + "a" * 40)),
    "in the query": Case(
        401, lambda worker, path: request("POST", f"{path}?key={worker.key}", data=b"{}")
    ),
    "in a cookie": Case(
        401, lambda worker, path: request("POST", path, f"cookie: key={worker.key}", data=b"{}")
    ),
    "misspelt header": Case(
        401, lambda worker, path: request("POST", path, f"x_api_key: {worker.key}", data=b"{}")
    ),
    "two authorizations, equal": Case(
        400,
        lambda worker, path: request(
            "POST", path, *[f"authorization: Bearer {worker.key}"] * 2, data=b"{}"
        ),
    ),
    "two api keys": Case(
        400,
        lambda worker, path: request("POST", path, *[f"x-api-key: {worker.key}"] * 2, data=b"{}"),
    ),
    "two that differ": Case(400, keyed(f"x-api-key: {generate_key()}")),
}

HEADS = {
    "space before the colon": Case(400, raw(b"host: x", b"x-key : v"), closes=True),
    "folded": Case(400, raw(b"host: x", b"x-key: v", b" more"), closes=True),
    "nul": Case(400, raw(b"host: x", b"x-key: a\x00b"), closes=True),
    "cr": Case(400, raw(b"host: x", b"x-key: a\rb"), closes=True),
    "bare lf": Case(400, raw(b"host: x", b"x-key: a\nb"), closes=True),
    "length and encoding": Case(
        400,
        raw(b"host: x", b"content-length: 2", b"transfer-encoding: chunked", tail=b"{}"),
        closes=True,
    ),
    "two lengths": Case(
        400, raw(b"host: x", b"content-length: 2", b"content-length: 2", tail=b"{}"), closes=True
    ),
    "signed length": Case(400, raw(b"host: x", b"content-length: +2", tail=b"{}"), closes=True),
    "negative length": Case(400, raw(b"host: x", b"content-length: -1"), closes=True),
    "other encoding": Case(400, raw(b"host: x", b"transfer-encoding: gzip, chunked"), closes=True),
    "encoding on 1.0": Case(
        400,
        raw(b"transfer-encoding: chunked", request_line=b"POST %s HTTP/1.0", tail=b"0\r\n\r\n"),
        closes=True,
    ),
    "no host": Case(400, raw(), closes=True),
    "two hosts": Case(400, raw(b"host: x", b"host: x"), closes=True),
    "version 1.2": Case(400, raw(b"host: x", request_line=b"POST %s HTTP/1.2"), closes=True),
    "nul in the path": Case(
        400, raw(b"host: x", request_line=b"POST %s\x00 HTTP/1.1"), closes=True
    ),
    "utf-8 in the path": Case(
        400, raw(b"host: x", request_line=b"POST %s\xc3\xa9 HTTP/1.1"), closes=True
    ),
    "large head": Case(431, raw(b"host: x", b"x: " + b"y" * 33_000), closes=True),
    "many headers": Case(431, raw(b"host: x", *[b"x-%d: y" % n for n in range(120)]), closes=True),
}

BODIES = {
    "trailers": Case(400, chunked(b"2\r\n{}\r\n0\r\nx-key: v\r\n\r\n"), closes=True),
    "bad chunk size": Case(400, chunked(b"zz\r\n{}\r\n0\r\n\r\n"), closes=True),
    "huge chunk size": Case(400, chunked(b"fffffffffffffff\r\n{}"), closes=True),
    "large chunk size": Case(413, chunked(b"%x\r\n{}" % (2 * MAX_BODY)), closes=True),
    "endless chunk head": Case(400, chunked(b"1" * 2000), closes=True),
    "endless chunk size": Case(400, chunked(b"1" * 40 + b"\r\n"), closes=True),
    "chunk not closed": Case(400, chunked(b"2\r\n{}xx0\r\n\r\n"), closes=True),
    "compressed": Case(415, keyed("content-encoding: gzip", data=b"\x1f\x8b" + b"x" * 40)),
    "upgrade": Case(
        426, keyed("upgrade: websocket", "connection: upgrade", method="GET", data=None)
    ),
    "wrong method": Case(405, keyed(method="GET", data=None), headers=(("allow", "POST"),)),
    "head": Case(405, keyed(method="HEAD", data=None), method="HEAD"),
    "options": Case(405, keyed(method="OPTIONS", data=None)),
    "trace": Case(405, keyed(method="TRACE", data=None)),
    "lower case": Case(405, keyed(method="post"), headers=(("allow", "POST"),)),
    "too large, told": Case(413, keyed(f"content-length: {MAX_BODY + 1}", data=None), closes=True),
    "too large, chunked": Case(
        413, chunked(b"".join([b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 17)), closes=True
    ),
    "no json": Case(400, keyed(data=b"{")),
    "empty": Case(400, keyed(data=b"")),
    "a list": Case(400, keyed(data=b"[]")),
    "no utf-8": Case(400, keyed(data=b'{"model": "\xff"}')),
    "nested": Case(400, keyed(data=b'{"a":' * 70 + b"1" + b"}" * 70)),
    "nan": Case(400, keyed(data=b'{"a": NaN}')),
    "unknown model": Case(
        404,
        keyed(
            data=b'{"model": "../etc", "max_tokens": 5,'
            b' "messages": [{"role": "user", "content": "x"}]}'
        ),
    ),
    "no max expect": Case(400, keyed("expect: 100-continue", data=b"{}")),
    "trailing slash": Case(404, keyed(suffix="/")),
    "percent": Case(404, keyed(suffix="%2e")),
    "fragment": Case(404, keyed(suffix="#x")),
}
ALL = CREDENTIALS | HEADS | BODIES


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ALL)
def test_bad_input(
    worker: RunningWorker, raw_upstream: RawUpstream, name: str, dialect: Dialect
) -> None:
    case = ALL[name]
    with worker.client() as client:
        answer = client.ask(case.send(worker, PATHS[dialect]), case.method)
        check_error(answer, case.status, dialect, bodyless=case.method == "HEAD")
        for header, value in case.headers:
            assert answer.headers[header] == value
        if case.closes:
            assert client.is_closed()
        else:
            assert client.ask(request("GET", "/health")).status == 200
    assert raw_upstream.opened == 0
    assert worker.holds.asked == []
    assert worker.ledger.steps == []


WITHOUT_ENDPOINT = {
    "connect": (400, b"CONNECT evil.test:443 HTTP/1.1\r\nhost: evil.test\r\n\r\n"),
    "absolute form": (400, request("POST", "http://evil.test/v1/messages", data=b"{}")),
    "h2c preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "http/0.9": (400, b"GET /\r\n\r\n"),
    "tls": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40),
    "noise": (400, b"\x00\x01\x02\x03\r\n\r\n"),
    "lf alone": (400, b"GET /health HTTP/1.1\nhost: x\n\n"),
    "options *": (404, request("OPTIONS", "*")),
    "double slash": (404, request("POST", "//v1/messages", data=b"{}")),
    "dots": (404, request("GET", "/v1/../health")),
    "empty model": (404, request("GET", "/v1/models/")),
    "unknown": (404, request("GET", "/mitm")),
    "get /": (405, request("GET", "/")),
    "responses": (404, request("POST", "/v1/responses/x", data=b"{}")),
}


@pytest.mark.parametrize("name", WITHOUT_ENDPOINT)
def test_bad_input_without_an_endpoint(
    worker: RunningWorker, raw_upstream: RawUpstream, name: str
) -> None:
    status, data = WITHOUT_ENDPOINT[name]
    with worker.client() as client:
        dialect = Dialect.OPENAI
        check_error(client.ask(data), status, dialect)
        if status == 400:
            assert client.is_closed()
    assert raw_upstream.opened == 0


@pytest.mark.parametrize("name", ["no key", "wrong checksum", "a portal token"])
def test_a_key_that_cannot_be_costs_no_look_up(worker: RunningWorker, name: str) -> None:
    worker.ask(CREDENTIALS[name].send(worker, PATHS[Dialect.OPENAI]))
    assert worker.gate.looked_up == []


@pytest.mark.parametrize(
    "headers",
    [
        "authorization: Bearer {key}",
        "authorization: bearer {key}",
        "Authorization:   Bearer   {key}  ",
        "x-api-key: {key}",
        "X-Api-Key:\t{key}",
        "x-api-key: {key}\r\nauthorization: Bearer {key}",
        f"x-api-key: {PROXY_KEY}",
    ],
)
def test_good_credentials(worker: RunningWorker, headers: str) -> None:
    lines = headers.format(key=worker.key).split("\r\n")
    assert worker.ask(request("GET", "/v1/models", *lines)).status == 200


def test_a_refusal_by_rate_says_when_to_come_back(worker: RunningWorker) -> None:
    worker.gate.admitting = False
    worker.gate.rate = RateState(300, 0, 17)
    answer = worker.ask(worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI)))
    check_error(answer, 429, Dialect.OPENAI)
    assert answer.headers["retry-after"] == "17"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_database_that_is_down_is_503(worker: RunningWorker, dialect: Dialect) -> None:
    worker.gate.error = StoreUnavailable("no answer")
    answer = worker.ask(worker.post(dialect, named("raw", dialect)))
    check_error(answer, 503, dialect)
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("host", ["mitm.it", "evil.test", "127.0.0.1:1"])
def test_a_foreign_host_is_as_any_other(worker: RunningWorker, host: str) -> None:
    answer = worker.ask(f"GET /health HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
    assert answer.json == {"status": "ok"}


def test_http_1_0_is_answered_and_closed(worker: RunningWorker) -> None:
    with worker.client() as client:
        assert client.ask(b"GET /health HTTP/1.0\r\n\r\n").json == {"status": "ok"}
        assert client.is_closed()


def test_a_client_that_wants_to_close_is_let_go(worker: RunningWorker) -> None:
    with worker.client() as client:
        answer = client.ask(request("GET", "/health", "connection: close"))
        assert answer.headers["connection"] == "close"
        assert client.is_closed()


def test_pipelined_requests_are_answered_in_order(worker: RunningWorker) -> None:
    with worker.client() as client:
        first = worker.keyed("GET", "/v1/models", data=None)
        client.send(first + request("GET", "/v1/models") + request("GET", "/health"))
        assert [client.read().status for _ in range(3)] == [200, 401, 200]


def test_pipelining_is_bounded(worker: RunningWorker, raw_upstream: RawUpstream) -> None:
    with worker.client() as client:
        client.send(worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI)))
        raw_upstream.script(b"HTTP/1.1 200 OK\r\n")
        raw_upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
        client.send(b"x" * 200_000)
        assert client.is_closed()
    worker.settled()


def test_a_chunked_body_is_read(worker: RunningWorker, raw_upstream: RawUpstream) -> None:
    raw_upstream.script(response(b"{}"))
    data = body(Dialect.OPENAI, named("raw", Dialect.OPENAI))
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in data) + b"0\r\n\r\n"
    assert worker.ask(chunked(pieces)(worker, PATHS[Dialect.OPENAI])).status == 200
    assert json.loads(raw_upstream.requests[0].body)["messages"] == json.loads(data)["messages"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HTTP/1.1\r\nhost:",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{",
    ],
    ids=["idle", "head", "body not begun", "body begun"],
)
def test_a_client_that_goes_silent_is_let_go(worker: RunningWorker, sent: bytes) -> None:
    with worker.client() as client:
        client.send(sent)
        assert client.is_closed(within_s=4)


def test_a_head_in_single_bytes_is_read(worker: RunningWorker) -> None:
    with worker.client() as client:
        for byte in request("GET", "/health"):
            client.send(bytes([byte]))
        assert client.read().status == 200
