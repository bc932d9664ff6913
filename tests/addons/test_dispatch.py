import json
from dataclasses import replace
from typing import Any

import pytest
from mitmproxy import http

from addons.dispatch import Dispatch, patience
from addons.proxy.plan import PLAN_KEY, UpstreamPlan
from shared.domain.catalog import Dialect, Timeouts
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


def test_a_ready_request_gets_its_plan() -> None:
    made, _, flow = ready()
    Dispatch(made).request(flow)
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    assert (plan.scheme, plan.host, plan.port) == ("http", "127.0.0.1", 1)
    assert plan.timeouts == patience(PATIENT, streams=False)
    assert plan.allows(flow.request)


def test_a_native_request_goes_to_its_own_path() -> None:
    made, context, flow = ready()
    context.endpoint = "/v1/responses"
    Dispatch(made).request(flow)
    assert flow.request.path == "/v1/responses"


def test_what_is_free_leaves_without_a_reservation_and_unjournaled() -> None:
    made, context, flow = ready(Dialect.ANTHROPIC)
    context.endpoint, context.opened = "/v1/messages/count_tokens", False
    ledger_of(made).open_requests.clear()
    Dispatch(made).request(flow)
    assert flow.request.path == "/v1/messages/count_tokens"
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    plan.on_sent()
    assert (context.sent, context.attempts) == (True, 1)
    assert ledger_of(made).steps == []


def test_an_answer_in_one_piece_may_take_as_long_as_the_whole() -> None:
    timeouts = Timeouts(first_byte_s=60, total_s=900)
    assert patience(timeouts, streams=True) == timeouts
    assert patience(timeouts, streams=False).first_byte_s == 900
    assert patience(Timeouts(first_byte_s=60, total_s=30), streams=False).first_byte_s == 60


@pytest.mark.parametrize(
    ("dialect", "credential"),
    [
        (Dialect.OPENAI, ("authorization", f"Bearer {UPSTREAM_KEY}")),
        (Dialect.ANTHROPIC, ("x-api-key", UPSTREAM_KEY)),
    ],
)
def test_the_key_is_in_the_plan_and_on_nothing_that_is_shown(
    dialect: Dialect, credential: tuple[str, str]
) -> None:
    made, _, flow = ready(dialect)
    Dispatch(made).request(flow)
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


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_headers_by_name_and_no_others(dialect: Dialect, stream: bool) -> None:
    made, _, flow = ready(dialect, stream=stream)
    flow.request.headers = http.Headers(
        [
            (b"Host", b"mitm.it"),
            (b"Cookie", b"a=b"),
            (b"Anthropic-Version", b"2024-01-01"),
            (b"anthropic-beta", b"one"),
            (b"anthropic-beta", b"two"),
            (b"X-Forwarded-For", b"6.6.6.6"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Connection", b"keep-alive, x-secret"),
            (b"Accept-Encoding", b"gzip"),
            (b"Content-Encoding", b"identity"),
            (b"x-api-key", b"mine"),
        ]
    )
    Dispatch(made).request(flow)
    expected = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "identity",
        "user-agent": "TrollLLM",
        "host": "127.0.0.1:1",
        "content-length": str(len(flow.request.raw_content or b"")),
    }
    if dialect is Dialect.ANTHROPIC:
        expected |= {"anthropic-version": "2024-01-01", "anthropic-beta": "one, two"}
    assert {name.lower(): value for name, value in flow.request.headers.items()} == expected


def test_a_version_is_always_sent_to_anthropic() -> None:
    made, _, flow = ready(Dialect.ANTHROPIC)
    Dispatch(made).request(flow)
    assert flow.request.headers["anthropic-version"] == "2023-06-01"


