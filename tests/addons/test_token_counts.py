import json

import pytest

from addons.context import RequestContext
from addons.token_counts import TokenCounts
from shared.domain.catalog import Dialect
from shared.wire.formats import WireFormat
from shared.wire.requests import parse_request
from tests.support.gateway_flows import answer_of, flow_of, routed_context, services

CONTENT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 400}]}).encode()


def counting(dialect: Dialect) -> RequestContext:
    """A count of tokens for a model of an upstream of that dialect."""
    context = routed_context(services(), dialect)
    context.parsed = parse_request(WireFormat.COUNT_TOKENS, CONTENT)
    return context


def test_an_estimate_says_that_it_is_one() -> None:
    flow = flow_of(counting(Dialect.OPENAI))
    TokenCounts().request(flow)
    assert flow.response is not None
    assert flow.response.headers["x-trollllm-estimated"] == "true"
    assert json.loads(flow.response.content or b"") == {"input_tokens": -(-len(CONTENT) // 4)}


def test_an_upstream_that_can_count_is_asked() -> None:
    flow = flow_of(counting(Dialect.ANTHROPIC))
    TokenCounts().request(flow)
    assert flow.response is None


@pytest.mark.parametrize("missing", ["parsed", "target"])
def test_what_is_not_ready_is_left_alone(missing: str) -> None:
    context = counting(Dialect.OPENAI)
    setattr(context, missing, None)
    flow = flow_of(context)
    TokenCounts().request(flow)
    assert flow.response is None


def test_other_requests_are_left_alone() -> None:
    flow = flow_of(routed_context(services(), Dialect.OPENAI))
    TokenCounts().request(flow)
    assert flow.response is None


def test_a_refusal_stays() -> None:
    refusal = answer_of(400)
    flow = flow_of(counting(Dialect.OPENAI), response=refusal)
    TokenCounts().request(flow)
    assert flow.response is refusal
