import pytest

from addons.billing import Billing
from shared.domain.catalog import Dialect
from shared.errors import JournalError
from tests.support.gateway_flows import (
    REQUEST_ID,
    answer_of,
    answered_context,
    flow_of,
    ledger_of,
    routed_context,
    run,
    sent_context,
    services,
)


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_an_answer_is_settled_and_its_cost_told(dialect: Dialect) -> None:
    made = services()
    flow = flow_of(answered_context(made, dialect), response=answer_of())
    await run(Billing(made).response, flow)
    (record,) = ledger_of(made).settled
    assert (record.request_id, record.status, record.cost_nano) == (REQUEST_ID, 200, 135_000)
    assert flow.response is not None
    assert flow.response.headers["x-trollllm-cost-usd"] == "0.000135000"
    assert ledger_of(made).holds.held == {}


async def test_it_is_settled_once_whatever_follows() -> None:
    made = services()
    flow = flow_of(answered_context(made), response=answer_of())
    billing = Billing(made)
    for hook in (billing.response, billing.error, billing.response, billing.error):
        await run(hook, flow)
    assert len(ledger_of(made).settled) == 1
    assert ledger_of(made).faults == []


async def test_a_client_that_has_left_is_settled() -> None:
    made = services()
    flow = flow_of(sent_context(made), error=True)
    await run(Billing(made).error, flow)
    (record,) = ledger_of(made).settled
    assert (record.status, record.end_reason) == (499, "client_disconnected")
    assert record.usage.estimated
    assert record.cost_nano > 0


async def test_a_reason_that_was_given_is_kept() -> None:
    made = services()
    context = sent_context(made)
    context.end_reason = "upstream_error"
    await run(Billing(made).error, flow_of(context, error=True))
    assert ledger_of(made).settled[0].end_reason == "upstream_error"


@pytest.mark.parametrize(("status", "stream"), [(502, False), (200, True)])
async def test_errors_and_streams_tell_no_cost(status: int, stream: bool) -> None:
    made = services()
    response = answer_of(status)
    response.stream = stream
    await run(Billing(made).response, flow_of(answered_context(made), response=response))
    assert "x-trollllm-cost-usd" not in response.headers
    assert len(ledger_of(made).settled) == 1


@pytest.mark.parametrize("hook", ["response", "error"])
@pytest.mark.parametrize("known", [True, False])
async def test_what_was_never_opened_is_never_settled(hook: str, known: bool) -> None:
    made = services()
    context = routed_context(made) if known else None
    response = answer_of() if hook == "response" else None
    flow = flow_of(context, response=response, error=hook == "error")
    await run(getattr(Billing(made), hook), flow)
    assert ledger_of(made).settled == []
    if response is not None:
        assert "x-trollllm-cost-usd" not in response.headers


async def test_a_settlement_that_fails_is_not_tried_twice() -> None:
    """The ledger remembers the request: what recovers it must find one end, not two."""
    made = services()
    flow = flow_of(answered_context(made), response=answer_of())
    ledger_of(made).errors["settle"] = JournalError("disk full")
    billing = Billing(made)
    with pytest.raises(JournalError):
        await run(billing.response, flow)
    ledger_of(made).errors.clear()
    await run(billing.error, flow)
    assert ledger_of(made).settled == []
