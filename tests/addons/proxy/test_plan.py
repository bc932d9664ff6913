import pytest

from addons.proxy.plan import PLAN_KEY, Attempt, UpstreamPlan
from shared.domain.catalog import Timeouts
from tests.support.gateway_flows import flow_of

PLAN = UpstreamPlan(
    "https", "up.test", 443, ("x-api-key", "secret-key"), Timeouts(), on_sent=lambda: None
)


def test_a_plan_is_found_on_its_flow() -> None:
    flow = flow_of()
    assert UpstreamPlan.of(flow) is None
    flow.metadata[PLAN_KEY] = "something else"
    assert UpstreamPlan.of(flow) is None
    flow.metadata[PLAN_KEY] = PLAN
    assert UpstreamPlan.of(flow) is PLAN


@pytest.mark.parametrize(
    ("scheme", "host", "port", "allowed"),
    [
        ("https", "up.test", 443, True),
        ("http", "up.test", 443, False),
        ("https", "evil.test", 443, False),
        ("https", "UP.test", 443, False),
        ("https", "up.test", 8443, False),
    ],
)
def test_only_where_the_plan_says(scheme: str, host: str, port: int, allowed: bool) -> None:
    request = flow_of().request
    request.scheme, request.host, request.port = scheme, host, port
    assert PLAN.allows(request) is allowed


def test_the_key_is_not_shown() -> None:
    assert "secret-key" not in repr(PLAN)


def test_an_attempt_is_over_unless_it_is_asked_for_again() -> None:
    assert not Attempt(flow_of(), 1, "broken", "").retry
