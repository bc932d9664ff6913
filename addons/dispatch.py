"""Dispatch: the last addon, and the only one that lets a request leave, once all is decided."""

from __future__ import annotations

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.gatekeeper import endpoint_at
from addons.proxy.plan import PLAN_KEY, UpstreamPlan
from addons.services import Services
from shared.domain.catalog import Dialect, Target, Upstream
from shared.wire import errors as refusals
from shared.wire.requests import prepare_upstream

DEFAULT_ANTHROPIC_VERSION = "2023-06-01"
USER_AGENT = "TrollLLM"
_ANTHROPIC_HEADERS = ("anthropic-version", "anthropic-beta")


class Dispatch:
    """Builds a fresh upstream request from what was checked, and says where it may go."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def request(self, flow: http.HTTPFlow) -> None:
        """Let a request with principal, target and an open reservation leave.

        Raises:
            GatewayError: 503 when something is missing.
        """
        if not is_open(flow):
            return
        context = RequestContext.of(flow)
        endpoint = endpoint_at(context.endpoint)
        target, parsed = context.target, context.parsed
        if endpoint is None or not endpoint.billed or target is None or parsed is None:
            raise refusals.service_unavailable("Nothing decided where this request goes.")
        if context.principal is None or not context.opened:
            raise refusals.service_unavailable("Nothing was reserved for this request.")
        plan = self._plan(context, target)
        _rebuild(flow.request, context, target.upstream)
        flow.request.content = prepare_upstream(
            parsed, target.model.upstream_model, context.max_tokens
        )
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
            timeouts=upstream.timeouts,
            on_sent=lambda: self._sent(context),
        )

    def _sent(self, context: RequestContext) -> None:
        context.sent = True
        context.attempts += 1
        self._services.ledger.sent(context.request_id)


def _credential(dialect: Dialect, key: str) -> tuple[str, str]:
    if dialect is Dialect.ANTHROPIC:
        return "x-api-key", key
    return "authorization", f"Bearer {key}"


def _rebuild(request: http.Request, context: RequestContext, upstream: Upstream) -> None:
    """Replace everything of the client's head by what the allow-list names."""
    kept = {name: request.headers[name] for name in _ANTHROPIC_HEADERS if name in request.headers}
    beta = request.query.get("beta") == "true" and context.dialect is Dialect.ANTHROPIC
    request.headers = http.Headers(
        content_type="application/json",
        accept="text/event-stream"
        if context.parsed and context.parsed.stream
        else "application/json",
        accept_encoding="identity",
        user_agent=USER_AGENT,
    )
    if context.dialect is Dialect.ANTHROPIC:
        kept.setdefault("anthropic-version", DEFAULT_ANTHROPIC_VERSION)
        for name, value in kept.items():
            request.headers[name] = value
    # In this order: setting host or port rewrites the Host header, scheme does not.
    request.scheme = upstream.scheme
    request.host = upstream.host
    request.port = upstream.port
    request.authority = ""
    request.headers["host"] = _host_header(upstream)
    request.method = "POST"
    request.http_version = "HTTP/1.1"
    request.path = f"{upstream.prefix}{context.endpoint}" + ("?beta=true" if beta else "")


def _host_header(upstream: Upstream) -> str:
    default = {"http": 80, "https": 443}[upstream.scheme]
    return upstream.host if upstream.port == default else f"{upstream.host}:{upstream.port}"
