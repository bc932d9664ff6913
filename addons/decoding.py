"""Packed bodies of upstreams, unpacked within bounds: mitmproxy unpacks without any."""

from __future__ import annotations

import zlib

from mitmproxy import http

from shared.wire import errors as wire

MAX_UNPACKED_BYTES = 16 * 1024 * 1024

_ANY_HEADER = zlib.MAX_WBITS | 32
_CODINGS = ("gzip", "x-gzip", "deflate")


def plain_body(response: http.Response) -> bytes:
    """The body of a response without its content-encoding.

    Args:
        response: With its whole body.

    Raises:
        GatewayError: 502 for a coding that was never asked for and is not known here, for a
            broken body, and for one that unpacks to more than `MAX_UNPACKED_BYTES`.
    """
    body = response.raw_content or b""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _CODINGS:
        raise wire.upstream_failed(f"the upstream packed its answer: {coding!r}")
    unpacker = zlib.decompressobj(_ANY_HEADER)
    try:
        plain = unpacker.decompress(body, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise wire.upstream_failed(f"a packed answer is broken: {error}") from error
    if not unpacker.eof:
        raise wire.upstream_failed("a packed answer is cut short or too large")
    return plain
