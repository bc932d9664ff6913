import json
from dataclasses import replace

import pytest

from addons.context import RequestContext
from addons.credit import CreditGuard, bound_of, covered_tokens
from addons.services import Services
from shared.domain.accounts import Hold, Purse
from shared.domain.catalog import Dialect
from shared.domain.pricing import affordable_tokens, bound_nano
from shared.errors import GatewayError, JournalError, StoreUnavailable
from shared.wire.formats import WireFormat
from shared.wire.requests import parse_request
from tests.support.gateway_fakes import BOB, PROXY
from tests.support.gateway_flows import (
    REQUEST_ID,
    answer_of,
    flow_of,
    ledger_of,
    routed_context,
    services,
)
from tests.support.gateway_worker import CONTEXT_WINDOW, MAX_OUTPUT, PRICE, PUBLIC_URL, body


def bound(context: RequestContext):
    assert context.parsed is not None
    assert context.target is not None
    return bound_of(context.parsed, context.target, PRICE)


def test_a_bound_of_what_was_asked_for() -> None:
    found = bound(routed_context(services(), max_tokens=50))
    assert found.max_tokens == 50
    assert found.full_nano == found.minimum_nano
    assert found.full_nano == bound_nano(found.input_tokens, 50, 1, PRICE)


def test_a_bound_without_max_tokens_may_shrink() -> None:
    found = bound(routed_context(services()))
    assert found.max_tokens == MAX_OUTPUT
    assert found.full_nano == bound_nano(found.input_tokens, MAX_OUTPUT, 1, PRICE)
    assert found.minimum_nano == bound_nano(found.input_tokens, 1, 1, PRICE)


def test_a_response_is_never_left_less_than_upstreams_take() -> None:
    context = routed_context(services())
    context.parsed = parse_request(WireFormat.RESPONSES, b'{"model": "m", "input": "hi"}')
    found = bound(context)
    assert found.minimum_nano == bound_nano(found.input_tokens, 16, 1, PRICE)


async def test_what_is_free_takes_no_hold() -> None:
    made = services()
    context = routed_context(made, Dialect.ANTHROPIC)
    context.endpoint = "/v1/messages/count_tokens"
    await CreditGuard(made).request(flow_of(context))
    assert (context.hold, context.opened) == (None, False)
    assert ledger_of(made).steps == []


def test_every_choice_is_bounded() -> None:
    one = bound(routed_context(services(), max_tokens=50))
    three = bound(routed_context(services(), max_tokens=50, n=3))
    assert three.full_nano > 2.9 * one.full_nano


def test_input_from_elsewhere_takes_the_context_window() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}
    found = bound(routed_context(services(), messages=[{"role": "user", "content": [image]}]))
    assert found.input_tokens == CONTEXT_WINDOW


def test_a_prediction_is_bounded_beyond_max_tokens() -> None:
    plain = bound(routed_context(services(), max_tokens=50))
    more = routed_context(services(), max_tokens=50, prediction={"content": "x" * 1000})
    assert bound(more).full_nano - plain.full_nano >= 1000 * 15_000


def test_searches_are_bounded() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 4}]
    context = routed_context(services(), Dialect.ANTHROPIC)
    assert context.parsed is not None
    content = json.loads(body(Dialect.ANTHROPIC, context.parsed.model)) | {"tools": tools}
    context.parsed = parse_request(Dialect.ANTHROPIC, json.dumps(content).encode())
    found = bound(context)
    assert found.full_nano == bound_nano(CONTEXT_WINDOW, 100, 1, PRICE, 4)


async def guard(made: Services, context: RequestContext) -> None:
    await CreditGuard(made).request(flow_of(context))


async def test_the_bound_is_reserved_then_journaled() -> None:
    made = services()
    context = routed_context(made, max_tokens=50)
    await guard(made, context)
    ledger = ledger_of(made)
    assert ledger.steps == [("open", REQUEST_ID)]
    assert ledger.holds.asked[0].full_nano == bound(context).full_nano
    assert context.hold is ledger.holds.held[REQUEST_ID]
    opened = ledger.open_requests[REQUEST_ID]
    assert (opened.hold, opened.record.cost_nano) == (context.hold, 0)
    assert context.opened
    assert context.max_tokens == 50


async def test_without_max_tokens_the_credits_decide() -> None:
    made = services()
    context = routed_context(made)
    found = bound(context)
    ledger_of(made).holds.free_nano = free = bound_nano(found.input_tokens, 100, 1, PRICE) + 14_999
    await guard(made, context)
    assert context.max_tokens == 100
    assert context.hold is not None
    assert context.hold.amount_nano == free
    assert context.max_tokens == affordable_tokens(free, found.input_tokens, 1, PRICE)


async def test_without_max_tokens_and_with_plenty_the_model_s_maximum() -> None:
    made = services()
    context = routed_context(made)
    await guard(made, context)
    assert context.max_tokens == MAX_OUTPUT


