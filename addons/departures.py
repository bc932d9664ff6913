"""Where a request may go: the keys of its upstream, then the fallbacks of its model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from mitmproxy import http

from addons.context import RequestContext
from addons.credit import covered_tokens
from addons.proxy.plan import PLAN_KEY, UpstreamPlan
from addons.router import check_price
from addons.services import Services
from addons.transform import outgoing_for
from addons.upstream_keys import ChosenKey
from addons.upstream_request import credential, upstream_request
from shared.domain.catalog import Fallback, Target, Timeouts
from shared.errors import GatewayError
from shared.wire import errors as refusals
from shared.wire.formats import WireFormat
from shared.wire.parsed_request import ParsedRequest
from shared.wire.requests import prepare_upstream

# By which clients name the conversation that a request belongs to.
SESSION_HEADERS = ("x-claude-code-session-id", "session-id", "session_id")
_NATIVE_ONLY = (WireFormat.RESPONSES, WireFormat.COUNT_TOKENS)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that could serve a request.

    Attributes:
        target: Model and upstream.
        outgoing: The request in the upstream's dialect.
        max_tokens: Output tokens that the hold covers there.
    """

    target: Target
    outgoing: ParsedRequest
    max_tokens: int


class Departures:
    """Puts a request and the plan that lets it leave on a flow, for one attempt after another.

    It is asked only for requests that Dispatch has let go: all of them go out on the hold and the
    journal line of the first.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._keys = services.upstream_keys

    async def first(self, flow: http.HTTPFlow) -> None:
        """The first attempt; at a fallback if there is no key where the request should go.

        Raises:
            GatewayError: 429 when all keys are cooling down, 503 when there is none.
        """
        context = RequestContext.of(flow)
        assert context.target is not None
        assert context.outgoing is not None
        here = Candidate(context.target, context.outgoing, context.max_tokens)
        if not await self._take(flow, context, here) and not await self.fall_back(flow):
            raise self._refusal(here.target)

    async def other_key(self, flow: http.HTTPFlow) -> bool:
        """Another attempt where the last one was, with a key that was not tried there."""
        context = RequestContext.of(flow)
        assert context.target is not None
        key = await self._pick(context, context.target, context.tried)
        if key is not None:
            self._plan(flow, context, context.target, key)
        return key is not None

    async def fall_back(self, flow: http.HTTPFlow) -> bool:
        """An attempt at the next fallback that can take the request and has a key for it."""
        context = RequestContext.of(flow)
        while context.fallbacks:
            fallback, *rest = context.fallbacks
            context.fallbacks = tuple(rest)
            candidate = self._candidate(context, fallback)
            if candidate is not None and await self._take(flow, context, candidate):
                return True
        return False

    async def _take(
        self, flow: http.HTTPFlow, context: RequestContext, candidate: Candidate
    ) -> bool:
        key = await self._pick(context, candidate.target, ())
        if key is None:
            return False
        context.tried = set()
        target, outgoing = candidate.target, candidate.outgoing
        context.target, context.outgoing = target, outgoing
        context.max_tokens = candidate.max_tokens
        assert context.client is not None
        body = prepare_upstream(outgoing, target.model.upstream_model, context.max_tokens)
        flow.request = upstream_request(context.client, context, target.upstream, body)
        self._plan(flow, context, target, key)
        return True

    async def _pick(
        self, context: RequestContext, target: Target, tried: Collection[str]
    ) -> ChosenKey | None:
        if target.upstream.require_proxy:
            return None
        return await self._keys.pick(target.upstream, conversation_of(context), tried)

    def _plan(
        self, flow: http.HTTPFlow, context: RequestContext, target: Target, key: ChosenKey
    ) -> None:
        context.key_id, context.judged = key.id, False
        context.tried.add(key.id)
        upstream = target.upstream
        flow.metadata[PLAN_KEY] = UpstreamPlan(
            scheme=upstream.scheme,
            host=upstream.host,
            port=upstream.port,
            credential=credential(target.model.dialect, key.secret),
            timeouts=patience(upstream.timeouts, streams=context.streams),
            on_sent=lambda: self._sent(context),
        )

    def _sent(self, context: RequestContext) -> None:
        context.attempts += 1
        if context.opened:
            self._services.ledger.sent(context.request_id)
        context.sent = True

    def _candidate(self, context: RequestContext, fallback: Fallback) -> Candidate | None:
        """A fallback with the client's own request in its dialect, None if it cannot take it."""
        upstream = self._services.catalog.upstreams.get(fallback.upstream)
        parsed, target = context.parsed, context.target
        assert parsed is not None
        assert target is not None
        if upstream is None:
            return None
        if parsed.format in _NATIVE_ONLY and parsed.dialect is not upstream.dialect:
            return None
        model = replace(
            target.model,
            dialect=upstream.dialect,
            upstream=upstream.name,
            upstream_model=fallback.model,
        )
        there = Target(model, upstream)
        try:
            outgoing = outgoing_for(parsed, model, self._services.content_filter)
            max_tokens = self._covered(context, outgoing, there)
        except GatewayError:  # it cannot carry the request, which another could
            return None
        return None if max_tokens is None else Candidate(there, outgoing, max_tokens)

    def _covered(
        self, context: RequestContext, outgoing: ParsedRequest, target: Target
    ) -> int | None:
        """Output tokens that the hold covers there, None when it does not cover the request."""
        if not context.opened:
            return context.max_tokens
        assert context.parsed is not None
        assert context.client is not None
        beta = context.client.headers.get("anthropic-beta", "")
        check_price(context.parsed, target.model, beta)
        return covered_tokens(context.hold, outgoing, target, context.max_tokens)

    def _refusal(self, target: Target) -> GatewayError:
        if target.upstream.require_proxy:
            return refusals.service_unavailable("No healthy outbound proxy is available.")
        wait_s = self._keys.wait_s(target.upstream)
        if wait_s is not None:
            return refusals.upstream_rate_limited(wait_s, "all upstream keys are cooling down")
        return refusals.service_unavailable("No upstream key is available for this model.")


def patience(timeouts: Timeouts, *, streams: bool) -> Timeouts:
    """Timeouts of one request: an answer in one piece sends nothing before it is complete."""
    if streams:
        return timeouts
    return replace(timeouts, first_byte_s=max(timeouts.first_byte_s, timeouts.total_s))


def conversation_of(context: RequestContext) -> str | None:
    """What a request's conversation is told by, None when nothing tells.

    It is the client's name for it, or else what the conversation began with; two accounts never
    have one in common.
    """
    if context.principal is None or context.parsed is None or context.client is None:
        return None
    headers = context.client.headers
    named = next((headers[name] for name in SESSION_HEADERS if headers.get(name)), "")
    key = named or context.parsed.conversation_key
    return f"{context.principal.user_id}\0{key}" if key else None
