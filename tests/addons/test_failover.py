import dataclasses
import json
from typing import Any

import pytest
from mitmproxy import http

from addons.context import RequestContext
from addons.dispatch import Dispatch
from addons.failover import Failover, fault_behind, shown_error
from addons.proxy.plan import Attempt, UpstreamPlan
from addons.services import Services
from addons.settlement import billed_usage
from addons.transform import outgoing_for
from addons.upstream_keys import CONFIG_KEY_ID
from shared.domain.catalog import Dialect, FilterRule, FilterSpec
from shared.domain.upstream_keys import Fault
from shared.wire.content_filter import ContentFilter
from tests.support.gateway_flows import (
    HOLD_NANO,
    answer_of,
    answered_context,
    bare_context,
    flow_of,
    pools_of,
    routed_context,
    sent_context,
    services,
)
from tests.support.gateway_worker import POOLED_KEYS, UPSTREAM_KEY, named


def text(message: str, kind: str = "some_error") -> bytes:
    return json.dumps({"error": {"type": kind, "message": message}}).encode()


LIVE = 10


def failover_of(made: Services, live: int = LIVE) -> Failover:
    return Failover(made, lambda: live)


@pytest.mark.parametrize(
    ("status", "body", "shown", "code"),
    [
        (400, text("bad field"), 400, ""),
        (404, text("no model"), 404, ""),
        (413, text("too long"), 413, ""),
        (422, text("no"), 422, ""),
        (400, text("Your credit balance is too low"), 502, "upstream_error"),
        (400, text("ExceededBudget: over"), 502, "upstream_error"),
        (429, text("quota", "insufficient_quota"), 502, "upstream_error"),
        (529, text("busy"), 529, "overloaded"),
        *[(status, b"x", 502, "upstream_error") for status in (301, 401, 402, 403, 405, 408)],
        *[(status, b"<html>", 502, "upstream_error") for status in (500, 502, 503, 504)],
    ],
)
def test_what_a_client_is_told(status: int, body: bytes, shown: int, code: str) -> None:
    error = shown_error(status, body)
    assert (error.status, error.code) == (shown, code)


@pytest.mark.parametrize("status", [400, 401, 403, 429])
def test_where_limits_are_what_is_wrong_it_is_told_when_to_come_back(status: int) -> None:
    error = shown_error(status, b"", 17)
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert error.headers["retry-after"] == "17"


def test_wording_is_kept_and_secrets_are_not() -> None:
    error = shown_error(400, text(f"bad key {UPSTREAM_KEY} at up.test"), None, ("up.test",))
    assert error.message.startswith("bad key")
    assert UPSTREAM_KEY not in error.message
    assert "up.test" not in error.message


@pytest.mark.parametrize(
    ("reason", "response", "fault"),
    [
        ("connect", None, Fault.CONNECT),
        ("first_byte", None, Fault.TIMEOUT),
        ("idle", None, Fault.TIMEOUT),
        ("broken", None, Fault.BROKEN),
        ("total", None, None),
        ("journal", None, None),
        ("refused", None, None),
        ("status", answer_of(400, text("bad field")), None),
        ("status", answer_of(400, text("Your credit balance is too low")), Fault.BUDGET),
        ("status", answer_of(429, text("quota", "insufficient_quota")), Fault.BUDGET),
        ("status", answer_of(429), Fault.RATE_LIMITED),
        ("status", answer_of(401), Fault.AUTH),
        ("status", answer_of(402), Fault.BUDGET),
        ("status", answer_of(403), Fault.AUTH),
        ("status", answer_of(408), Fault.TIMEOUT),
        ("status", answer_of(500), Fault.SERVER),
        ("status", answer_of(529), Fault.SERVER),
        ("broken", answer_of(429), Fault.RATE_LIMITED),
        ("broken", answer_of(400, text("half")), Fault.BROKEN),
        ("status", answer_of(500, b"no gzip", content_encoding="gzip"), Fault.SERVER),
    ],
)
def test_what_is_at_fault(reason: str, response: http.Response | None, fault: Fault | None) -> None:
    assert fault_behind(Attempt(flow_of(), 1, reason, "", response=response)) is fault


# Attempts


