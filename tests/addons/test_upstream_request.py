from dataclasses import replace
from typing import Any

import pytest
from mitmproxy import http

from addons.context import RequestContext
from addons.upstream_request import credential, upstream_request
from shared.domain.catalog import Dialect, Upstream
from tests.support.gateway_flows import flow_of, routed_context, services

DIALECTS = list(Dialect)
BODY = b'{"model":"m"}'


def made(context: RequestContext, upstream: Upstream | None = None, **client: Any) -> http.Request:
    """The request that a context's upstream gets for what a client sent."""
    assert context.target is not None
    asked = flow_of(context, **client).request
    return upstream_request(asked, context, upstream or context.target.upstream, BODY)


def context_of(dialect: Dialect = Dialect.OPENAI, place: str = "raw", **fields: Any):
    return routed_context(services(), dialect, place, **fields)


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (Dialect.OPENAI, ("authorization", "Bearer secret")),
        (Dialect.ANTHROPIC, ("x-api-key", "secret")),
    ],
)
def test_how_a_key_is_sent(dialect: Dialect, expected: tuple[str, str]) -> None:
    assert credential(dialect, "secret") == expected


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_headers_by_name_and_no_others(dialect: Dialect, stream: bool) -> None:
    headers = http.Headers(
        [
            (b"Host", b"mitm.it"),
            (b"Cookie", b"a=b"),
            (b"Anthropic-Version", b"2024-01-01"),
            (b"anthropic-beta", b"one"),
            (b"anthropic-beta", b"two"),
            (b"X-Forwarded-For", b"6.6.6.6"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Connection", b"keep-alive, x-secret"),
            (b"Accept-Encoding", b"gzip"),
            (b"Content-Encoding", b"identity"),
            (b"x-api-key", b"mine"),
        ]
    )
    request = made(context_of(dialect, stream=stream), headers=headers)
    expected = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "identity",
        "user-agent": "TrollLLM",
        "host": "127.0.0.1:1",
        "content-length": str(len(BODY)),
    }
    if dialect is Dialect.ANTHROPIC:
        expected |= {"anthropic-version": "2024-01-01", "anthropic-beta": "one, two"}
    assert {name.lower(): value for name, value in request.headers.items()} == expected
    assert request.content == BODY


def test_a_version_is_always_sent_to_anthropic() -> None:
    assert made(context_of(Dialect.ANTHROPIC)).headers["anthropic-version"] == "2023-06-01"


def test_the_head_is_made_anew() -> None:
    path = b"/v1/chat/completions?beta=true"
    theirs = {"method": b"PUT", "http_version": b"HTTP/1.0", "authority": b"evil.test"}
    request = made(context_of(place="prefixed"), path=path, **theirs)
    assert (request.method, request.http_version, request.authority) == ("POST", "HTTP/1.1", "")
    assert request.path == "/prefix/v1/chat/completions"


@pytest.mark.parametrize(
    ("query", "kept"), [("?beta=true", True), ("?beta=false", False), ("", False)]
)
def test_beta_is_the_one_query_that_is_passed_on(query: str, kept: bool) -> None:
    request = made(context_of(Dialect.ANTHROPIC), path=f"/v1/messages{query}".encode())
    assert request.path == "/v1/messages" + (query if kept else "")


@pytest.mark.parametrize(
    ("scheme", "port", "host"),
    [
        ("https", 443, "up.test"),
        ("https", 8443, "up.test:8443"),
        ("http", 80, "up.test"),
        ("http", 443, "up.test:443"),
    ],
)
def test_the_host_header(scheme: str, port: int, host: str) -> None:
    context = context_of()
    assert context.target is not None
    upstream = replace(context.target.upstream, scheme=scheme, host="up.test", port=port)
    request = made(context, upstream)
    assert request.headers["host"] == host
    assert (request.scheme, request.host, request.port) == (scheme, "up.test", port)


def test_a_native_request_goes_to_its_own_path() -> None:
    context = context_of()
    context.endpoint = "/v1/responses"
    assert made(context).path == "/v1/responses"
