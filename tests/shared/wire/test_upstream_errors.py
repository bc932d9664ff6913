from __future__ import annotations

import json
from typing import Any

import pytest

from shared.wire.upstream_errors import PASSED_ON, clean_upstream_error, is_account_fault, redact


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


def anthropic(message: str, kind: str = "invalid_request_error") -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


LOW = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."


NESTED = anthropic(LOW).decode()


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, anthropic(LOW)),
        (400, body(message="ExceededBudget: User=default over budget. Spend=10", type=None)),
        (400, body(message="Budget has been exceeded! Current cost: 20.0", type="budget_exceeded")),
        (400, body(message="litellm.BadRequestError: AnthropicException - " + LOW)),
        (400, body(message="litellm.BadRequestError: AnthropicException - b'" + NESTED + "'")),
        (
            429,
            body(
                message="You exceeded your current quota, please check", code="insufficient_quota"
            ),
        ),
        (429, body(message="You exceeded your current quota, please check your plan")),
        (400, anthropic("This organization has been disabled.")),
        (403, body(message="x", code="billing_not_active")),
        (402, anthropic("pay", "billing_error")),
        (400, b'{"error": "ExceededBudget: over"}'),
    ],
)
def test_faults_of_our_account(status: int, data: bytes) -> None:
    assert is_account_fault(status, data)


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, anthropic("prompt is too long: 210000 tokens > 200000 maximum")),
        (429, anthropic("This request would exceed your rate limit", "rate_limit_error")),
        (429, body(message="Rate limit reached for gpt-4o", code="rate_limit_exceeded")),
        # Quoted by an upstream, a client's words disable no key.
        (400, anthropic(f'messages.0.content: unexpected value "{LOW}"')),
        (400, anthropic("messages: insufficient_quota ExceededBudget")),
        (400, body(message="x", param=LOW, code="invalid_value")),
        (500, anthropic(LOW)),
        (200, anthropic(LOW)),
        (400, b"credit balance is too low"),
        (400, b""),
        (400, b"[]"),
        (400, b'{"error": {"message": 5, "code": ["insufficient_quota"]}}'),
    ],
)
def test_faults_of_the_request(status: int, data: bytes) -> None:
    assert not is_account_fault(status, data)


@pytest.mark.parametrize("status", sorted(PASSED_ON))
def test_wording_that_agents_match_on_is_kept(status: int) -> None:
    message = "prompt is too long: 210000 tokens > 200000 maximum"
    error = clean_upstream_error(status, anthropic(message))
    assert (error.status, error.kind, error.message) == (status, "invalid_request_error", message)


def test_the_openai_form_is_kept() -> None:
    data = body(
        message="This model's maximum context length is 128000 tokens.",
        type="invalid_request_error",
        param="messages",
        code="context_length_exceeded",
    )
    error = clean_upstream_error(400, data)
    assert error.code == "context_length_exceeded"
    assert error.param == "messages"
    assert error.kind == "invalid_request_error"
    assert error.message.startswith("This model's maximum context length")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<html>nginx</html>", "not_found_error"),
        (b"", "not_found_error"),
        (body(message="", type=5, code={}), "not_found_error"),
        (body(message="x" * 9000, type="bad type\n"), "not_found_error"),
    ],
)
def test_what_has_no_form_gets_one(data: bytes, kind: str) -> None:
    error = clean_upstream_error(404, data)
    assert error.kind == kind
    assert error.code == ""
    assert 0 < len(error.message) <= 4000
    assert "nginx" not in error.message


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Incorrect API key provided: sk-proj-abc123def456.", "abc123"),
        ("Incorrect API key provided: sk-ant-***abcd.", "abcd"),
        ("got Authorization: Bearer eyJhbGciOi.x.y", "eyJ"),
        ("in organization org-AbCdEf123456 on tokens", "AbCdEf"),
        ("project proj_AbCdEf123456", "AbCdEf"),
        ("workspace 1f0e9d8c-1234-4abc-9def-001122334455 is", "1f0e9d8c"),
        ("see https://api.example.com/v1/x?key=1 for", "example"),
        ("connect to 10.0.0.12:8443 failed", "10.0.0.12"),
        ("from API.OpenAI.com", "OpenAI.com"),
        ("at upstream.internal", "upstream.internal"),
        ("at UPSTREAM.internal", "UPSTREAM"),
    ],
)
def test_secrets_do_not_pass(text: str, secret: str) -> None:
    assert secret not in redact(text, ["", "upstream.internal"])
    assert (
        secret not in clean_upstream_error(400, body(message=text), ["upstream.internal"]).message
    )


def test_codes_do_not_carry_secrets_either() -> None:
    error = clean_upstream_error(
        400, body(message="x", code="org-AbCdEf123456", param="sk-abcdef99")
    )
    assert "AbCdEf" not in error.code
    assert "abcdef" not in (error.param or "")


def test_a_code_may_be_a_number() -> None:
    assert clean_upstream_error(404, body(message="x", code=404)).code == "404"


def test_long_wording_is_judged_quickly() -> None:
    assert not is_account_fault(400, body(message="aError" * 50_000))
    assert not is_account_fault(400, body(message='b{"error":{' * 50_000))
