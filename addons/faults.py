"""FaultGuard: what happens when a hook raises. Refusals are raised too, so this is their door."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from mitmproxy import http

from addons.context import RequestContext
from addons.proxy.plan import PLAN_KEY, Attempt
from addons.replies import answer, as_gateway_error
from addons.services import Services
from addons.settlement import closing_record, fallback_record
from shared.errors import GatewayError, JournalError, StoreError

logger = logging.getLogger(__name__)

_BEFORE_DISPATCH = ("requestheaders", "request")
_LAST_HOOKS = ("response", "error")


class FaultGuard:
    """Fails closed before Dispatch; after it, answers with an error and sees the bill through."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def hook_failed(self, hook: str, data: object, error: Exception) -> None:
        """Refuse or fail the flow whose hook raised."""
        flow = _flow_of(data)
        if flow is None:
            return
        gateway_error = as_gateway_error(error)
        _log(hook, gateway_error, error)
        context = RequestContext.find(flow)
        if context is not None:
            prefix = "refused:" if hook in _BEFORE_DISPATCH else ""
            context.end_reason = prefix + gateway_error.code
            context.faulted = context.faulted or not isinstance(error, GatewayError)
        if hook == "error":
            return
        if hook in _BEFORE_DISPATCH:
            flow.metadata.pop(PLAN_KEY, None)
            flow.request.headers.pop("expect", None)
        flow.response = answer(flow, gateway_error)

    def hook_done(self, hook: str, data: object) -> Awaitable[None] | None:
        """Settle what the billing addon should have settled and did not."""
        if hook not in _LAST_HOOKS or not isinstance(data, http.HTTPFlow):
            return None
        context = RequestContext.find(data)
        if context is None or not context.opened or context.ended:
            return None
        context.ended = True
        return self._settle(context, data.response.status_code if data.response else 0)

    async def _settle(self, context: RequestContext, status: int) -> None:
        logger.error("request %s is settled by the guard", context.request_id)
        # Nobody stands behind the guard: the flow must go on, or its client waits for ever.
        for make in (closing_record, fallback_record):
            try:
                await self._services.ledger.settle(make(context, status))
            except Exception:  # whatever it is, the next record is tried, and the flow goes on
                logger.exception("request %s could not be settled", context.request_id)
            else:
                return


def _log(hook: str, shown: GatewayError, error: Exception) -> None:
    """Refusals are the access log's; what is wrong on our side is told here."""
    if isinstance(error, StoreError | JournalError):
        logger.warning("hook %s: %s", hook, error)
    elif not isinstance(error, GatewayError):
        trace = (type(error), error, error.__traceback__)
        logger.error("hook %s failed: %r", hook, error, exc_info=trace)
    elif shown.status >= 500:
        logger.warning("hook %s refused: %s (%s)", hook, shown, shown.detail)


def _flow_of(data: object) -> http.HTTPFlow | None:
    if isinstance(data, Attempt):
        return data.flow
    return data if isinstance(data, http.HTTPFlow) else None
