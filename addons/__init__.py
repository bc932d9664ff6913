"""The gateway: mitmproxy addons that authenticate, route, meter and bill."""

from __future__ import annotations

from addons.access_log import AccessLog
from addons.auth import ApiKeyAuth
from addons.billing import Billing
from addons.credit import CreditGuard
from addons.dispatch import Dispatch
from addons.endpoints import Endpoints
from addons.failover import Failover
from addons.gatekeeper import Gatekeeper
from addons.lifecycle import Arrivals, Lifecycle
from addons.router import ModelRouter
from addons.services import Services
from addons.sse_stream import SseStream
from addons.token_counts import TokenCounts
from addons.transform import Transform


def gateway_addons(services: Services, lifecycle: Lifecycle) -> list[object]:
    """THE ordered chain. mitmproxy calls each hook in this order; `docs/request-path.md` shows it.

    Args:
        services: What the addons work with.
        lifecycle: Counts live requests; the worker drains by it.
    """
    settings = services.settings
    return [
        Gatekeeper(settings.max_body, lifecycle.overloaded),
        Arrivals(lifecycle),
        ApiKeyAuth(services.gate, services.pepper, settings.proxy_api_key),
        Endpoints(services, lambda: lifecycle.draining),
        ModelRouter(services),
        TokenCounts(),
        Transform(services),
        CreditGuard(services),
        Failover(services, lambda: lifecycle.live),
        SseStream(services),
        Billing(services),
        AccessLog(services),
        lifecycle,
        Dispatch(services),
    ]
