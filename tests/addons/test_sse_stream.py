import json

import pytest

from addons.metering import BodyMeter, StreamMeter
from addons.relay import Relay
from addons.sse_stream import SseStream
from shared.domain.accounts import RateState
from shared.domain.catalog import Dialect, FilterRule, FilterSpec
from shared.errors import GatewayError
from shared.wire.content_filter import ContentFilter
from tests.support import streams
from tests.support.gateway_flows import (
    REQUEST_ID,
    answer_of,
    answered_context,
    flow_of,
    ledger_of,
    routed_context,
    sent_context,
    services,
)

DIALECTS = list(Dialect)
STREAM = "text/event-stream"
OTHER = {Dialect.OPENAI: Dialect.ANTHROPIC, Dialect.ANTHROPIC: Dialect.OPENAI}
LONGEST = ContentFilter(FilterSpec(rules=(FilterRule("Droid", "the assistant"),)))


def headers_of(context, response, made=None):
    SseStream(made or services()).responseheaders(flow_of(context, response=response))
    return dict(response.headers)


@pytest.mark.parametrize("kind", [STREAM, "text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_a_stream_is_relayed(kind: str) -> None:
    context = sent_context(services(), stream=True)
    response = answer_of(kind=kind, content_length="5", set_cookie="a=b", server="up")
    found = headers_of(context, response)
    assert found == {
        "content-type": kind,
        "x-request-id": REQUEST_ID,
        "request-id": REQUEST_ID,
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
        "transfer-encoding": "chunked",
    }
    assert isinstance(response.stream, Relay)
    assert isinstance(context.meter, StreamMeter)
    assert context.upstream_status == 200
    assert context.first_byte_s is not None


def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    context = sent_context(services(), stream=True)
    context.http_1_0 = True
    assert "transfer-encoding" not in headers_of(context, answer_of(kind=STREAM))


def test_the_rate_limit_is_told() -> None:
    context = sent_context(services())
    context.rate = RateState(300, 5, 60)
    found = headers_of(context, answer_of(x_ratelimit_remaining_requests="9999"))
    assert found["x-ratelimit-remaining-requests"] == "5"


def test_a_body_is_not_streamed() -> None:
    context = sent_context(services())
    response = answer_of(content_encoding="gzip", server="up")
    assert set(headers_of(context, response)) == {
        "content-type",
        "content-encoding",
        "x-request-id",
        "request-id",
    }
    assert not response.stream
    assert context.meter is None


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        (STREAM, {"content_encoding": "gzip"}),
        ("text/html", {}),
        ("", {}),
        ("text/plain; charset=utf-8", {}),
    ],
)
def test_what_no_client_can_read_is_refused(kind: str, extra: dict[str, str]) -> None:
    with pytest.raises(GatewayError) as caught:
        headers_of(sent_context(services()), answer_of(kind=kind, **extra))
    assert caught.value.status == 502


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json", "text/json"])
def test_all_kinds_of_json_pass(kind: str) -> None:
    response = answer_of(kind=kind)
    headers_of(sent_context(services()), response)
    assert response.headers["content-type"] == kind
    assert not response.stream


def test_an_error_of_the_upstream_is_left_to_failover() -> None:
    context = sent_context(services(), stream=True)
    response = answer_of(500, kind=STREAM, server="up")
    headers_of(context, response)
    assert not response.stream
    assert context.upstream_status == 500


@pytest.mark.parametrize("case", ["not sent", "failed", "no context"])
def test_answers_of_our_own_are_left_alone(case: str) -> None:
    made = services()
    context = routed_context(made) if case == "not sent" else sent_context(made)
    context.failed_unanswered = case == "failed"
    response = answer_of(kind=STREAM)
    flow = flow_of(None if case == "no context" else context, response=response)
    SseStream(made).responseheaders(flow)
    assert not response.stream
    assert context.upstream_status is None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("coding", [None, "gzip"])
def test_a_body_is_metered(dialect: Dialect, coding: str | None) -> None:
    context = sent_context(services(), dialect)
    context.upstream_status = 200
    response = answer_of(content=streams.body(dialect))
    if coding:
        response.encode(coding)
    SseStream(services()).response(flow_of(context, response=response))
    assert isinstance(context.meter, BodyMeter)
    assert context.meter.usage(0).output == streams.OUTPUT_TOKENS
    assert response.raw_content == streams.body(dialect)
    assert "content-encoding" not in response.headers
    assert response.headers["content-length"] == str(len(streams.body(dialect)))


@pytest.mark.parametrize("case", ["no status", "500", "failed", "ended", "streamed", "metered"])
def test_other_bodies_are_not(case: str) -> None:
    made = services()
    context = answered_context(made) if case == "metered" else sent_context(made)
    context.upstream_status = {"no status": None, "500": 500}.get(case, 200)
    context.failed_unanswered = case == "failed"
    context.end_reason = "upstream_error" if case == "ended" else ""
    before = context.meter
    response = answer_of()
    response.stream = case == "streamed"
    SseStream(made).response(flow_of(context, response=response))
    assert context.meter is before


def test_a_relay_tells_the_ledger() -> None:
    made = services()
    context = sent_context(made, stream=True)
    response = answer_of(kind=STREAM)
    headers_of(context, response, made)
    assert callable(response.stream)
    response.stream(streams.events(Dialect.OPENAI)[0])
    assert [request_id for request_id, _ in ledger_of(made).checkpoints] == [REQUEST_ID]


@pytest.mark.parametrize("client", DIALECTS)
def test_an_answer_in_one_piece_is_translated(client: Dialect) -> None:
    made = services()
    context = sent_context(made, client)
    context.outgoing = routed_context(made, OTHER[client]).parsed
    context.upstream_status = 200
    response = answer_of(content=streams.body(OTHER[client]))
    SseStream(made).response(flow_of(context, response=response))
    shown = json.loads(response.content or b"")
    assert ("choices" in shown) == (client is Dialect.OPENAI)
    assert context.meter is not None
    assert context.meter.usage(0).output == streams.OUTPUT_TOKENS


@pytest.mark.parametrize("client", DIALECTS)
def test_a_body_that_is_no_answer_of_the_other_dialect(client: Dialect) -> None:
    made = services()
    context = sent_context(made, client)
    context.outgoing = routed_context(made, OTHER[client]).parsed
    context.upstream_status = 200
    with pytest.raises(GatewayError) as caught:
        SseStream(made).response(flow_of(context, response=answer_of(content=b"[]")))
    assert caught.value.status == 502


def test_an_answer_in_one_piece_is_cleared() -> None:
    made = services()
    made.content_filter = LONGEST
    context = sent_context(made)
    context.upstream_status = 200
    answer = {"choices": [{"index": 0, "message": {"content": "I am Droid."}}]}
    response = answer_of(content=json.dumps(answer).encode())
    SseStream(made).response(flow_of(context, response=response))
    message = json.loads(response.content or b"")["choices"][0]["message"]
    assert message["content"] == "I am the assistant."
