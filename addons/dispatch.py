"""Dispatch: the last addon, and the only one that lets a request leave, once all is decided."""

from __future__ import annotations

from dataclasses import replace

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.gatekeeper import endpoint_at
from addons.proxy.headers import FastHeaders
from addons.proxy.plan import PLAN_KEY, UpstreamPlan
from addons.services import Services
from shared.domain.catalog import Dialect, Target, Timeouts, Upstream
from shared.wire import errors as refusals
from shared.wire.requests import prepare_upstream

DEFAULT_ANTHROPIC_VERSION = b"2023-06-01"
USER_AGENT = b"TrollLLM"
_ANTHROPIC_HEADERS = (b"anthropic-version", b"anthropic-beta")
_PATH_OF = {Dialect.OPENAI: "/v1/chat/completions", Dialect.ANTHROPIC: "/v1/messages"}


class Dispatch:
    """Builds a fresh upstream request from what was checked, and says where it may go."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def request(self, flow: http.HTTPFlow) -> None:
        """Let a request with principal, target and, if it costs, an open reservation leave.

        Raises:
            GatewayError: 503 when something is missing.
        """
        if not is_open(flow):
            return
        context = RequestContext.of(flow)
        endpoint = endpoint_at(context.endpoint)
        target, outgoing = context.target, context.outgoing
        if endpoint is None or endpoint.format is None or target is None or outgoing is None:
            raise refusals.service_unavailable("Nothing decided where this request goes.")
        if context.principal is None or (endpoint.billed and not context.opened):
            raise refusals.service_unavailable("Nothing was reserved for this request.")
        plan = self._plan(context, target)
        body = prepare_upstream(outgoing, target.model.upstream_model, context.max_tokens)
        flow.request = upstream_request(flow.request, context, target.upstream, body)
        flow.metadata[PLAN_KEY] = plan

    def _plan(self, context: RequestContext, target: Target) -> UpstreamPlan:
        upstream = target.upstream
        if upstream.require_proxy:
            raise refusals.service_unavailable("No healthy outbound proxy is available.")
        if not upstream.api_key:
            raise refusals.service_unavailable("No upstream key is available for this model.")
        return UpstreamPlan(
            scheme=upstream.scheme,
            host=upstream.host,
            port=upstream.port,
            credential=_credential(target.model.dialect, upstream.api_key),
            timeouts=patience(upstream.timeouts, streams=context.streams),
            on_sent=lambda: self._sent(context),
        )

    def _sent(self, context: RequestContext) -> None:
        context.attempts += 1
        if context.opened:
            self._services.ledger.sent(context.request_id)
        context.sent = True


def _credential(dialect: Dialect, key: str) -> tuple[str, str]:
    if dialect is Dialect.ANTHROPIC:
        return "x-api-key", key
    return "authorization", f"Bearer {key}"


def patience(timeouts: Timeouts, *, streams: bool) -> Timeouts:
    """Timeouts of one request: an answer in one piece sends nothing before it is complete."""
    if streams:
        return timeouts
    return replace(timeouts, first_byte_s=max(timeouts.first_byte_s, timeouts.total_s))


def upstream_request(
    client: http.Request, context: RequestContext, upstream: Upstream, body: bytes
) -> http.Request:
    """A request of our own making: of the client's, only what the allow-list names is in it.

    Args:
        client: What the client sent.
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
