from dataclasses import replace
from decimal import Decimal

import pytest

from addons.metering import BodyMeter, StreamMeter
from addons.settlement import (
    billed_usage,
    closing_record,
    cost_of,
    fallback_record,
    opening_record,
)
from shared.domain.catalog import Dialect
from shared.domain.pricing import Rates, make_price
from shared.domain.usage import Usage
from tests.support import streams
from tests.support.gateway_flows import (
    ARRIVED_AT,
    HOLD_NANO,
    REQUEST_ID,
    answered_context,
    bare_context,
    routed_context,
    sent_context,
    services,
)
from tests.support.gateway_worker import PRICE

REPORTED = Usage(input=streams.INPUT_TOKENS, output=streams.OUTPUT_TOKENS)


def test_the_usage_that_the_upstream_reports() -> None:
    assert billed_usage(answered_context(services())) == REPORTED


@pytest.mark.parametrize(
    "changes",
    [
        {"sent": False},
        {"parsed": None, "outgoing": None},
        {"failed_unanswered": True},
        {"meter": None},
        {"sent": False, "upstream_status": None},
        {"failed_unanswered": True, "upstream_status": None},
        {"meter": None, "upstream_status": 500, "end_reason": "client_disconnected"},
        {"meter": None, "end_reason": "upstream_error"},
    ],
)
def test_what_is_free(changes: dict[str, object]) -> None:
    context = answered_context(services())
    for name, value in changes.items():
        setattr(context, name, value)
    assert billed_usage(context) == Usage()
    assert closing_record(context, 502).cost_nano == 0


def test_an_upstream_at_work_is_paid_the_input() -> None:
    context = sent_context(services())
    assert context.parsed is not None
    expected = Usage(input=context.parsed.input_estimate, estimated=True)
    assert billed_usage(context) == expected
    assert expected.input > 0


def test_a_client_that_leaves_in_a_body_pays_the_input() -> None:
    context = answered_context(services())
    context.meter = None
    context.end_reason = "client_disconnected"
    assert context.parsed is not None
    assert billed_usage(context) == Usage(input=context.parsed.input_estimate, estimated=True)


@pytest.mark.parametrize(
    ("end_reason", "piece", "free"),
    [
        ("upstream_error", b"", True),
        ("upstream_timeout", b": ping\n\n", True),
        ("upstream_error", b'data: {"error": {"message": "overloaded"}}\n\n', True),
        ("upstream_error", b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n', False),
        ("client_disconnected", b"", False),
    ],
)
def test_a_stream_that_fails_with_nothing_in_it_is_free(
    end_reason: str, piece: bytes, free: bool
) -> None:
    context = answered_context(services())
    meter = StreamMeter(Dialect.OPENAI)
    meter.reader.feed(piece)
    context.meter, context.end_reason = meter, end_reason
    assert (billed_usage(context) == Usage()) is free


def test_an_answer_without_usage_is_estimated() -> None:
    context = answered_context(services())
    context.meter = BodyMeter(Dialect.OPENAI, b'{"choices": []}')
    usage = billed_usage(context)
    assert usage.estimated
    assert usage.output > 0


def test_the_cost_goes_by_the_price() -> None:
    assert cost_of(answered_context(services()), REPORTED) == 10 * 3000 + 7 * 15000


@pytest.mark.parametrize("usage", [Usage(), Usage(estimated=True), Usage(reasoning=5)])
def test_no_tokens_cost_nothing(usage: Usage) -> None:
    assert cost_of(answered_context(services()), usage) == 0


def test_without_a_price_nothing_can_be_charged() -> None:
    context = answered_context(services())
    context.target = None
    assert cost_of(context, REPORTED) == 0


@pytest.mark.parametrize(
    ("estimated", "held", "cost_nano"),
    [
        (True, True, HOLD_NANO),
        (False, True, 15_000_000_000),
        (True, False, 15_000_000_000),
    ],
)
def test_only_an_estimate_is_capped_by_the_hold(
    estimated: bool, held: bool, cost_nano: int
) -> None:
    context = answered_context(services())
    if not held:
        context.hold = None
    assert cost_of(context, Usage(output=1_000_000, estimated=estimated)) == cost_nano


def test_searches_are_charged() -> None:
    usage = replace(REPORTED, web_searches=3)
    assert cost_of(answered_context(services()), usage) == 135_000 + 30_000_000


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_opening_record_holds_what_is_known(dialect: Dialect) -> None:
    context = routed_context(services(), dialect, stream=True)
    record = opening_record(context)
    assert context.parsed is not None
    assert record.usage == Usage(input=context.parsed.input_estimate, estimated=True)
    assert (record.request_id, record.username, record.user_id) == (REQUEST_ID, "bob", "usr_bob")
    assert (record.key_id, record.endpoint) == ("key_bob", context.endpoint)
    assert (record.model, record.upstream) == (f"raw-{dialect}/m", dialect.value)
    assert (record.status, record.end_reason, record.cost_nano) == (0, "", 0)
    assert record.price_version == PRICE.version
    assert record.stream
    assert record.created_at == ARRIVED_AT


def test_a_record_of_nobody() -> None:
    record = opening_record(bare_context())
    assert (record.username, record.model, record.price_version) == ("", "", "")
    assert record.usage == Usage(estimated=True)


def test_a_closing_record_tells_the_end() -> None:
    context = answered_context(services())
    context.first_byte_s = context.started_s + 0.25
    record = closing_record(context, 200)
    assert (record.status, record.end_reason) == (200, "complete")
    assert (record.usage, record.cost_nano) == (REPORTED, 135_000)
    assert record.ttft_ms == 250
    assert record.duration_ms >= 0
    assert record.attempts == 1


def test_a_reason_that_was_given_is_kept() -> None:
    context = sent_context(services())
    context.end_reason = "client_disconnected"
    record = closing_record(context, 499)
    assert (record.end_reason, record.ttft_ms) == ("client_disconnected", None)


def test_a_price_of_nothing_costs_nothing() -> None:
    context = answered_context(services())
    assert context.target is not None
    free = make_price(Rates(*[Decimal(0)] * 5))
    context.target = replace(context.target, model=replace(context.target.model, price=free))
    assert cost_of(context, REPORTED) == 0


@pytest.mark.parametrize("sent", [False, True])
def test_a_record_that_cannot_be_made_has_a_stand_in(sent: bool) -> None:
    context = answered_context(services())
    context.sent = sent
    record = fallback_record(context, 500)
    assert (record.status, record.end_reason) == (500, "internal_error")
    assert record.usage.estimated is sent
    assert (record.cost_nano > 0) is sent
    assert context.hold is not None
    assert record.cost_nano <= context.hold.amount_nano
