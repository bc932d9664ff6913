from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.domain.catalog import Dialect
from shared.domain.pricing import Rates, make_price
from shared.errors import GatewayError
from shared.wire.formats import WireFormat
from shared.wire.requests import (
    ParsedRequest,
    check_priced,
    parse_request,
    prepare_upstream,
    read_translated,
)

SHARED = Path(__file__).resolve().parents[4] / "shared"
OPENAI, ANTHROPIC = Dialect.OPENAI, Dialect.ANTHROPIC
SAID = [{"role": "user", "content": "hi"}]


def parse(dialect: Dialect, **fields: Any) -> ParsedRequest:
    needed = {"model": "m", "messages": SAID}
    if dialect is ANTHROPIC:
        needed["max_tokens"] = 5
    return parse_request(dialect, orjson.dumps({**needed, **fields}))


def recorded_requests() -> list[Any]:
    found = []
    for path in sorted(SHARED.glob("fixtures/*/*.json")):
        for turn in json.loads(path.read_text())["interactions"]:
            request = turn.get("request") or {}
            if isinstance(request.get("body"), dict) and request["method"] == "POST":
                name = f"{path.stem}#{turn['index']}"
                dialect = Dialect(path.parent.name)
                status = turn["response"]["status"]
                if "/count_tokens" not in request["path"]:
                    found.append(pytest.param(dialect, request["body"], status, id=name))
    return found


# What a recorded request may have that the gateway refuses by design: identifiers of stored
# objects, and what has no price.
def refusal_by_design(body: dict[str, Any]) -> bool:
    text = json.dumps(body)
    return any(
        mark in text
        for mark in (
            '"file_id"',
            '"container"',
            '"input_audio"',
            '"web_search_options"',
            '"advisor_20260301"',
            '"code_execution_20260120"',
        )
    )


@pytest.mark.skipif(not SHARED.joinpath("fixtures").is_dir(), reason="no ../shared/fixtures")
@pytest.mark.parametrize(("dialect", "body", "status"), recorded_requests())
def test_recorded_requests(dialect: Dialect, body: dict[str, Any], status: int) -> None:
    raw = json.dumps(body, ensure_ascii=False).encode()
    if refusal_by_design(body):
        with pytest.raises(GatewayError) as caught:
            parse_request(dialect, raw)
        assert caught.value.status == 400
        return
    if not body["messages"]:
        assert status == 400
        return
    parsed = parse_request(dialect, raw)
    sent = json.loads(prepare_upstream(parsed, "there", 77))
    changed = {"model", "stream_options", "max_completion_tokens"}
    assert {k: v for k, v in sent.items() if k not in changed} == {
        k: v for k, v in body.items() if k not in changed
    }
    assert [k for k in sent if k in body] == list(body)


def test_the_body_goes_on_as_it_came_but_for_the_model() -> None:
    said = b'"messages":[{"role":"user","content":"\xc4\x91"}]'
    before = b'{"z":1,"model":"mine","max_tokens":5,' + said
    parsed = parse_request(ANTHROPIC, before + b',"x":{"y":[1.50,null,1e2]},"a":"\\u0041"}')
    after = b'{"z":1,"model":"theirs","max_tokens":5,' + said
    sent = after + b',"x":{"y":[1.5,null,100.0]},"a":"A"}'
    assert prepare_upstream(parsed, "theirs", 99) == sent


def test_the_last_of_equal_keys_is_checked_and_sent() -> None:
    said = b'"messages":[],"messages":[{"role":"user","content":"x"}]'
    twice = b'{"model":"a","model":"b","max_tokens":0,"max_tokens":5,' + said + b"}"
    parsed = parse_request(ANTHROPIC, twice)
    assert (parsed.model, parsed.max_tokens) == ("b", 5)
    assert prepare_upstream(parsed, "c").count(b"max_tokens") == 1


@pytest.mark.parametrize(
    ("dialect", "fields", "given", "sent"),
    [
        (OPENAI, {}, 50, {"max_completion_tokens": 50}),
        (OPENAI, {"max_completion_tokens": None}, 50, {"max_completion_tokens": 50}),
        (OPENAI, {"max_tokens": 9}, 50, {"max_tokens": 9}),
        (OPENAI, {"max_completion_tokens": 9}, 50, {"max_completion_tokens": 9}),
        (OPENAI, {}, None, {}),
        (
            OPENAI,
            {"stream": True},
            None,
            {"stream": True, "stream_options": {"include_usage": True}},
        ),
        (
            OPENAI,
            {
                "stream": True,
                "stream_options": {"include_usage": False, "include_obfuscation": False},
            },
            None,
            {
                "stream": True,
                "stream_options": {"include_usage": True, "include_obfuscation": False},
            },
        ),
        (
            OPENAI,
            {"stream": True, "stream_options": None},
            None,
            {"stream": True, "stream_options": {"include_usage": True}},
        ),
        (OPENAI, {"stream": False}, None, {"stream": False}),
        (ANTHROPIC, {"stream": True}, 50, {"max_tokens": 5, "stream": True}),
    ],
)
def test_documented_changes(
    dialect: Dialect, fields: dict[str, Any], given: int | None, sent: dict[str, Any]
) -> None:
    parsed = parse(dialect, **fields)
    before = orjson.dumps(parsed.body)
    body = orjson.loads(prepare_upstream(parsed, "there", given))
    assert body == {"model": "there", "messages": SAID, **sent}
    assert orjson.dumps(parsed.body) == before


