from pathlib import Path

from addons import gateway_addons
from addons.lifecycle import Lifecycle
from tests.support.gateway_worker import make_services

ORDER = [
    "Gatekeeper",
    "Arrivals",
    "ApiKeyAuth",
    "Endpoints",
    "ModelRouter",
    "TokenCounts",
    "Transform",
    "CreditGuard",
    "Failover",
    "SseStream",
    "Billing",
    "AccessLog",
    "Lifecycle",
    "Dispatch",
]


def test_the_order_of_the_chain() -> None:
    """Who refuses stands before who reserves, and nobody stands behind Dispatch."""
    chain = gateway_addons(make_services(Path("nowhere"), {"raw": 1}), Lifecycle(1))
    assert [type(one).__name__ for one in chain] == ORDER