@dataclasses.dataclass
class Case:
    """A request whose last attempt has failed, with its addon."""

    made: Services
    failover: Failover
    context: RequestContext
    flow: http.HTTPFlow

    async def fail(self, number: int = 1, reason: str = "connect", **fields: Any) -> Attempt:
        failed = Attempt(self.flow, number, reason, "m", **fields)
        await self.failover.upstream_attempt_failed(failed)
        return failed

    @property
    def key(self) -> str:
        plan = UpstreamPlan.of(self.flow)
        assert plan is not None
        return plan.credential[1].removeprefix("Bearer ")


async def case(
    place: str = "pooled",
    *fallbacks: str,
    keys: int = 3,
    live: int = LIVE,
    dialect: Dialect = Dialect.ANTHROPIC,
    **fields: Any,
) -> Case:
    """A request that Dispatch has let go; `fields` are of its body."""
    made = services()
    pools_of(made).add("pooled", *POOLED_KEYS[:keys])
    context = sent_context(made, dialect, named(place, dialect, "m", *fallbacks), **fields)
    context.tried = set()
    flow = flow_of(context)
    await Dispatch(made).request(flow)
    return Case(made, failover_of(made, live), context, flow)


async def test_a_stale_connection_is_replaced_and_nobody_is_blamed() -> None:
    here = await case("raw")
    plan = UpstreamPlan.of(here.flow)
    assert (await here.fail(1, "broken", reused=True)).retry
    assert UpstreamPlan.of(here.flow) is plan
    assert (await here.fail(2, "broken", reused=True)).retry
    assert not (await here.fail(3, "broken", reused=True)).retry
    assert here.flow.response is not None


@pytest.mark.parametrize(
    ("reason", "fields", "status"),
    [
        ("broken", {}, 502),
        ("broken", {"reused": True, "answered": True}, 502),
        ("connect", {"reused": True}, 502),
        ("refused", {}, 502),
        ("journal", {}, 503),
        ("first_byte", {"reused": True}, 504),
        ("idle", {"answered": True}, 504),
        ("total", {"answered": True}, 504),
        ("broken", {"response": answer_of(400, text("half"))}, 502),
        ("idle", {"response": answer_of(400, text("half"))}, 504),
    ],
)
async def test_other_failures_are_answered(
    reason: str, fields: dict[str, Any], status: int
) -> None:
    here = await case("raw")
    failed = await here.fail(1, reason, **fields)
    assert not failed.retry
    response = here.flow.response
    assert response is not None
    assert response.status_code == status
    assert json.loads(response.content or b"")["type"] == "error"
    codes = {502: "upstream_error", 503: "service_unavailable", 504: "upstream_timeout"}
    assert here.context.end_reason == codes[status]
    assert billed_usage(here.context).total == 0 or fields.get("answered")


async def test_the_upstream_s_own_error_is_left_to_be_kept() -> None:
    here = await case("raw")
    failed = await here.fail(1, "status", response=answer_of(400, text("bad field")))
    assert not failed.retry
    assert here.flow.response is None
    assert here.context.end_reason == ""


@pytest.mark.parametrize(
    ("response", "fault", "wait_s"),
    [
        (answer_of(429, retry_after="7"), Fault.RATE_LIMITED, 7),
        (answer_of(429), Fault.RATE_LIMITED, None),
        (answer_of(401), Fault.AUTH, None),
        (answer_of(400, text("Your credit balance is too low")), Fault.BUDGET, None),
        (answer_of(500), Fault.SERVER, None),
        (answer_of(408), Fault.TIMEOUT, None),
    ],
)
async def test_another_key_is_tried_and_the_pool_is_told(
    response: http.Response, fault: Fault, wait_s: float | None
) -> None:
    here = await case()
    assert here.key == POOLED_KEYS[0]
    failed = await here.fail(1, "status", response=response)
    assert failed.retry
    assert here.key == POOLED_KEYS[1]
    assert here.context.key_id == "uk_2"
    assert pools_of(here.made).told == [("uk_1", fault, wait_s)]


async def test_the_same_bytes_go_out_again() -> None:
    here = await case()
    request = here.flow.request
    await here.fail(1, "status", response=answer_of(429))
    assert here.flow.request is request


