import pytest

from addons.transform import Transform
from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire.requests import parse_request
from tests.support.gateway_fakes import BOB
from tests.support.gateway_flows import (
    answer_of,
    bare_context,
    flow_of,
    routed_context,
    services,
)
from tests.support.gateway_worker import body, named


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


OTHER = {Dialect.OPENAI: Dialect.ANTHROPIC, Dialect.ANTHROPIC: Dialect.OPENAI}


def crossed_context(dialect: Dialect, **fields: object):
    """A client of one dialect at a model of the other's."""
    made = services()
    context = bare_context(dialect, principal=BOB)
    name = named("raw", OTHER[dialect])
    context.parsed = parse_request(dialect, body(dialect, name, **fields))
    context.target = made.catalog.resolve(name)
    return context


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_request_for_the_other_dialect_is_translated(dialect: Dialect) -> None:
    context = crossed_context(dialect)
    Transform().request(flow_of(context))
    assert context.outgoing is not None
    assert context.outgoing.dialect is OTHER[dialect]
    assert context.translates
    assert (context.dialect, context.upstream_dialect) == (dialect, OTHER[dialect])
    assert context.outgoing.model == context.parsed.model


def test_what_cannot_be_carried_is_refused_by_its_name() -> None:
    context = crossed_context(Dialect.OPENAI, n=2)
    with pytest.raises(GatewayError) as caught:
        Transform().request(flow_of(context))
    assert (caught.value.status, caught.value.param) == (400, "n")
    assert context.outgoing is None
