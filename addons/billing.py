"""Billing: ends every request that was opened, exactly once, whatever ended it."""

from __future__ import annotations

from mitmproxy import http

from addons.context import RequestContext
from addons.services import Services
from addons.settlement import CLIENT_DISCONNECTED, closing_record
from shared.domain.money import format_usd

CLIENT_GONE_STATUS = 499


class Billing:
    """Settles in `response` or in `error`, and tells a client that waits what it cost."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def response(self, flow: http.HTTPFlow) -> None:
        """Settle an answered request before its last byte goes out; a crash cannot undo it."""
        context = RequestContext.find(flow)
        if context is None or flow.response is None:
            return
        cost = await self._settle(context, flow.response.status_code)
        answered = 200 <= flow.response.status_code < 300
        if cost is not None and answered and not flow.response.stream:
            flow.response.headers["x-trollllm-cost-usd"] = format_usd(cost)

    async def error(self, flow: http.HTTPFlow) -> None:
        """Settle a request whose client has left."""
        context = RequestContext.find(flow)
        if context is None:
            return
        context.end_reason = context.end_reason or CLIENT_DISCONNECTED
        await self._settle(context, CLIENT_GONE_STATUS)

    async def _settle(self, context: RequestContext, status: int) -> int | None:
        if not context.opened or context.ended:
            return None
        record = closing_record(context, status)
        context.ended = True
        await self._services.ledger.settle(record)
        return record.cost_nano
