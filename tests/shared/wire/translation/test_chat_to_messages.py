"""Whole requests: the vectors, what peers send, and every request that comes to mind."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from anthropic.types.message_create_params import (
    MessageCreateParamsNonStreaming,
    MessageCreateParamsStreaming,
)
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter

from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire.openai_request import read_chat_request
from shared.wire.requests import prepare_upstream, read_translated
from tests.support.chat_requests import models, requests
from tests.support.chats import HI, TOOL, answer, calls, translate, translated
from tests.support.vectors import Vector, needs_vectors, observed, outcome_of, unmet, vector_params

KIND = "req:openai->anthropic"
# What the gateway sends beside every translated request.
HEADERS = {"anthropic-version": "2023-06-01"}

# Where both peers send the same and it is not what goes out here.
PEERS_ARE_WRONG = {
    "o2a-json_object": "they drop it; here the system prompt asks for JSON",
    "o2a-stop_whitespace": "Anthropic refuses blank stop sequences",
    "o2a-temp_top_p": "this model takes one of both",
}


@needs_vectors
@pytest.mark.parametrize("vector", vector_params(KIND))
def test_vectors(vector: Vector) -> None:
    body = vector.input
    outcome = outcome_of(lambda: translate(body, body["model"]).body, HEADERS)
    assert unmet(vector, outcome) == []


@needs_vectors
@pytest.mark.parametrize(("body", "sent"), observed("o2a"))
def test_where_peers_agree(body: Any, sent: Any, request: pytest.FixtureRequest) -> None:
    theirs = [comparable(upstream) for upstream in sent.values()]
    if theirs[0] != theirs[1] or theirs[0] is None:
        return
    ours = comparable(translate({"model": "m", **body}, "claude-sonnet-4-5").body)
    assert (ours == theirs[0]) is (request.node.callspec.id not in PEERS_ARE_WRONG)


def comparable(upstream: dict[str, Any] | None) -> dict[str, Any] | None:
    """A request without what means nothing: strings or blocks of text, what peers always add."""
    if upstream is None:
        return None
    made = {k: v for k, v in orjson.loads(orjson.dumps(upstream)).items() if k != "model"}
    if not made.get("system"):
        made.pop("system", None)
    for message in made["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    for tool in made.get("tools", []):
        tool.pop("type", None)
        if not tool["input_schema"].get("$defs"):
            tool["input_schema"].pop("$defs", None)
    return made


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({}, ()),
        pytest.param({"foo": 1, "seed": 1, "bar": None}, ("foo", "seed"), id="tricky-32 unknown"),
        pytest.param(
            {"logprobs": True, "top_logprobs": 2}, ("logprobs", "top_logprobs"), id="tr-30"
        ),
        ({"stop": [" "], "temperature": 0.5, "metadata": {}}, ("metadata", "temperature", "stop")),
        ({"reasoning_effort": "none"}, ()),
    ],
)
def test_what_is_dropped_is_told(fields: Any, dropped: tuple[str, ...]) -> None:
    body = {"model": "m", "messages": [HI], **fields}
    assert translate(body, "claude-opus-4-7").dropped == dropped


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"n": 2}, "n", id="tricky-30 more than one answer"),
        pytest.param({"functions": [{"name": "f"}]}, "functions", id="tricky-30 legacy functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"safety_identifier": 5}, "safety_identifier"),
    ],
)
def test_refused(fields: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        translated(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"n": 1}, {}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"stream": False}, {}),
        pytest.param({"user": "u"}, {"metadata": {"user_id": "u"}}, id="tricky-31 user"),
        ({"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}),
        ({"user": "u", "safety_identifier": "s"}, {"metadata": {"user_id": "u"}}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
    ],
)
def test_scalars(fields: Any, expected: Any) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert translated(**fields) == {"messages": messages, **expected}


def test_effort_and_schema_share_their_place() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    made = translated(
        "claude-opus-5",
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"schema": schema}},
    )
    form = {"type": "json_schema", "schema": schema}
    assert made["output_config"] == {"effort": "low", "format": form}


def test_a_thinking_model_gets_no_sampling() -> None:
    fields = {"reasoning_effort": "low", "temperature": 0.5, "top_p": 0.9}
    made = translate({"model": "m", "messages": [HI], **fields})
    assert made.body["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert made.dropped == ("temperature", "top_p")
    assert not made.body.keys() & {"temperature", "top_p"}


@pytest.mark.parametrize(
    ("fields", "thinks"),
    [
        ({"messages": [HI]}, True),
        ({"messages": [HI], "tools": [TOOL], "tool_choice": "required"}, False),
        ({"messages": [HI, {"role": "assistant", "content": "So"}]}, False),
        ({"messages": [HI, calls("1"), answer("1")]}, False),
        (
            {"messages": [HI, calls("1"), answer("1"), {"role": "assistant", "content": "x"}, HI]},
            True,
        ),
    ],
)
def test_thinking_is_dropped_where_it_would_be_refused(fields: Any, thinks: bool) -> None:
    made = translate({"model": "m", "reasoning_effort": "high", **fields})
    assert ("thinking" in made.body) is thinks
    assert made.dropped == (() if thinks else ("reasoning_effort",))


# They belong to the older version of the API that translated requests ask for.
UNTYPED = ("temperature", "top_p")
WHOLE = TypeAdapter[Any](MessageCreateParamsNonStreaming)
STREAMED = TypeAdapter[Any](MessageCreateParamsStreaming)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests, models)
def test_any_request_is_refused_or_becomes_a_message(body: dict[str, Any], name: str) -> None:
    outcome = outcome_of(lambda: translate(body, name).body)
    if outcome.body is None:
        assert outcome.error
        assert (outcome.error.status, bool(outcome.error.param)) == (400, True)
        return
    parsed = read_chat_request(body, 1000)
    outgoing = read_translated(parsed, Dialect.ANTHROPIC, outcome.body)
    sent = orjson.loads(prepare_upstream(outgoing, name, 64000))
    types = STREAMED if sent.get("stream") else WHOLE
    typed = {field: value for field, value in sent.items() if field not in UNTYPED}
    assert everything(types.validate_python(typed)) == typed
    assert_accepted(sent)


def everything(value: Any) -> Any:
    """A validated value with its lazy parts read, which validates them; unknown fields are gone."""
    if isinstance(value, dict):
        return {name: everything(inner) for name, inner in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [everything(inner) for inner in value]


def assert_accepted(sent: dict[str, Any]) -> None:
    """What the types do not tell and Anthropic refuses."""
    roles = [turn["role"] for turn in sent["messages"]]
    assert all(one != other for one, other in pairwise(roles))
    budget = sent.get("thinking", {}).get("budget_tokens")
    assert budget is None or 1024 <= budget < sent["max_tokens"]
    assert "thinking" not in sent or "temperature" not in sent
    assert 0 <= sent.get("temperature", 0) <= 1
    assert all(stop.strip() for stop in sent.get("stop_sequences", ()))
    assert ("tool_choice" in sent) <= ("tools" in sent)
    asked: set[str] = set()
    for turn in sent["messages"]:
        assert turn["content"]
        kinds = [block["type"] for block in turn["content"]]
        assert kinds == sorted(kinds, key=lambda kind: kind != "tool_result")
        assert all(b["text"].strip() for b in turn["content"] if b["type"] == "text")
        assert all(b["tool_use_id"] in asked for b in turn["content"] if "tool_use_id" in b)
        asked = {block["id"] for block in turn["content"] if block["type"] == "tool_use"}
