import json
from dataclasses import replace

import pytest
from mitmproxy import http

from addons.context import RequestContext
from addons.router import ModelRouter, check_window
from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire.formats import WireFormat
from tests.support.gateway_flows import (
    answer_of,
    bare_context,
    flow_of,
    routed_context,
    services,
)
from tests.support.gateway_worker import body, named

DIALECTS = list(Dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_model_is_found(dialect: Dialect) -> None:
    context = bare_context(dialect)
    ModelRouter(services()).request(
        flow_of(context, content=body(dialect, named("raw", dialect, "m-1")))
    )
    assert context.parsed is not None
    assert context.target is not None
    assert context.target.model.upstream_model == "m-1"
    assert context.target.upstream.name == dialect.value


@pytest.mark.parametrize(
    ("model", "status", "param"),
    [
        ("unknown", 404, "model"),
        ("../etc", 404, "model"),
        ("$gt", 404, "model"),
        ("raw-openai", 404, "model"),
        ("x\r\ny", 404, "model"),
        ("http://127.0.0.1/x", 404, "model"),
        ("unpriced-openai/m", 503, None),
    ],
)
def test_models_that_cannot_be_served(model: str, status: int, param: str | None) -> None:
    context = bare_context()
    with pytest.raises(GatewayError) as caught:
        ModelRouter(services()).request(flow_of(context, content=body(Dialect.OPENAI, model)))
    assert (caught.value.status, caught.value.param) == (status, param)
    assert context.target is None


def test_a_model_of_the_other_dialect_is_found() -> None:
    content = body(Dialect.ANTHROPIC, "raw-openai/m")
    context = bare_context(Dialect.ANTHROPIC)
    ModelRouter(services()).request(flow_of(context, content=content))
    assert context.target is not None
    assert context.target.model.dialect is Dialect.OPENAI


def responses(dialect: Dialect) -> RequestContext:
    """What the router makes of a request to `/v1/responses`."""
    context = bare_context(endpoint="/v1/responses")
    content = json.dumps({"model": named("raw", dialect), "input": "hi"}).encode()
    ModelRouter(services()).request(flow_of(context, content=content))
    return context


def test_responses_of_an_openai_model() -> None:
    context = responses(Dialect.OPENAI)
    assert context.target is not None
    assert context.format is context.upstream_format is WireFormat.RESPONSES
    assert not context.translates


@pytest.mark.parametrize("model", ["raw-anthropic/m", "raw-openai/m", "unpriced-openai/m"])
def test_counting_tokens_takes_neither_limit_nor_price(model: str) -> None:
    context = bare_context(Dialect.ANTHROPIC, endpoint="/v1/messages/count_tokens")
    content = json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}]})
    flow = flow_of(context, content=content.encode())
    ModelRouter(services()).request(flow)
    assert context.target is not None
    assert context.format is WireFormat.COUNT_TOKENS


def test_responses_are_native_only() -> None:
    with pytest.raises(GatewayError, match="/v1/chat/completions") as caught:
        responses(Dialect.ANTHROPIC)
    assert (caught.value.status, caught.value.param) == (400, "model")


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"model": 5}', b"\xff"])
def test_bodies_that_cannot_be_read(content: bytes | None) -> None:
    with pytest.raises(GatewayError) as caught:
        ModelRouter(services()).request(flow_of(bare_context(), content=content))
    assert caught.value.status == 400


def test_duplicate_keys_the_last_one_counts() -> None:
    good = json.dumps(named("raw", Dialect.OPENAI))
    content = b'{"model": "unknown", "messages": [{"role": "user", "content": "x"}], "model": %s}'
    context = bare_context()
    ModelRouter(services()).request(flow_of(context, content=content % good.encode()))
    assert context.target is not None


def test_a_search_without_a_price_is_refused() -> None:
    made = services()
    name = named("raw", Dialect.ANTHROPIC)
    model = made.catalog.models[name]
    assert model.price is not None
    cheap = replace(model.price, base=replace(model.price.base, web_search=None))
    made.catalog = replace(made.catalog, models={name: replace(model, price=cheap)})
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    content = body(Dialect.ANTHROPIC, name, tools=tools)
    with pytest.raises(GatewayError) as caught:
        ModelRouter(made).request(flow_of(bare_context(Dialect.ANTHROPIC), content=content))
    assert (caught.value.status, caught.value.param) == (400, "tools")


@pytest.mark.parametrize("case", ["local", "nowhere", "answered", "lost"])
def test_what_is_not_to_be_routed(case: str) -> None:
    paths = {"local": "/v1/models", "nowhere": "/nowhere"}
    context = bare_context(endpoint=paths.get(case, "/v1/chat/completions"))
    response = answer_of(400) if case == "answered" else None
    flow = flow_of(context, response=response, error=case == "lost", content=b"no json")
    ModelRouter(services()).request(flow)
    assert context.parsed is None


@pytest.mark.parametrize(("window", "refused"), [(200_000, True), (1_000_000, False)])
def test_a_longer_context_than_the_price_covers_is_refused(window: int, refused: bool) -> None:
    target = routed_context(services(), Dialect.ANTHROPIC, "raw").target
    assert target is not None
    model = replace(target.model, context_window=window)
    beta = "tools-2025-01-01, context-1m-2025-08-07"
    check_window("tools-2025-01-01", model)
    if not refused:
        check_window(beta, model)
        return
    with pytest.raises(GatewayError) as caught:
        check_window(beta, model)
    assert (caught.value.status, caught.value.param) == (400, "anthropic-beta")


@pytest.mark.parametrize(
    ("spoken", "model", "refused"),
    [
        (Dialect.ANTHROPIC, Dialect.ANTHROPIC, True),
        (Dialect.ANTHROPIC, Dialect.OPENAI, False),
        (Dialect.OPENAI, Dialect.ANTHROPIC, False),
    ],
)
def test_a_beta_that_is_not_sent_needs_no_price(
    spoken: Dialect, model: Dialect, refused: bool
) -> None:
    context = bare_context(spoken)
    headers = http.Headers(anthropic_beta="context-1m-2025-08-07")
    flow = flow_of(context, content=body(spoken, named("raw", model)), headers=headers)
    if not refused:
        ModelRouter(services()).request(flow)
        assert context.target is not None
        return
    with pytest.raises(GatewayError) as caught:
        ModelRouter(services()).request(flow)
    assert (caught.value.status, caught.value.param) == (400, "anthropic-beta")
