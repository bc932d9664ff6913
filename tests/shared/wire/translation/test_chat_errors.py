from __future__ import annotations

import json
from typing import Any

import pytest

from shared.wire.translation.chat_errors import reported_error, reports_error


def reported(error: Any) -> tuple[int, str, str]:
    found = reported_error(json.dumps({"error": error}).encode())
    return found.status, found.kind, found.message


@pytest.mark.parametrize(
    ("answer", "is_error"),
    [
        ({"error": {"message": "x"}}, True),
        ({"error": "x"}, True),
        ({"object": "error", "message": "x"}, True),
        ({"error": None, "choices": []}, False),
        ({"object": "chat.completion.chunk"}, False),
        ({}, False),
    ],
)
def test_what_is_an_error(answer: dict[str, Any], is_error: bool) -> None:
    assert reports_error(answer) is is_error


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"type": "server_error"}, 502, "api_error"),
        ({"type": "server_error", "code": "rate_limit_exceeded"}, 429, "rate_limit_error"),
        ({"type": "requests"}, 429, "rate_limit_error"),
        ({"code": 429}, 429, "rate_limit_error"),
        ({"type": "invalid_request_error", "code": "x"}, 400, "invalid_request_error"),
        ({"code": "context_length_exceeded"}, 400, "invalid_request_error"),
        ({"type": "Overloaded_Error"}, 529, "overloaded_error"),
        ({"code": 503}, 529, "overloaded_error"),
        ({"code": "timeout"}, 504, "timeout_error"),
        ({"type": ["requests"], "code": None}, 502, "api_error"),
        ({}, 502, "api_error"),
    ],
)
def test_kinds(fields: dict[str, Any], status: int, kind: str) -> None:
    assert reported({"message": "Said.", **fields}) == (status, kind, "Said.")


def test_other_shapes() -> None:
    assert reported("Said.") == (502, "api_error", "Said.")
    found = reported_error(b'{"object": "error", "message": "Said.", "code": 400}')
    assert (found.status, found.message) == (400, "Said.")


def test_messages_are_fit_to_be_shown() -> None:
    _, _, message = reported({"message": "Ask https://10.0.0.1/x about sk-abcdefgh"})
    assert message == "Ask [url] about [key]"
    assert len(reported({"message": "x" * 9000})[2]) == 4000


@pytest.mark.parametrize(
    "error",
    [
        {"message": "You exceeded your current quota.", "code": "insufficient_quota"},
        {"message": "Incorrect API key provided.", "code": "invalid_api_key"},
        {"message": "No.", "code": 403},
        {"message": ""},
        {"message": 7},
        {"code": 500},
        ["x"],
    ],
)
def test_what_is_no_business_of_a_client(error: Any) -> None:
    status, kind, message = reported(error)
    assert (status, kind) == (502, "api_error")
    assert message == "The model provider failed to answer. Try again."


def test_the_log_gets_what_is_not_shown_without_secrets() -> None:
    found = reported_error(b'{"error": {"code": 401, "message": "Bad key sk-abcdefgh"}}')
    assert "Bad key [key]" in found.detail


@pytest.mark.parametrize("kind", ["server_error", "invalid_api_key"])
def test_neither_host_nor_key_is_shown_or_logged(kind: str) -> None:
    error = {"message": "llm.example.com refused odd+key", "type": kind}
    found = reported_error(json.dumps({"error": error}).encode(), ("LLM.example.com", "odd+key"))
    assert "refused" in found.message + found.detail
    assert "example" not in found.message + found.detail
    assert "odd" not in found.message + found.detail
