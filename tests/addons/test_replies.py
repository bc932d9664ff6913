import json
from datetime import UTC, datetime

import pytest

from addons.replies import answer, answer_head, as_gateway_error, local, own_headers, rate_headers
from shared.domain.accounts import RateState
from shared.domain.catalog import Dialect
from shared.errors import GatewayError, JournalError, StoreError, StoreUnavailable
from shared.wire import errors as wire
from tests.support.gateway_flows import REQUEST_ID, bare_context, flow_of


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_error_in_the_dialect_with_the_request_s_id(dialect: Dialect) -> None:
    response = answer(flow_of(bare_context(dialect)), wire.overloaded())
    content = json.loads(response.content or b"")
    assert response.status_code == 529
    assert (content.get("type") == "error") == (dialect is Dialect.ANTHROPIC)
    assert content["request_id"] == REQUEST_ID
    assert response.headers["x-request-id"] == response.headers["request-id"] == REQUEST_ID
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "anthropic"), [(b"/v1/messages?x=1", True), (b"/v1/chat/completions", False)]
)
def test_without_a_context_the_path_tells_the_dialect(path: bytes, anthropic: bool) -> None:
    response = answer(flow_of(path=path), wire.internal_error())
    content = json.loads(response.content or b"")
    assert (content.get("type") == "error") == anthropic
    assert content["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("head", "anthropic"),
    [
        (b"POST /v1/messages HTTP/1.1\r\nbad header", True),
        (b"POST /v1/messages", True),
        (b"POST /v1/chat/completions HTTP/1.1", False),
        (b"", False),
        (b"\x16\x03\x01", False),
        (b"\xff \xff \xff", False),
        (b" ", False),
    ],
)
def test_a_head_that_cannot_be_read(head: bytes, anthropic: bool) -> None:
    response = answer_head(head, wire.invalid_request("bad"))
    content = json.loads(response.content or b"")
    assert (content.get("type") == "error") == anthropic
    assert response.headers["x-request-id"].startswith("req_")


def test_what_every_answer_tells() -> None:
    assert own_headers(bare_context()) == {"x-request-id": REQUEST_ID, "request-id": REQUEST_ID}
    closing = own_headers(bare_context(closes=True))
    assert closing["connection"] == "close"
    keyed = own_headers(bare_context(rate=RateState(300, 12, 7)))
    assert keyed["x-ratelimit-remaining-requests"] == "12"


def test_the_window_as_both_providers_write_it() -> None:
    assert rate_headers(RateState(300, 12, 75), datetime(2026, 1, 1, 23, 59, 0, tzinfo=UTC)) == {
        "x-ratelimit-limit-requests": "300",
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "75s",
        "anthropic-ratelimit-requests-limit": "300",
        "anthropic-ratelimit-requests-remaining": "12",
        "anthropic-ratelimit-requests-reset": "2026-01-02T00:00:15Z",
    }


def test_a_local_answer() -> None:
    response = local(bare_context(), b'{"a":1}', 503)
    assert (response.status_code, response.content) == (503, b'{"a":1}')
    assert response.headers["content-length"] == "7"
    assert response.headers["x-request-id"] == REQUEST_ID


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (wire.not_found(), 404),
        (StoreUnavailable("mongodb://user:pass@host"), 503),
        (StoreError("mongodb://user:pass@host"), 503),
        (JournalError("/var/secret"), 503),
        (RuntimeError("secret"), 500),
        (KeyError("secret"), 500),
    ],
)
def test_what_an_exception_becomes(error: Exception, status: int) -> None:
    shown = as_gateway_error(error)
    assert shown.status == status
    assert "secret" not in shown.message
    assert "mongodb" not in shown.message
    assert isinstance(error, GatewayError) == (shown is error)
