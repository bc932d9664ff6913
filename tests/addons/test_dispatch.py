import json
from typing import Any

import pytest

from addons.departures import patience
from addons.dispatch import Dispatch
from addons.proxy.plan import PLAN_KEY, UpstreamPlan
from shared.domain.catalog import Dialect
from shared.errors import GatewayError, JournalError
from tests.support.gateway_flows import (
    REQUEST_ID,
    answer_of,
    flow_of,
    ledger_of,
    routed_context,
    sent_context,
    services,
)
from tests.support.gateway_worker import PATIENT, UPSTREAM_KEY

DIALECTS = list(Dialect)


def ready(dialect: Dialect = Dialect.OPENAI, place: str = "raw", **fields: Any):
    """A flow that Dispatch lets go."""
    made = services()
    context = routed_context(made, dialect, place, **fields)
    context.opened = True
    context.max_tokens = 77
    ledger_of(made).open_requests[REQUEST_ID] = None  # type: ignore[assignment]
    return made, context, flow_of(context)


async def test_a_ready_request_gets_its_plan() -> None:
    made, _, flow = ready()
    await Dispatch(made).request(flow)
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    assert (plan.scheme, plan.host, plan.port) == ("http", "127.0.0.1", 1)
    assert plan.timeouts == patience(PATIENT, streams=False)
    assert plan.allows(flow.request)


async def test_what_is_free_leaves_without_a_reservation_and_unjournaled() -> None:
    made, context, flow = ready(Dialect.ANTHROPIC)
    context.endpoint, context.opened = "/v1/messages/count_tokens", False
    ledger_of(made).open_requests.clear()
    await Dispatch(made).request(flow)
    assert flow.request.path == "/v1/messages/count_tokens"
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    plan.on_sent()
    assert (context.sent, context.attempts) == (True, 1)
    assert ledger_of(made).steps == []


@pytest.mark.parametrize(
    ("dialect", "credential"),
    [
        (Dialect.OPENAI, ("authorization", f"Bearer {UPSTREAM_KEY}")),
        (Dialect.ANTHROPIC, ("x-api-key", UPSTREAM_KEY)),
    ],
)
async def test_the_key_is_in_the_plan_and_on_nothing_that_is_shown(
    dialect: Dialect, credential: tuple[str, str]
) -> None:
    made, _, flow = ready(dialect)
    await Dispatch(made).request(flow)
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    assert plan.credential == credential
    shown = [
        repr(flow.request.headers),
        repr(flow.request.content),
        repr(flow.metadata),
        repr(made),
    ]
    assert UPSTREAM_KEY not in "".join(shown)


async def test_the_body_is_what_was_checked() -> None:
    made, context, flow = ready(temperature=0.5)
    flow.request.content = b'{"model": "something else", "model": "evil"}'
    await Dispatch(made).request(flow)
    sent = json.loads(flow.request.content or b"")
    assert sent["model"] == "m"
    assert sent["temperature"] == 0.5
    assert sent["max_completion_tokens"] == context.max_tokens == 77


@pytest.mark.parametrize(
    ("missing", "value"),
    [
        ("principal", None),
        ("target", None),
        ("outgoing", None),
        ("opened", False),
        ("endpoint", "/v1/models"),
        ("endpoint", "/nowhere"),
    ],
)
async def test_without_everything_nothing_leaves(missing: str, value: object) -> None:
    made, context, flow = ready()
    setattr(context, missing, value)
    with pytest.raises(GatewayError) as caught:
        await Dispatch(made).request(flow)
    assert caught.value.status == 503
    assert PLAN_KEY not in flow.metadata


@pytest.mark.parametrize("place", ["keyless", "proxied"])
async def test_an_upstream_without_a_key_or_its_proxy_is_not_used(place: str) -> None:
    made, _, flow = ready(place=place)
    with pytest.raises(GatewayError) as caught:
        await Dispatch(made).request(flow)
    assert caught.value.status == 503
    assert PLAN_KEY not in flow.metadata


async def test_a_flow_without_a_context_never_leaves() -> None:
    flow = flow_of()
    with pytest.raises(LookupError):
        await Dispatch(services()).request(flow)
    assert PLAN_KEY not in flow.metadata


@pytest.mark.parametrize("lost", [False, True])
async def test_a_flow_that_is_over_gets_no_plan(lost: bool) -> None:
    made, context, _ = ready()
    flow = flow_of(context, response=None if lost else answer_of(402), error=lost)
    await Dispatch(made).request(flow)
    assert PLAN_KEY not in flow.metadata


async def test_leaving_is_noted_before_it_happens() -> None:
    made, context, flow = ready()
    await Dispatch(made).request(flow)
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    assert not context.sent
    plan.on_sent()
    assert context.sent
    assert context.attempts == 1
    assert ledger_of(made).steps == [("sent", REQUEST_ID)]


async def test_what_cannot_be_noted_does_not_count_as_sent() -> None:
    made, context, flow = ready()
    await Dispatch(made).request(flow)
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    ledger_of(made).errors["sent"] = JournalError("disk full")
    with pytest.raises(JournalError):
        plan.on_sent()
    assert not context.sent


def test_a_sent_context_is_one_that_was_dispatched() -> None:
    assert sent_context(services()).sent