@pytest.mark.parametrize("given", [None, 4000])
async def test_too_little_credit_names_what_can_be_had(given: int | None) -> None:
    made = services()
    context = routed_context(made, **({} if given is None else {"max_tokens": given}))
    inputs = bound(context).input_tokens
    affordable = 0 if given is None else 123
    ledger_of(made).holds.free_nano = bound_nano(inputs, affordable, 1, PRICE)
    with pytest.raises(GatewayError) as caught:
        await guard(made, context)
    error = caught.value
    assert (error.status, error.headers["x-should-retry"]) == (402, "false")
    assert ("123" in error.message) == (given is not None)
    assert f"{PUBLIC_URL}/billing" in error.message
    assert ledger_of(made).steps == []
    assert not context.opened


async def test_an_account_that_is_off_is_401() -> None:
    made = services()
    ledger_of(made).holds.active = False
    with pytest.raises(GatewayError) as caught:
        await guard(made, routed_context(made))
    assert caught.value.status == 401


async def test_the_fixed_key_is_journaled_without_a_hold() -> None:
    made = services()
    context = routed_context(made)
    context.principal = PROXY
    await guard(made, context)
    assert ledger_of(made).holds.asked == []
    assert ledger_of(made).open_requests[REQUEST_ID].hold is None
    assert context.opened


async def test_an_unknown_outcome_of_the_reserve_opens_nothing() -> None:
    made = services()
    context = routed_context(made)
    ledger_of(made).holds.error = StoreUnavailable("no answer")
    with pytest.raises(StoreUnavailable):
        await guard(made, context)
    assert not context.opened


@pytest.mark.parametrize("billed", [True, False])
async def test_a_journal_that_fails_gives_the_hold_back(billed: bool) -> None:
    made = services()
    context = routed_context(made)
    if not billed:
        context.principal = PROXY
    ledger = ledger_of(made)
    ledger.errors["open"] = JournalError("disk full")
    with pytest.raises(JournalError):
        await guard(made, context)
    assert ledger.holds.held == {}
    assert context.hold is None
    assert not context.opened


@pytest.mark.parametrize("missing", ["principal", "target", "outgoing", "closed"])
async def test_what_is_not_ready_is_left_alone(missing: str) -> None:
    made = services()
    context = routed_context(made)
    flow = flow_of(context, response=answer_of(400) if missing == "closed" else None)
    if missing != "closed":
        setattr(context, missing, None)
    await CreditGuard(made).request(flow)
    assert ledger_of(made).holds.asked == []


async def test_a_model_without_a_price_is_refused() -> None:
    made = services()
    context = routed_context(made)
    assert context.target is not None
    context.target = replace(context.target, model=replace(context.target.model, price=None))
    with pytest.raises(GatewayError) as caught:
        await guard(made, context)
    assert caught.value.status == 503


def held(amount_nano: int) -> Hold:
    return Hold(REQUEST_ID, BOB.user_id, BOB.username, amount_nano, Purse.MAIN)


@pytest.mark.parametrize(("short_nano", "covered"), [(0, 50), (1, None)])
def test_a_hold_covers_a_given_limit_or_not(short_nano: int, covered: int | None) -> None:
    context = routed_context(services(), max_tokens=50)
    hold = held(bound(context).full_nano - short_nano)
    assert covered_tokens(hold, context.parsed, context.target, 50) == covered


@pytest.mark.parametrize(
    ("output", "most", "covered"), [(80, 100, 80), (80, 60, 60), (1, 100, 1), (0, 100, None)]
)
def test_a_hold_covers_as_much_of_an_open_limit_as_it_can(
    output: int, most: int, covered: int | None
) -> None:
    context = routed_context(services())
    hold = held(bound_nano(bound(context).input_tokens, output, 1, PRICE))
    assert covered_tokens(hold, context.parsed, context.target, most) == covered


def test_without_a_hold_everything_is_covered() -> None:
    context = routed_context(services())
    assert covered_tokens(None, context.parsed, context.target, 70) == 70


@pytest.mark.parametrize(
    ("fallback", "more"), [("raw-openai/m", False), ("raw-anthropic/m", True), ("gone/m", False)]
)
async def test_more_is_set_aside_where_a_fallback_speaks_another_dialect(
    fallback: str, more: bool
) -> None:
    made = services()
    context = routed_context(made, place=f"raw-openai/m>{fallback}", max_tokens=50)
    found = bound(context)
    await CreditGuard(made).request(flow_of(context))
    assert context.hold is not None
    room = bound_nano(found.input_tokens * 11 // 10 + 256, 50, 1, PRICE)
    assert context.hold.amount_nano == (room if more else found.full_nano)


async def test_who_has_not_so_much_is_served_all_the_same() -> None:
    made = services()
    context = routed_context(made, place="raw-openai/m>raw-anthropic/m", max_tokens=50)
    found = bound(context)
    ledger_of(made).holds.free_nano = found.full_nano
    await CreditGuard(made).request(flow_of(context))
    assert context.hold is not None
    assert context.hold.amount_nano == found.full_nano