async def test_what_has_failed_is_free_until_it_leaves_again() -> None:
    here = await case()
    await here.fail(1, "status", response=answer_of(500))
    assert billed_usage(here.context).total == 0
    plan = UpstreamPlan.of(here.flow)
    assert plan is not None
    plan.on_sent()
    assert billed_usage(here.context).total > 0
    assert here.context.attempts == 2


async def test_an_attempt_that_never_connected_counts() -> None:
    here = await case("raw")
    await here.fail(1, "connect")
    assert here.context.attempts == 1


async def test_three_attempts_are_made() -> None:
    here = await case()
    assert (await here.fail(1, "status", response=answer_of(429))).retry
    assert (await here.fail(2, "status", response=answer_of(429))).retry
    assert not (await here.fail(3, "status", response=answer_of(429))).retry
    assert [told[0] for told in pools_of(here.made).told] == ["uk_1", "uk_2", "uk_3"]


async def test_without_another_key_or_fallback_there_is_no_retry() -> None:
    here = await case(keys=1)
    assert not (await here.fail(1, "status", response=answer_of(500))).retry


@pytest.mark.parametrize(
    ("faults", "keys", "upstreams"),
    [
        (["429"], 3, ["pooled"]),
        (["429", "429"], 3, ["pooled", "raw"]),
        (["429"], 1, ["raw"]),
        (["connect"], 3, ["raw"]),
        (["500", "connect"], 3, ["pooled", "raw"]),
        (["connect", "500"], 3, ["raw", ""]),
    ],
)
async def test_keys_first_then_fallbacks_but_the_last_attempt_is_a_fallback_s(
    faults: list[str], keys: int, upstreams: list[str]
) -> None:
    here = await case("pooled", "raw-anthropic/other", keys=keys)
    seen = []
    for number, fault in enumerate(faults, start=1):
        known = {"reason": "connect"} if fault == "connect" else {"reason": "status"}
        response = None if fault == "connect" else answer_of(int(fault))
        failed = await here.fail(number, response=response, **known)
        assert here.context.target is not None
        place = "raw" if here.context.key_id == CONFIG_KEY_ID else "pooled"
        seen.append(place if failed.retry else "")
    assert seen == upstreams


async def test_a_fallback_has_its_own_name_for_the_model_and_its_own_key() -> None:
    here = await case("pooled", "raw-anthropic/other", keys=1)
    price = here.context.target.model.price
    await here.fail(1, "connect")
    assert json.loads(here.flow.request.content or b"")["model"] == "other"
    assert here.key == UPSTREAM_KEY
    assert here.context.target is not None
    assert here.context.target.upstream.name == "anthropic"
    assert here.context.target.model.price is price


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_fallback_of_the_other_dialect_gets_a_translation(dialect: Dialect) -> None:
    other = next(each for each in Dialect if each is not dialect)
    here = await case("dead", f"raw-{other.value}/other", dialect=dialect)
    await here.fail(1, "connect")
    paths = {Dialect.OPENAI: "/v1/chat/completions", Dialect.ANTHROPIC: "/v1/messages"}
    assert here.flow.request.path == paths[other]
    assert here.context.translates
    assert here.context.upstream_dialect is other


async def test_a_fallback_back_in_the_client_s_own_dialect_gets_its_own_words() -> None:
    made = services()
    context = sent_context(
        made, Dialect.ANTHROPIC, named("raw", Dialect.OPENAI, "m", "raw-anthropic/n")
    )
    context.outgoing = outgoing_for(context.parsed, context.target.model, None)
    context.tried = set()
    flow = flow_of(context, headers=http.Headers([(b"anthropic-beta", b"one")]))
    await Dispatch(made).request(flow)
    assert flow.request.path == "/v1/chat/completions"
    assert "anthropic-beta" not in flow.request.headers
    await failover_of(made).upstream_attempt_failed(Attempt(flow, 1, "connect", ""))
    assert flow.request.path == "/v1/messages"
    assert flow.request.headers["anthropic-beta"] == "one"
    assert not context.translates


