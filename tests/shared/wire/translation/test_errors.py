"""Errors of an upstream in the words of the other dialect: the table of the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.domain.catalog import Dialect
from shared.wire.errors import error_body
from shared.wire.translation.errors import stream_error, translated_error
from shared.wire.upstream_errors import clean_upstream_error

Json = dict[str, Any]


def rendered(status: int, error: Json, client: Dialect) -> Json:
    """What a client reads of an upstream's error, in its own dialect."""
    clean = clean_upstream_error(status, json.dumps({"error": error}).encode())
    made = translated_error(clean, client)
    assert made.status == status
    found: Json = json.loads(error_body(made, client, "req_1"))["error"]
    return found


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        pytest.param(400, "invalid_request_error", "invalid_request", id="tricky-60 400"),
        pytest.param(404, "not_found_error", "not_found", id="tricky-60 404"),
        pytest.param(413, "request_too_large", "request_too_large", id="tricky-60 413"),
        pytest.param(422, "invalid_request_error", "invalid_request", id="tricky-60 422"),
    ],
)
def test_anthropic_errors_for_openai_clients(status: int, kind: str, code: str) -> None:
    error = {"type": kind, "message": "max_tokens: too large"}
    expected = {"message": "max_tokens: too large", "type": kind, "param": None, "code": code}
    assert rendered(status, error, Dialect.OPENAI) == expected
    strange = rendered(status, {**error, "type": "StrangeError"}, Dialect.OPENAI)
    assert strange == expected


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected"),
    [
        pytest.param(400, "invalid_request_error", None, "invalid_request_error", id="400"),
        pytest.param(
            400,
            "invalid_request_error",
            "context_length_exceeded",
            "invalid_request_error",
            id="context",
        ),
        pytest.param(400, "BadRequestError", 400, "invalid_request_error", id="vLLM"),
        pytest.param(404, "invalid_request_error", "model_not_found", "not_found_error", id="404"),
        pytest.param(413, "invalid_request_error", None, "request_too_large", id="413"),
        pytest.param(422, None, None, "invalid_request_error", id="422"),
    ],
)
def test_openai_errors_for_anthropic_clients(
    status: int, kind: str | None, code: object, expected: str
) -> None:
    error = {"type": kind, "code": code, "message": "Too long.", "param": "messages"}
    assert rendered(status, error, Dialect.ANTHROPIC) == {"type": expected, "message": "Too long."}


def test_an_upstreams_own_code_is_kept() -> None:
    error = {"type": "invalid_request_error", "code": "string_too_long", "message": "x"}
    assert rendered(400, error, Dialect.OPENAI)["code"] == "string_too_long"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("invalid_request_error", 400, "invalid_request"),
        ("not_found_error", 404, "not_found"),
        ("request_too_large", 413, "request_too_large"),
        ("rate_limit_error", 429, "rate_limit_exceeded"),
        ("timeout_error", 504, "upstream_timeout"),
        ("overloaded_error", 529, "overloaded"),
        ("api_error", 502, "upstream_error"),
    ],
)
def test_errors_in_mid_stream(kind: str, status: int, code: str) -> None:
    error = stream_error({"type": "error", "error": {"type": kind, "message": "Words"}})
    assert (error.status, error.kind, error.code) == (status, kind, code)
    assert error.message == "Words"


def test_an_unknown_error_in_mid_stream() -> None:
    error = stream_error({"type": "error", "error": {"type": "odd_error", "message": "Words"}})
    assert (error.status, error.kind, error.code) == (502, "api_error", "upstream_error")
    assert error.message == "Words"


@pytest.mark.parametrize(
    "error",
    [
        {"type": "authentication_error", "message": "invalid x-api-key"},
        {"type": "permission_error", "message": "not for this organization"},
        {"type": "billing_error", "message": "pay"},
        {"type": "invalid_request_error", "message": "Your credit balance is too low to go on"},
    ],
)
def test_errors_about_our_account_say_nothing_of_it(error: Json) -> None:
    made = stream_error({"type": "error", "error": error})
    assert made.message == "The model provider failed to answer. Try again."
    assert (made.status, made.kind) == (502, "api_error")


@pytest.mark.parametrize("error", [None, "words", [], 5, {}, {"message": 3}])
def test_errors_of_any_form(error: object) -> None:
    made = stream_error({"type": "error", "error": error})
    assert (made.status, made.kind, made.code) == (502, "api_error", "upstream_error")
    assert made.message


def test_recorded_errors(shared_material: Path) -> None:
    """tricky-60: every recorded refusal of a request keeps its status and its words."""
    seen = set()
    for path in sorted((shared_material / "fixtures").glob("*/*.json")):
        client = Dialect.OPENAI if path.parent.name == "anthropic" else Dialect.ANTHROPIC
        for turn in json.loads(path.read_text())["interactions"]:
            answer = turn["response"]
            if answer["status"] not in (400, 404):
                continue
            clean = clean_upstream_error(answer["status"], json.dumps(answer["json"]).encode())
            made = json.loads(error_body(translated_error(clean, client), client, "req_1"))
            words = {400: "invalid_request_error", 404: "not_found_error"}[answer["status"]]
            assert made["error"]["type"] == words
            assert made["error"]["message"] == clean.message
            seen.add((client, answer["status"]))
    assert len(seen) >= 3