def test_the_body_is_what_was_checked() -> None:
    made, context, flow = ready(temperature=0.5)
    flow.request.content = b'{"model": "something else", "model": "evil"}'
    Dispatch(made).request(flow)
    sent = json.loads(flow.request.content or b"")
    assert sent["model"] == "m"
    assert sent["temperature"] == 0.5
    assert sent["max_completion_tokens"] == context.max_tokens == 77


def test_the_head_is_made_anew() -> None:
    made, _, flow = ready(place="prefixed")
    request = flow.request
    request.method, request.http_version, request.authority = "PUT", "HTTP/1.0", "evil.test"
    request.path = "/v1/chat/completions?beta=true"
    Dispatch(made).request(flow)
    request = flow.request
    assert (request.method, request.http_version, request.authority) == ("POST", "HTTP/1.1", "")
    assert request.path == "/prefix/v1/chat/completions"


@pytest.mark.parametrize(
    ("query", "kept"), [("?beta=true", True), ("?beta=false", False), ("", False)]
)
def test_beta_is_the_one_query_that_is_passed_on(query: str, kept: bool) -> None:
    made, _, flow = ready(Dialect.ANTHROPIC)
    flow.request.path = f"/v1/messages{query}"
    Dispatch(made).request(flow)
    assert flow.request.path == "/v1/messages" + (query if kept else "")


@pytest.mark.parametrize(
    ("scheme", "port", "host"),
    [
        ("https", 443, "up.test"),
        ("https", 8443, "up.test:8443"),
        ("http", 80, "up.test"),
        ("http", 443, "up.test:443"),
    ],
)
def test_the_host_header(scheme: str, port: int, host: str) -> None:
    made, context, flow = ready()
    assert context.target is not None
    upstream = replace(context.target.upstream, scheme=scheme, host="up.test", port=port)
    context.target = replace(context.target, upstream=upstream)
    Dispatch(made).request(flow)
    assert flow.request.headers["host"] == host
    assert (flow.request.scheme, flow.request.host, flow.request.port) == (scheme, "up.test", port)


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
def test_without_everything_nothing_leaves(missing: str, value: object) -> None:
    made, context, flow = ready()
    setattr(context, missing, value)
    with pytest.raises(GatewayError) as caught:
        Dispatch(made).request(flow)
    assert caught.value.status == 503
    assert PLAN_KEY not in flow.metadata


@pytest.mark.parametrize("place", ["keyless", "proxied"])
def test_an_upstream_without_a_key_or_its_proxy_is_not_used(place: str) -> None:
    made, _, flow = ready(place=place)
    with pytest.raises(GatewayError) as caught:
        Dispatch(made).request(flow)
    assert caught.value.status == 503
    assert PLAN_KEY not in flow.metadata


def test_a_flow_without_a_context_never_leaves() -> None:
    flow = flow_of()
    with pytest.raises(LookupError):
        Dispatch(services()).request(flow)
    assert PLAN_KEY not in flow.metadata


@pytest.mark.parametrize("lost", [False, True])
def test_a_flow_that_is_over_gets_no_plan(lost: bool) -> None:
    made, context, _ = ready()
    flow = flow_of(context, response=None if lost else answer_of(402), error=lost)
    Dispatch(made).request(flow)
    assert PLAN_KEY not in flow.metadata


def test_leaving_is_noted_before_it_happens() -> None:
    made, context, flow = ready()
    Dispatch(made).request(flow)
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    assert not context.sent
    plan.on_sent()
    assert context.sent
    assert context.attempts == 1
    assert ledger_of(made).steps == [("sent", REQUEST_ID)]


def test_what_cannot_be_noted_does_not_count_as_sent() -> None:
    made, context, flow = ready()
    Dispatch(made).request(flow)
    plan = UpstreamPlan.of(flow)
    assert plan is not None
    ledger_of(made).errors["sent"] = JournalError("disk full")
    with pytest.raises(JournalError):
        plan.on_sent()
    assert not context.sent


def test_a_sent_context_is_one_that_was_dispatched() -> None:
    assert sent_context(services()).sent
