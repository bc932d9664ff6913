from __future__ import annotations

import json

import pytest

from scripts.simulator.dialects import Anthropic, Dialect, OpenAI, Responses

EVERY = pytest.mark.parametrize(
    "dialect", [OpenAI(), Responses(), Anthropic()], ids=["openai", "responses", "anthropic"]
)


@EVERY
def test_a_missing_and_a_wrong_key_differ(dialect: Dialect) -> None:
    missing, wrong = dialect.unauthorised(""), dialect.unauthorised("sk-0123456789")
    assert (missing.status, wrong.status) == (401, 401)
    assert missing.message != wrong.message


@EVERY
def test_an_error_event_is_one_event(dialect: Dialect) -> None:
    event = dialect.error_event(1)
    assert event.count(b"\n\n") == 1
    assert event.endswith(b"\n\n")
    data = next(line for line in event.split(b"\n") if line.startswith(b"data: "))
    fields = json.loads(data[6:])
    assert "error" in (fields.get("type"), *fields)


@EVERY
def test_headers_name_the_request(dialect: Dialect) -> None:
    first, second = dict(dialect.headers(1)), dict(dialect.headers(2))
    assert len({name for name in first if first[name] != second[name]}) == 1


@EVERY
def test_refusals_have_bodies(dialect: Dialect) -> None:
    for refusal in (dialect.unreadable(), dialect.unknown_path("PUT", "/x")):
        assert refusal.message in dialect.error(refusal, 1).decode()
