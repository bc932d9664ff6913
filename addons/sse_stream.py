"""SseStream: decides how the upstream's answer is relayed, and meters it."""

from __future__ import annotations

import time

from mitmproxy import http

from addons.context import RequestContext
from addons.decoding import plain_body
from addons.metering import BodyMeter, StreamMeter
from addons.proxy.headers import FastHeaders
from addons.relay import Relay, asked_by, wants_structure
from addons.replies import own_headers, secrets_of
from addons.services import Services
from shared.wire import errors as wire
from shared.wire.translation.directions import translate_answer

_KEPT_OF_STREAMS = frozenset({b"content-type"})
_KEPT_OF_BODIES = frozenset({b"content-type", b"content-encoding"})
_STREAM_FIELDS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


class SseStream:
    """Decides how an answer is relayed."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Give the answer our headers; stream it when the upstream streams."""
        context = RequestContext.find(flow)
        response = flow.response
        if context is None or response is None or not context.sent or context.failed_unanswered:
            return
        context.upstream_status = response.status_code
        context.first_byte_s = time.monotonic()
        if not 200 <= response.status_code < 300:
            return
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        streams = kind == "text/event-stream"
        if not streams and not kind.endswith("json"):
            raise wire.upstream_failed(f"the upstream answered with {kind or 'no type'}")
        encoding = response.headers.get("content-encoding", "identity").lower()
        if streams and encoding != "identity":
            raise wire.upstream_failed("The upstream compressed a stream against our wish.")
        response.headers = _headers(context, response, streams=streams)
        if streams:
            response.stream = self._relay(context, secrets_of(flow))

    def response(self, flow: http.HTTPFlow) -> None:
        """Meter an answer that came in one piece."""
        context = RequestContext.find(flow)
        response = flow.response
        if context is None or response is None or response.stream or context.meter is not None:
            return
        if context.upstream_status is None or not 200 <= context.upstream_status < 300:
            return
        if context.failed_unanswered or context.end_reason:
            return
        body = plain_body(response)
        response.headers.pop("content-encoding", None)
        context.meter = BodyMeter(context.upstream_format, body)
        if context.translates:
            body = translate_answer(context.dialect, body, asked_by(context, secrets_of(flow)))
        if self._services.content_filter is not None:
            structured = wants_structure(context)
            body = self._services.content_filter.body(context.format, body, structured=structured)
        response.content = body

    def _relay(self, context: RequestContext, secrets: tuple[str, ...]) -> Relay:
        choices = context.outgoing.choices if context.outgoing else 1
        meter = StreamMeter(context.upstream_format, context.max_tokens * choices)
        context.meter = meter
        services = self._services
        return Relay(context, meter, services.ledger.checkpoint, services.content_filter, secrets)


def _headers(context: RequestContext, response: http.Response, *, streams: bool) -> http.Headers:
    """Headers of a relayed answer: an allow-list of the upstream's, then our own."""
    names = _KEPT_OF_STREAMS if streams else _KEPT_OF_BODIES
    fields = [(name, value) for name, value in response.headers.fields if name.lower() in names]
    fields += [(name.encode(), value.encode()) for name, value in own_headers(context).items()]
    if streams:
        fields += _STREAM_FIELDS
        if not context.http_1_0:
            fields.append((b"transfer-encoding", b"chunked"))
    return FastHeaders.of(fields)
