"""Dispatch: the last addon, and the one that lets a request leave, once all is decided."""

from __future__ import annotations

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.departures import Departures
from addons.gatekeeper import endpoint_at
from addons.services import Services
from shared.wire import errors as refusals


class Dispatch:
    """Builds a fresh upstream request from what was checked, and says where it may go."""

    def __init__(self, services: Services) -> None:
        self._departures = Departures(services)

    async def request(self, flow: http.HTTPFlow) -> None:
        """Let a request with principal, target and, if it costs, an open reservation leave.

        Raises:
            GatewayError: 503 when something is missing; 429 when all keys are cooling down.
        """
        if not is_open(flow):
            return
        context = RequestContext.of(flow)
        endpoint = endpoint_at(context.endpoint)
        target = context.target
        if endpoint is None or endpoint.format is None or target is None:
            raise refusals.service_unavailable("Nothing decided where this request goes.")
        if context.outgoing is None:
            raise refusals.service_unavailable("Nothing was made ready for an upstream.")
        if context.principal is None or (endpoint.billed and not context.opened):
            raise refusals.service_unavailable("Nothing was reserved for this request.")
        context.client = flow.request
        context.fallbacks = target.model.fallbacks
        await self._departures.first(flow)
        # What was parsed is kept; nobody reads the client's bytes again.
        context.client.data.content = None