@pytest.mark.parametrize(
    ("asked", "options"), [(True, {"include_usage": True}), (False, {}), (False, None)]
)
def test_whether_the_client_asked_for_usage_is_known(asked: bool, options: Any) -> None:
    assert parse(OPENAI, stream=True, stream_options=options).asked_for_usage is asked


@pytest.mark.parametrize(
    ("fields", "given", "sent"),
    [
        ({}, 50, {"max_output_tokens": 50, "store": False}),
        ({"max_output_tokens": 20}, 50, {"max_output_tokens": 20, "store": False}),
        ({"max_output_tokens": None}, None, {"max_output_tokens": None, "store": False}),
        ({"store": True, "stream": True}, None, {"store": False, "stream": True}),
        ({"store": False, "client_metadata": {"a": 1}}, None, None),
        ({"stream_options": {"include_obfuscation": False}, "store": False}, None, None),
    ],
)
def test_documented_changes_of_responses(
    fields: dict[str, Any], given: int | None, sent: dict[str, Any] | None
) -> None:
    whole = {"model": "m", "input": "hi", **fields}
    parsed = parse_request(WireFormat.RESPONSES, orjson.dumps(whole))
    body = orjson.loads(prepare_upstream(parsed, "there", given))
    assert body == {"model": "there", "input": "hi", **(fields if sent is None else sent)}
    assert parsed.body == whole


def test_a_count_of_tokens_needs_no_limit_and_gets_none() -> None:
    content = orjson.dumps({"model": "m", "messages": SAID})
    parsed = parse_request(WireFormat.COUNT_TOKENS, content)
    assert (parsed.format, parsed.dialect) == (WireFormat.COUNT_TOKENS, ANTHROPIC)
    assert orjson.loads(prepare_upstream(parsed, "there", 50)) == {
        "model": "there",
        "messages": SAID,
    }
    with pytest.raises(GatewayError):
        parse_request(WireFormat.MESSAGES, content)


def test_searches_need_a_price() -> None:
    rate = Decimal(1)
    one = make_price(Rates(rate, rate, rate, rate, rate, web_search=rate))
    none = make_price(Rates(rate, rate, rate, rate, rate))
    searching = parse(ANTHROPIC, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    check_priced(searching, one)
    check_priced(parse(ANTHROPIC), none)
    with pytest.raises(GatewayError) as caught:
        check_priced(searching, none)
    assert (caught.value.status, caught.value.param) == (400, "tools")


def test_a_body_of_millions_of_values_is_refused() -> None:
    body = b'{"m":[' + b",".join([b'{"a":1}'] * 2_750_000) + b"]}"
    with pytest.raises(GatewayError, match="values"):
        parse_request(OPENAI, body)


def test_a_large_body_of_text_is_accepted() -> None:
    text = 'code {"a": [1, 2], "b": "\\n"} đ ' * 600_000
    parsed = parse(OPENAI, messages=[{"role": "user", "content": text}])
    assert parsed.input_tokens_bound > len(text)


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC])
def test_a_translation_may_leave_the_limit_open(dialect: Dialect) -> None:
    read = read_translated(parse(OPENAI), dialect, {"messages": SAID})
    assert (read.dialect, read.model, read.max_tokens) == (dialect, "m", None)
    limit = "max_tokens" if dialect is ANTHROPIC else "max_completion_tokens"
    sent = json.loads(prepare_upstream(read, "up", 77))
    assert (sent["model"], sent[limit]) == ("up", 77)


def test_a_translation_of_a_limited_request_is_limited() -> None:
    with pytest.raises(GatewayError, match="max_tokens"):
        read_translated(parse(OPENAI, max_tokens=5), ANTHROPIC, {"messages": SAID})


def test_a_translation_is_bounded_by_its_own_size() -> None:
    short = read_translated(parse(OPENAI), ANTHROPIC, {"messages": SAID})
    said = [{"role": "user", "content": "hi" + "x" * 1000}]
    longer = read_translated(parse(OPENAI), ANTHROPIC, {"messages": said})
    assert longer.input_tokens_bound == short.input_tokens_bound + 1000


@pytest.mark.parametrize(
    ("limit", "thinking"),
    [
        (5000, {"type": "enabled", "budget_tokens": 4096}),
        (4096, {"type": "enabled", "budget_tokens": 4095}),
        (1025, {"type": "enabled", "budget_tokens": 1024}),
        (1024, None),
    ],
)
def test_thinking_fits_the_limit_that_is_put_in(limit: int, thinking: Any) -> None:
    chosen = {"messages": SAID, "thinking": {"type": "enabled", "budget_tokens": 4096}}
    read = read_translated(parse(OPENAI), ANTHROPIC, chosen)
    assert json.loads(prepare_upstream(read, "up", limit)).get("thinking") == thinking
    assert read.body["thinking"]["budget_tokens"] == 4096
