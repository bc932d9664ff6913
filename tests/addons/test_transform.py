import pytest

from addons.transform import Transform
from shared.domain.catalog import Dialect
from tests.support.gateway_flows import answer_of, flow_of, routed_context, services


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_native_request_leaves_as_it_came(dialect: Dialect) -> None:
    context = routed_context(services(), dialect)
    context.outgoing = None
    Transform().request(flow_of(context))
    assert context.outgoing is context.parsed
    assert not context.translates


@pytest.mark.parametrize("missing", ["parsed", "target", "closed"])
def test_what_is_not_ready_is_left_alone(missing: str) -> None:
    context = routed_context(services())
    context.outgoing = None
    if missing != "closed":
        setattr(context, missing, None)
    response = answer_of(400) if missing == "closed" else None
    Transform().request(flow_of(context, response=response))
    assert context.outgoing is None
