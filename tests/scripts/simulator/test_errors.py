from __future__ import annotations

import pytest

from scripts.simulator.errors import (
    ANTHROPIC,
    OPENAI,
    anthropic_error,
    anthropic_failure,
    html_page,
    openai_error,
    openai_failure,
)


@pytest.mark.parametrize("status", [*OPENAI, 418])
def test_openai_errors_have_their_shape(status: int) -> None:
    refusal = openai_failure(status, "", "model-x", "sk-0123456789abcdef")
    assert refusal.status == status
    error = openai_error(refusal)["error"]
    assert isinstance(error, dict)
    assert list(error) == ["message", "type", "param", "code"]
    assert "{" not in error["message"]


@pytest.mark.parametrize("status", [*ANTHROPIC, 418])
def test_anthropic_errors_have_their_shape(status: int) -> None:
    refusal = anthropic_failure(status, "", "model-x")
    body = anthropic_error(refusal, "req_1")
    assert (refusal.status, body["type"], body["request_id"]) == (status, "error", "req_1")
    assert "{" not in refusal.message


@pytest.mark.parametrize(
    ("status", "variant", "words"),
    [
        (429, "quota", "exceeded your current quota"),
        (400, "budget", "ExceededBudget"),
        (400, "context", "maximum context length"),
    ],
)
def test_openai_variants(status: int, variant: str, words: str) -> None:
    refusal = openai_failure(status, variant, "m", "k")
    assert refusal.status == status
    assert words in refusal.message


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("credit", "credit balance is too low"),
        ("budget", "ExceededBudget"),
        ("context", "prompt is too long"),
    ],
)
def test_anthropic_variants(variant: str, words: str) -> None:
    refusal = anthropic_failure(400, variant, "m")
    assert refusal.status == 400
    assert words in refusal.message


def test_retry_after_can_be_chosen() -> None:
    assert openai_failure(429, "", "m", "k").retry_after_s == 5
    assert openai_failure(429, "after-7", "m", "k").retry_after_s == 7
    assert anthropic_failure(529, "", "m").retry_after_s is None
    assert anthropic_failure(529, "after-0", "m").retry_after_s == 0


def test_a_key_is_masked() -> None:
    message = openai_failure(401, "", "m", "sk-0123456789abcdef").message
    assert "sk-01234************cdef." in message


def test_an_html_page_names_its_status() -> None:
    assert b"502 error" in html_page(502)
