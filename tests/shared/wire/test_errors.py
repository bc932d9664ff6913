from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire import errors
from shared.wire.formats import WireFormat
from shared.wire.sse import EventScanner

TABLE: list[tuple[Callable[[], GatewayError], int, str, str, dict[str, str]]] = [
    (errors.conflicting_credentials, 400, "invalid_request", "invalid_request_error", {}),
    (lambda: errors.invalid_request("x", "p"), 400, "invalid_request", "invalid_request_error", {}),
    (errors.invalid_api_key, 401, "invalid_api_key", "authentication_error", {}),
    (errors.friend_key_inactive, 403, "friend_key_inactive", "permission_error", {}),
    (lambda: errors.model_not_allowed("m"), 403, "model_not_allowed", "permission_error", {}),
    (
        lambda: errors.friend_key_limit_exceeded("m"),
        402,
        "friend_key_limit_exceeded",
        "billing_error",
        {"x-should-retry": "false"},
    ),
    (
        lambda: errors.insufficient_credits(120, "https://x/billing"),
        402,
        "insufficient_credits",
        "billing_error",
        {"x-should-retry": "false"},
    ),
    (
        lambda: errors.rate_limited(7),
        429,
        "rate_limit_exceeded",
        "rate_limit_error",
        {"retry-after": "7"},
    ),
    (lambda: errors.model_not_found("m"), 404, "model_not_found", "not_found_error", {}),
    (lambda: errors.request_too_large(5), 413, "request_too_large", "request_too_large", {}),
    (errors.unsupported_encoding, 415, "unsupported", "invalid_request_error", {}),
    (errors.upgrade_refused, 426, "unsupported", "invalid_request_error", {}),
    (errors.not_found, 404, "not_found", "not_found_error", {}),
    (
        lambda: errors.method_not_allowed(["GET", "HEAD"]),
        405,
        "not_found",
        "not_found_error",
        {"allow": "GET, HEAD"},
    ),
    (
        lambda: errors.service_unavailable("database", 3),
        503,
        "service_unavailable",
        "api_error",
        {"retry-after": "3"},
    ),
    (errors.overloaded, 529, "overloaded", "overloaded_error", {"retry-after": "1"}),
    (errors.upstream_failed, 502, "upstream_error", "api_error", {}),
    (errors.upstream_timed_out, 504, "upstream_timeout", "timeout_error", {}),
    (
        lambda: errors.upstream_rate_limited(0),
        429,
        "rate_limit_exceeded",
        "rate_limit_error",
        {"retry-after": "1"},
    ),
    (errors.upstream_overloaded, 529, "overloaded", "overloaded_error", {}),
    (errors.admin_only, 403, "permission_denied", "permission_error", {}),
    (errors.internal_error, 500, "internal_error", "api_error", {}),
]


@pytest.mark.parametrize(("make", "status", "code", "kind", "headers"), TABLE)
def test_the_table(
    make: Callable[[], GatewayError], status: int, code: str, kind: str, headers: dict[str, str]
) -> None:
    error = make()
    assert (error.status, error.code, error.kind) == (status, code, kind)
    assert headers.items() <= dict(error.headers).items()
    assert error.message.endswith((".", "billing", "x"))


def test_openai_form() -> None:
    body = json.loads(errors.error_body(errors.model_not_found("m"), Dialect.OPENAI, "req_1"))
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["code"] == "model_not_found"
    assert body["error"]["param"] == "model"
    assert body["request_id"] == "req_1"


def test_anthropic_form() -> None:
    body = json.loads(errors.error_body(errors.overloaded(), Dialect.ANTHROPIC, "req_1"))
    assert body == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": errors.overloaded().message},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    "torn", [b"", b'data: {"a', b"event: message_delta\ndata: {}\n", b"data: 1\n\n"]
)
@pytest.mark.parametrize(
    ("dialect", "name"), [(Dialect.OPENAI, b""), (Dialect.ANTHROPIC, b"error")]
)
def test_an_event_stands_by_itself_after_whatever_was_torn(
    torn: bytes, dialect: Dialect, name: bytes
) -> None:
    event = errors.error_event(errors.upstream_failed("detail"), dialect, "req_1")
    last = EventScanner().decode(torn + event)[-1]
    assert last.name == name
    assert json.loads(last.data) == json.loads(
        errors.error_body(errors.upstream_failed(), dialect, "req_1")
    )


def test_an_error_in_a_stream_of_responses() -> None:
    """The documented event, with the object that the SDK raises on beside it."""
    error = errors.invalid_request("no", "input")
    event = errors.error_event(error, WireFormat.RESPONSES, "req_1")
    (read,) = EventScanner().decode(event)
    assert read.name == b"error"
    assert json.loads(read.data) == {
        "type": "error",
        "sequence_number": 0,
        "code": "invalid_request",
        "message": "no",
        "param": "input",
        **json.loads(errors.error_body(error, Dialect.OPENAI, "req_1")),
    }


def test_details_are_for_the_log_alone() -> None:
    error = errors.service_unavailable("mongod at 10.0.0.1 is down")
    for dialect in Dialect:
        assert b"10.0.0.1" not in errors.error_body(error, dialect, "req_1")


def test_the_advice_of_402() -> None:
    some = errors.insufficient_credits(120, "https://x/billing").message
    none = errors.insufficient_credits(0, "https://x/billing").message
    assert "max_tokens of at most 120" in some
    assert "max_tokens" not in none
    assert some.endswith("https://x/billing")


@pytest.mark.parametrize("name", ["a\r\nset-cookie: x", "\x00", "x" * 5000, "\u202e"])
def test_names_from_outside_stay_short_and_on_one_line(name: str) -> None:
    message = errors.model_not_found(name).message
    assert message.isprintable()
    assert len(message) < 250


def test_a_limit_is_named_where_known() -> None:
    assert "(300 requests per minute)" in errors.rate_limited(5, 300).message
