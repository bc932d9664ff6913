"""The request that an upstream gets: of our own making."""

from __future__ import annotations

from mitmproxy import http

from addons.context import RequestContext
from addons.proxy.headers import FastHeaders
from shared.domain.catalog import Dialect, Upstream

DEFAULT_ANTHROPIC_VERSION = b"2023-06-01"
USER_AGENT = b"TrollLLM"
_ANTHROPIC_HEADERS = (b"anthropic-version", b"anthropic-beta")
_PATH_OF = {Dialect.OPENAI: "/v1/chat/completions", Dialect.ANTHROPIC: "/v1/messages"}


def upstream_request(
    client: http.Request, context: RequestContext, upstream: Upstream, body: bytes
) -> http.Request:
    """A request of our own making: of the client's, only what the allow-list names is in it.

    Args:
        client: Head of what the client sent.
        context: Its dialect and whether it streams.
        upstream: Where it goes.
        body: Re-serialised from what was checked and priced.
    """
    fields = [
        (b"host", _host_header(upstream).encode()),
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream" if context.streams else b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", USER_AGENT),
        (b"content-length", b"%d" % len(body)),
    ]
    path = upstream.prefix + upstream_path(context)
    if context.upstream_dialect is Dialect.ANTHROPIC:
        fields += _anthropic_fields(client.headers, native=not context.translates)
        native_beta = not context.translates and client.path.endswith("?beta=true")
        path += "?beta=true" if native_beta else ""
    return http.Request(
        host=upstream.host,
        port=upstream.port,
        method=b"POST",
        scheme=upstream.scheme.encode(),
        authority=b"",
        path=path.encode(),
        http_version=b"HTTP/1.1",
        headers=FastHeaders.of(fields),
        content=body,
        trailers=None,
        timestamp_start=client.timestamp_start,
        timestamp_end=client.timestamp_end,
    )


def upstream_path(context: RequestContext) -> str:
    """The path of the client's own endpoint, or of what its request was translated into."""
    return _PATH_OF[context.upstream_dialect] if context.translates else context.endpoint


def _anthropic_fields(headers: http.Headers, *, native: bool) -> list[tuple[bytes, bytes]]:
    """The client's version and betas; a translation is written for the version named here."""
    kept = [(name.lower(), value) for name, value in headers.fields if native]
    kept = [field for field in kept if field[0] in _ANTHROPIC_HEADERS]
    if not any(name == b"anthropic-version" for name, _ in kept):
        kept.append((b"anthropic-version", DEFAULT_ANTHROPIC_VERSION))
    return kept


def _host_header(upstream: Upstream) -> str:
    default = {"http": 80, "https": 443}[upstream.scheme]
    return upstream.host if upstream.port == default else f"{upstream.host}:{upstream.port}"


def credential(dialect: Dialect, key: str) -> tuple[str, str]:
    """The header that carries an upstream key."""
    if dialect is Dialect.ANTHROPIC:
        return "x-api-key", key
    return "authorization", f"Bearer {key}"
