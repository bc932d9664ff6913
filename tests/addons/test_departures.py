import json
from typing import Any

import pytest
from mitmproxy import http

from addons.departures import Departures, conversation_of, patience
from addons.dispatch import Dispatch
from addons.proxy.plan import PLAN_KEY, UpstreamPlan
from shared.domain.accounts import Principal, Role
from shared.domain.catalog import Dialect, Timeouts
from shared.errors import GatewayError
from shared.wire.formats import WireFormat
from shared.wire.requests import parse_request
from tests.support.gateway_fakes import ADMIN, BOB
from tests.support.gateway_flows import flow_of, pools_of, sent_context, services
from tests.support.gateway_worker import POOLED_KEYS, UPSTREAM_KEY, named

ANTHROPIC = Dialect.ANTHROPIC


def ready(place: str = "pooled", *fallbacks: str, dialect: Dialect = ANTHROPIC, **fields: Any):
    """A request that may leave, with services that hold three pooled keys."""
    made = services()
    pools_of(made).add("pooled", *POOLED_KEYS)
    asked = named(place, dialect, "m", *fallbacks)
    context = sent_context(made, dialect, asked, **fields)
    context.tried = set()
    context.sent = False
    return made, context, flow_of(context)


def key_of(flow: http.HTTPFlow) -> str:
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    return plan.credential[1].removeprefix("Bearer ")


def test_an_answer_in_one_piece_may_take_as_long_as_the_whole() -> None:
    timeouts = Timeouts(first_byte_s=60, total_s=900)
    assert patience(timeouts, streams=True) == timeouts
    assert patience(timeouts, streams=False).first_byte_s == 900
    assert patience(Timeouts(first_byte_s=60, total_s=30), streams=False).first_byte_s == 60


async def test_the_first_key_of_the_pool_is_taken_and_remembered() -> None:
    made, context, flow = ready()
    await Dispatch(made).request(flow)
    assert key_of(flow) == POOLED_KEYS[0]
    assert (context.key_id, context.tried) == ("uk_1", {"uk_1"})


async def test_one_key_after_the_other_until_none_is_left() -> None:
    made, context, flow = ready()
    await Dispatch(made).request(flow)
    departures = Departures(made)
    assert [await departures.other_key(flow) for _ in range(3)] == [True, True, False]
    assert key_of(flow) == POOLED_KEYS[2]
    assert context.key_id == "uk_3"


@pytest.mark.parametrize(
    ("cooling", "out", "status", "retry_after"),
    [
        ({"uk_1": 60, "uk_2": 40, "uk_3": 50}, set(), 429, "40"),
        ({"uk_2": 40}, {"uk_1", "uk_3"}, 429, "40"),
        ({}, {"uk_1", "uk_2", "uk_3"}, 503, "5"),
    ],
)
async def test_without_a_usable_key_nothing_leaves(
    cooling: dict[str, float], out: set[str], status: int, retry_after: str
) -> None:
    made, _, flow = ready()
    pools_of(made).out = out
    for key_id, wait_s in cooling.items():
        pools_of(made).cool(key_id, wait_s)
    with pytest.raises(GatewayError) as caught:
        await Dispatch(made).request(flow)
    assert (caught.value.status, caught.value.headers["retry-after"]) == (status, retry_after)
    assert PLAN_KEY not in flow.metadata


@pytest.mark.parametrize("place", ["pooled", "keyless", "proxied"])
async def test_where_no_key_can_be_used_a_fallback_is_the_first(place: str) -> None:
    made, context, flow = ready(place, "raw-anthropic/other")
    pools_of(made).out = {"uk_1", "uk_2", "uk_3"}
    await Dispatch(made).request(flow)
    assert json.loads(flow.request.content or b"")["model"] == "other"
    assert key_of(flow) == UPSTREAM_KEY
    assert context.fallbacks == ()


async def test_fallbacks_go_in_their_order_each_once() -> None:
    made, _, flow = ready("raw", "raw-anthropic/a", "raw-openai/b", "raw-anthropic/c")
    await Dispatch(made).request(flow)
    departures, seen = Departures(made), []
    while await departures.fall_back(flow):
        seen.append(json.loads(flow.request.content or b"")["model"])
    assert seen == ["a", "b", "c"]


async def test_a_limit_left_open_shrinks_to_what_the_hold_covers() -> None:
    made, context, flow = ready("raw", "raw-anthropic/a", dialect=Dialect.OPENAI)
    context.max_tokens = 4096
    await Dispatch(made).request(flow)
    assert await Departures(made).fall_back(flow)
    sent = json.loads(flow.request.content or b"")["max_tokens"]
    assert sent == context.max_tokens
    assert 1 < sent < 4096


@pytest.mark.parametrize(
    ("form", "path", "fields"),
    [
        (WireFormat.RESPONSES, "/v1/responses", {"input": "hi"}),
        (
            WireFormat.COUNT_TOKENS,
            "/v1/messages/count_tokens",
            {"messages": [{"role": "user", "content": "hi"}]},
        ),
    ],
)
async def test_what_cannot_be_translated_falls_back_only_in_its_dialect(
    form: WireFormat, path: str, fields: dict[str, Any]
) -> None:
    dialect = form.dialect
    other = next(each for each in Dialect if each is not dialect)
    places = (f"raw-{other.value}/a", f"raw-{dialect.value}/b")
    made, context, flow = ready("raw", *places, dialect=dialect)
    assert context.parsed is not None
    data = json.dumps({"model": context.parsed.model, **fields}).encode()
    context.parsed = context.outgoing = parse_request(form, data)
    context.endpoint = path
    await Dispatch(made).request(flow)
    assert await Departures(made).fall_back(flow)
    assert (json.loads(flow.request.content or b"")["model"], flow.request.path) == ("b", path)
    assert not await Departures(made).fall_back(flow)


@pytest.mark.parametrize(("beta", "taken"), [("context-1m-2025-08-07", False), ("one", True)])
async def test_the_long_context_is_checked_again_where_its_beta_would_go(
    beta: str, taken: bool
) -> None:
    made = services()
    asked = named("raw", Dialect.OPENAI, "m", "raw-anthropic/b")
    context = sent_context(made, ANTHROPIC, asked)
    flow = flow_of(context, headers=http.Headers(anthropic_beta=beta))
    await Dispatch(made).request(flow)
    assert await Departures(made).fall_back(flow) is taken


# Conversations


def conversation(principal: Principal = BOB, text: str = "hi", **headers: str) -> str | None:
    made = services()
    context = sent_context(made, ANTHROPIC, messages=[{"role": "user", "content": text}])
    context.principal = principal
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    context.client = flow_of(context, headers=http.Headers(**fields)).request
    return conversation_of(context)


def test_a_conversation_is_told_by_its_name_or_its_beginning() -> None:
    assert conversation() == conversation()
    assert conversation(text="one") != conversation(text="two")
    named_one = conversation(text="one", x_claude_code_session_id="s")
    assert named_one == conversation(text="two", x_claude_code_session_id="s")
    assert named_one == conversation(text="three", session_id="s")
    assert named_one != conversation(x_claude_code_session_id="t")


def test_two_accounts_have_no_conversation_in_common() -> None:
    assert conversation(BOB) != conversation(ADMIN)
    other = Principal("usr_eve", "bob", BOB.key_id, Role.USER)
    assert conversation(BOB, session_id="s") != conversation(other, session_id="s")


def test_without_a_caller_there_is_no_conversation() -> None:
    context = sent_context(services())
    assert conversation_of(context) is None