@pytest.mark.parametrize(
    ("fallback", "hold_nano", "taken"),
    [
        ("raw-openai/n", HOLD_NANO, True),
        ("raw-openai/n", 1_000_000, False),
        ("nowhere-openai/n", HOLD_NANO, False),
        ("keyless-openai/n", HOLD_NANO, False),
        ("proxied-anthropic/n", HOLD_NANO, False),
    ],
)
async def test_a_fallback_that_cannot_take_it_is_skipped(
    fallback: str, hold_nano: int, taken: bool
) -> None:
    here = await case("dead", fallback)
    here.context.hold = dataclasses.replace(here.context.hold, amount_nano=hold_nano)
    assert (await here.fail(1, "connect")).retry is taken
    assert here.context.target.upstream.name == ("openai" if taken else "anthropic")


async def test_the_next_fallback_is_tried_where_one_cannot_take_it() -> None:
    here = await case("dead", "keyless-anthropic/a", "raw-anthropic/b")
    assert (await here.fail(1, "connect")).retry
    assert json.loads(here.flow.request.content or b"")["model"] == "b"


# The budget of retries


@pytest.mark.parametrize(("live", "allowed"), [(1, 3), (10, 3), (15, 3), (25, 5), (64, 12)])
async def test_retries_of_an_outage_are_bounded(live: int, allowed: int) -> None:
    here = await case(live=live)
    retried = []
    for _ in range(allowed + 2):
        one = await case(live=live)
        one.failover = here.failover
        failed = await one.fail(1, "status", response=answer_of(500))
        retried.append(one if failed.retry else None)
    assert len([one for one in retried if one]) == allowed
    assert retried[-1] is None
    ended = next(one for one in retried if one)
    here.failover.responseheaders(ended.flow)
    here.failover.error(ended.flow)
    again = await case(live=live)
    again.failover = here.failover
    assert (await again.fail(1, "status", response=answer_of(500))).retry


async def test_what_one_key_is_to_blame_for_is_not_bounded() -> None:
    here = await case(live=1)
    for status in (429, 401, 402, 403) * 3:
        one = await case()
        one.failover = here.failover
        assert (await one.fail(1, "status", response=answer_of(status))).retry


@pytest.mark.parametrize("end", ["responseheaders", "response", "error"])
async def test_a_permit_is_given_back_once(end: str) -> None:
    here = await case(live=1)
    await here.fail(1, "status", response=answer_of(500))
    assert here.context.retrying
    for _ in range(2):
        getattr(here.failover, end)(here.flow)
    assert not here.context.retrying
    assert here.failover._budget.under_way == 0


# What the pool is told


@pytest.mark.parametrize(
    ("status", "end_reason", "told"),
    [
        (200, "", [None]),
        (200, "internal_error", [None]),
        (200, "upstream_error", [Fault.BROKEN]),
        (200, "upstream_timeout", [Fault.TIMEOUT]),
        (404, "", [None]),
        (400, "", [None]),
        (None, "", []),
    ],
)
async def test_how_an_attempt_ended_is_told_once(
    status: int | None, end_reason: str, told: list[Fault | None]
) -> None:
    here = await case()
    here.context.upstream_status = status
    here.context.end_reason = end_reason
    here.flow.response = answer_of(status or 503, text("x"))
    here.failover.response(here.flow)
    here.failover.response(here.flow)
    assert pools_of(here.made).told == [("uk_1", each, None) for each in told]


async def test_a_client_that_leaves_a_good_answer_says_nothing_against_the_key() -> None:
    here = await case()
    here.context.upstream_status = 200
    here.failover.error(here.flow)
    assert pools_of(here.made).told == [("uk_1", None, None)]


async def test_a_client_that_leaves_while_an_error_comes_pays_nothing() -> None:
    here = await case()
    here.context.sent = True
    here.flow.response = answer_of(500)
    here.failover.error(here.flow)
    assert billed_usage(here.context).total == 0


# Errors that are shown


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("17", "17"),
        ("0", "1"),
        ("", "5"),
        ("soon", "5"),
        ("1.5", "5"),
        ("-1", "5"),
        ("9" * 5_000, "5"),
    ],
)
async def test_when_to_come_back(given: str, told: str) -> None:
    here = await case("raw")
    here.context.upstream_status = 429
    here.flow.response = answer_of(429, b"", retry_after=given)
    here.failover.response(here.flow)
    assert here.flow.response.status_code == 429
    assert here.flow.response.headers["retry-after"] == told


