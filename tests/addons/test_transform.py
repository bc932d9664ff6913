import pytest

from addons.transform import Transform
from shared.domain.catalog import Dialect, FilterSpec, ThinkingMode
from shared.errors import GatewayError
from shared.wire.content_filter import ContentFilter
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
    Transform(services()).request(flow_of(context))
    assert context.outgoing is context.parsed
    assert not context.translates


@pytest.mark.parametrize("missing", ["parsed", "target", "closed"])
def test_what_is_not_ready_is_left_alone(missing: str) -> None:
    context = routed_context(services())
    context.outgoing = None
    if missing != "closed":
        setattr(context, missing, None)
    response = answer_of(400) if missing == "closed" else None
    Transform(services()).request(flow_of(context, response=response))
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
    Transform(services()).request(flow_of(context))
    assert context.outgoing is not None
    assert context.outgoing.dialect is OTHER[dialect]
    assert context.translates
    assert (context.dialect, context.upstream_dialect) == (dialect, OTHER[dialect])
    assert context.outgoing.model == context.parsed.model


def test_what_cannot_be_carried_is_refused_by_its_name() -> None:
    context = crossed_context(Dialect.OPENAI, n=2)
    with pytest.raises(GatewayError) as caught:
        Transform(services()).request(flow_of(context))
    assert (caught.value.status, caught.value.param) == (400, "n")
    assert context.outgoing is None


def filtering(mode: ThinkingMode):
    made = services()
    made.content_filter = ContentFilter(FilterSpec(thinking=mode))
    return made


def test_thinking_that_is_left_out_is_not_asked_for() -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    context = routed_context(services(), Dialect.ANTHROPIC, thinking=thinking)
    Transform(filtering(ThinkingMode.BLANK)).request(flow_of(context))
    assert context.outgoing is not None
    assert context.outgoing.body["thinking"] == {**thinking, "display": "omitted"}
    assert context.parsed is not None
    assert context.parsed.body["thinking"] == thinking


def test_tools_are_refused_where_thinking_is_left_out() -> None:
    tools = [{"name": "t", "input_schema": {"type": "object"}}]
    context = routed_context(services(), Dialect.ANTHROPIC, tools=tools)
    with pytest.raises(GatewayError) as caught:
        Transform(filtering(ThinkingMode.STRIP)).request(flow_of(context))
    assert (caught.value.status, caught.value.param) == (400, "tools")
