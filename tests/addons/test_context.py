import pytest

from addons.context import RequestContext, is_open
from shared.domain.catalog import Dialect
from shared.wire.formats import WireFormat
from shared.wire.requests import parse_request
from tests.support.gateway_flows import answer_of, bare_context, flow_of
from tests.support.gateway_worker import body


def test_a_context_is_found_on_its_flow() -> None:
    context = bare_context()
    flow = flow_of(context)
    assert RequestContext.of(flow) is context
    assert RequestContext.find(flow) is context


@pytest.mark.parametrize("left", [None, "something else"])
def test_a_flow_without_one(left: object) -> None:
    flow = flow_of()
    flow.metadata["trollllm.context"] = left
    assert RequestContext.find(flow) is None
    with pytest.raises(LookupError):
        RequestContext.of(flow)


def test_formats_are_the_plain_ones_until_the_body_was_read() -> None:
    context = bare_context(Dialect.ANTHROPIC)
    assert context.format is context.upstream_format is WireFormat.MESSAGES
    context.parsed = parse_request(WireFormat.RESPONSES, b'{"model": "m", "input": "hi"}')
    assert context.format is context.upstream_format is WireFormat.RESPONSES
    context.outgoing = parse_request(WireFormat.CHAT, body(Dialect.OPENAI, "m"))
    assert context.format is WireFormat.RESPONSES
    assert context.upstream_format is WireFormat.CHAT
    assert context.upstream_dialect is Dialect.OPENAI


def test_a_flow_is_open_until_it_is_answered_or_lost() -> None:
    assert is_open(flow_of())
    assert not is_open(flow_of(response=answer_of()))
    assert not is_open(flow_of(error=True))