async def test_key_and_host_of_the_attempt_are_struck_out() -> None:
    here = await case()
    here.context.upstream_status = 400
    said = f"wrong key {POOLED_KEYS[0].upper()} at 127.0.0.1"
    here.flow.response = answer_of(400, text(said))
    here.failover.response(here.flow)
    shown = (here.flow.response.content or b"").decode().lower()
    assert "wrong key" in shown
    assert UPSTREAM_KEY not in shown
    assert "127.0.0.1" not in shown


@pytest.mark.parametrize("status", [429, 401])
async def test_the_first_key_that_is_back_tells_when_to_come_back(status: int) -> None:
    here = await case()
    for number, wait_s in enumerate((300, 40, 900), start=1):
        pools_of(here.made).cool(f"uk_{number}", wait_s)
    here.context.upstream_status = status
    here.flow.response = answer_of(status, b"")
    here.failover.response(here.flow)
    assert here.flow.response.status_code == 429
    assert 38 <= int(here.flow.response.headers["retry-after"]) <= 40


def test_an_error_of_the_upstream_is_replaced_and_free() -> None:
    made = services()
    context = sent_context(made)
    context.upstream_status = 500
    flow = flow_of(context, response=answer_of(500, b"their secret", server="up"))
    failover_of(made).response(flow)
    assert flow.response is not None
    assert flow.response.status_code == 502
    assert b"secret" not in (flow.response.content or b"")
    assert "server" not in flow.response.headers
    assert context.failed_unanswered
    assert context.end_reason == "upstream_error"


@pytest.mark.parametrize(
    ("client", "kind", "word"),
    [
        (Dialect.OPENAI, "code", "not_found"),
        (Dialect.ANTHROPIC, "type", "not_found_error"),
    ],
)
def test_an_error_of_the_other_dialect_is_told_in_the_clients_words(
    client: Dialect, kind: str, word: str
) -> None:
    made = services()
    context = sent_context(made, client)
    upstream = Dialect.ANTHROPIC if client is Dialect.OPENAI else Dialect.OPENAI
    context.outgoing = routed_context(made, upstream).parsed
    context.upstream_status = 404
    flow = flow_of(context, response=answer_of(404, text("no such model")))
    failover_of(made).response(flow)
    assert flow.response is not None
    error = json.loads(flow.response.content or b"")["error"]
    assert flow.response.status_code == 404
    assert (error[kind], error["message"]) == (word, "no such model")


def test_an_error_is_cleared_by_the_content_filter() -> None:
    made = services()
    made.content_filter = ContentFilter(FilterSpec(rules=(FilterRule("secret", "hidden"),)))
    context = sent_context(made)
    context.upstream_status = 400
    flow = flow_of(context, response=answer_of(400, text("a secret word")))
    failover_of(made).response(flow)
    assert flow.response is not None
    assert b"a hidden word" in (flow.response.content or b"")


def test_a_packed_error_is_read() -> None:
    made = services()
    context = sent_context(made)
    context.upstream_status = 400
    response = answer_of(400, text("bad field"))
    response.encode("gzip")
    flow = flow_of(context, response=response)
    failover_of(made).response(flow)
    assert flow.response is not None
    assert b"bad field" in (flow.response.content or b"")
    assert flow.response.headers.get("content-encoding") is None


@pytest.mark.parametrize("case", ["good", "not asked", "ended", "faulted", "no context"])
def test_other_answers_are_left_alone(case: str) -> None:
    made = services()
    context = answered_context(made)
    if case != "good":
        context.upstream_status = 500
    if case == "not asked":
        context.upstream_status = None
    context.end_reason = "client_disconnected" if case == "ended" else ""
    context.faulted = case == "faulted"
    response = answer_of(500)
    flow = flow_of(None if case == "no context" else context, response=response)
    failover_of(made).response(flow)
    assert flow.response is response


def test_a_flow_without_a_response_is_left_alone() -> None:
    made = services()
    flow = flow_of(bare_context())
    failover_of(made).response(flow)
    assert flow.response is None
