import json

import pytest

from addons.failover import Failover, shown_error
from addons.proxy.plan import Attempt
from shared.domain.catalog import Dialect, FilterRule, FilterSpec
from shared.wire.content_filter import ContentFilter
from tests.support.gateway_flows import (
    answer_of,
    answered_context,
    bare_context,
    flow_of,
    routed_context,
    sent_context,
    services,
)
from tests.support.gateway_worker import UPSTREAM_KEY


def text(message: str, kind: str = "some_error") -> bytes:
    return json.dumps({"error": {"type": kind, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "shown", "code"),
    [
        (400, text("bad field"), "", 400, ""),
        (404, text("no model"), "", 404, ""),
        (413, text("too long"), "", 413, ""),
        (422, text("no"), "", 422, ""),
        (400, text("Your credit balance is too low"), "", 502, "upstream_error"),
        (400, text("ExceededBudget: over"), "", 502, "upstream_error"),
        (429, text("quota", "insufficient_quota"), "", 502, "upstream_error"),
        (429, text("slow"), "17", 429, "rate_limit_exceeded"),
        (429, text("slow"), "", 429, "rate_limit_exceeded"),
        (529, text("busy"), "", 529, "overloaded"),
        *[(status, b"x", "", 502, "upstream_error") for status in (301, 401, 402, 403, 405, 408)],
        *[(status, b"<html>", "", 502, "upstream_error") for status in (500, 502, 503, 504)],
    ],
)
def test_what_a_client_is_told(
    status: int, body: bytes, retry_after: str, shown: int, code: str
) -> None:
    error = shown_error(status, body, retry_after)
    assert (error.status, error.code) == (shown, code)


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
def test_when_to_come_back(given: str, told: str) -> None:
    assert shown_error(429, b"", given).headers["retry-after"] == told


def test_wording_is_kept_and_secrets_are_not() -> None:
    error = shown_error(400, text(f"bad key {UPSTREAM_KEY} at up.test"), "", ("up.test",))
    assert error.message.startswith("bad key")
    assert UPSTREAM_KEY not in error.message
    assert "up.test" not in error.message


def attempt(number: int = 1, reason: str = "broken", **fields: bool):
    made = services()
    context = sent_context(made, Dialect.ANTHROPIC)
    return Failover(made), Attempt(flow_of(context), number, reason, "m", **fields), context


def test_a_stale_connection_is_tried_again_once() -> None:
    failover, first, context = attempt(reused=True)
    failover.upstream_attempt_failed(first)
    assert first.retry
    assert not context.end_reason
    failover, second, _ = attempt(2, reused=True)
    failover.upstream_attempt_failed(second)
    assert not second.retry


@pytest.mark.parametrize(
    ("reason", "fields", "status"),
    [
        ("broken", {}, 502),
        ("broken", {"reused": True, "answered": True}, 502),
        ("connect", {"reused": True}, 502),
        ("refused", {}, 502),
        ("first_byte", {"reused": True}, 504),
        ("idle", {"answered": True}, 504),
        ("total", {"answered": True}, 504),
    ],
)
def test_other_failures_are_answered(reason: str, fields: dict[str, bool], status: int) -> None:
    failover, failed, context = attempt(1, reason, **fields)
    failover.upstream_attempt_failed(failed)
    assert not failed.retry
    response = failed.flow.response
    assert response is not None
    assert response.status_code == status
    assert json.loads(response.content or b"")["type"] == "error"
    assert context.failed_unanswered == (not fields.get("answered", False))
    assert context.end_reason == ("upstream_timeout" if status == 504 else "upstream_error")


def test_an_error_of_the_upstream_is_replaced_and_free() -> None:
    made = services()
    context = sent_context(made)
    context.upstream_status = 500
    flow = flow_of(context, response=answer_of(500, b"their secret", server="up"))
    Failover(made).response(flow)
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
    Failover(made).response(flow)
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
    Failover(made).response(flow)
    assert flow.response is not None
    assert b"a hidden word" in (flow.response.content or b"")


def test_a_packed_error_is_read() -> None:
    made = services()
    context = sent_context(made)
    context.upstream_status = 400
    response = answer_of(400, text("bad field"))
    response.encode("gzip")
    flow = flow_of(context, response=response)
    Failover(made).response(flow)
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
    Failover(made).response(flow)
    assert flow.response is response


def test_a_flow_without_a_response_is_left_alone() -> None:
    made = services()
    flow = flow_of(bare_context())
    Failover(made).response(flow)
    assert flow.response is None
