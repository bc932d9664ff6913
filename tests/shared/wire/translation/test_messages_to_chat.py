from __future__ import annotations

import hashlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import GatewayError
from shared.wire.anthropic_request import read_messages_request
from shared.wire.openai_request import read_chat_request
from shared.wire.requests import prepare_upstream
from shared.wire.translation.interfaces import TargetModel, TranslatedRequest
from shared.wire.translation.messages_to_chat import translate_messages
from tests.support.message_bodies import message_bodies
from tests.support.recorded import has_no_price, names_stored_objects, turns
from tests.support.vectors import (
    MATERIAL,
    Outcome,
    Vector,
    needs_vectors,
    observed,
    outcome_of,
    unmet,
    vector_params,
)

SAID = [{"role": "user", "content": "hi"}]
TOOL = {"name": "f", "input_schema": {"type": "object"}}
PLAIN = TargetModel("gpt-4o", 16384)
REASONING = TargetModel("gpt-5", 128_000)
O_SERIES = TargetModel("o3-mini", 100_000)


def translate(body: dict[str, Any], target: TargetModel = PLAIN) -> TranslatedRequest:
    """What an accepted body becomes; checked like a request of its new dialect."""
    raw = orjson.dumps(body)
    parsed = read_messages_request(body, len(raw))
    made = translate_messages(parsed, target)
    assert orjson.dumps(parsed.body) == raw
    read_chat_request({**made.body, "model": "m"}, len(raw))
    return made


def made_of(target: TargetModel = PLAIN, **fields: Any) -> TranslatedRequest:
    return translate({"model": "m", "max_tokens": 5, "messages": SAID, **fields}, target)


def body_of(target: TargetModel = PLAIN, **fields: Any) -> dict[str, Any]:
    """The fields beside messages and the limit."""
    body = made_of(target, **fields).body
    return {k: v for k, v in body.items() if k not in ("messages", "max_completion_tokens")}


def sent(vector: Vector) -> Outcome:
    return outcome_of(lambda: translate(vector.input).body)


@needs_vectors
@pytest.mark.parametrize("vector", vector_params("req:anthropic->openai"))
def test_vectors(vector: Vector) -> None:
    assert unmet(vector, sent(vector)) == []


def test_a_plain_request() -> None:
    assert made_of() == TranslatedRequest({"messages": SAID, "max_completion_tokens": 5})


@pytest.mark.parametrize(
    ("asked", "target", "limit"),
    [
        pytest.param(5, PLAIN, 5, id="tricky-22 a model that does not reason"),
        pytest.param(5, O_SERIES, 5, id="tricky-22 o-series"),
        (16384, PLAIN, 16384),
        (64000, PLAIN, 16384),
    ],
)
def test_the_limit(asked: int, target: TargetModel, limit: int) -> None:
    body = made_of(target, max_tokens=asked).body
    assert body["max_completion_tokens"] == limit
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    "body", [pytest.param({"model": "m", "messages": SAID}, id="tricky-23 no max_tokens")]
)
def test_without_a_limit_nothing_is_translated(body: dict[str, Any]) -> None:
    with pytest.raises(GatewayError) as caught:
        translate(body)
    assert (caught.value.status, caught.value.param) == (400, "max_tokens")


@pytest.mark.parametrize(
    ("fields", "made"),
    [
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": False}, {}),
        pytest.param({"stop_sequences": ["a"]}, {"stop": ["a"]}, id="tricky-24 one"),
        pytest.param(
            {"stop_sequences": ["a", "b", "c", " "]},
            {"stop": ["a", "b", "c", " "]},
            id="tricky-24 four, one of white space",
        ),
        ({"stop_sequences": []}, {}),
        ({"temperature": 0, "top_p": 1}, {"temperature": 0, "top_p": 1}),
        pytest.param({"temperature": 0.7, "top_k": 5}, {"temperature": 0.7}, id="tricky-25 top_k"),
        pytest.param({"metadata": {"user_id": "u"}}, {"user": "u"}, id="tricky-31 user"),
        ({"metadata": {"user_id": "u" * 64}}, {"user": "u" * 64}),
        pytest.param(
            {"metadata": {"user_id": "u" * 65}},
            {"user": hashlib.sha256(b"u" * 65).hexdigest()},
            id="tricky-31 too long for OpenAI",
        ),
        ({"metadata": {"user_id": None}}, {}),
        ({"metadata": {"user_id": ""}}, {}),
        ({"metadata": {}}, {}),
        ({"service_tier": "auto"}, {}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"mcp_servers": []}, {}),
    ],
)
def test_carried(fields: Any, made: Any) -> None:
    assert body_of(**fields) == made


@pytest.mark.parametrize(
    ("fields", "target", "names"),
    [
        ({"thinking": None, "top_k": None, "tools": None, "x": None}, PLAIN, ()),
        pytest.param({"top_k": 5}, PLAIN, ("top_k",), id="tricky-25 top_k"),
        ({"temperature": 0, "top_p": 1}, PLAIN, ()),
        ({"temperature": 0, "top_p": 1}, REASONING, ("temperature", "top_p")),
        ({"thinking": {"type": "adaptive"}}, REASONING, ()),
        pytest.param(
            {"thinking": {"type": "adaptive"}}, PLAIN, ("thinking",), id="tricky-28 no reasoning"
        ),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            PLAIN,
            ("thinking", "output_config.effort"),
        ),
        pytest.param(
            {"tool_choice": {"type": "auto"}}, PLAIN, ("tool_choice",), id="tricky-6 no tools"
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            },
            O_SERIES,
            ("tool_choice.disable_parallel_tool_use",),
        ),
        (
            {"tools": [{**TOOL, "strict": True, "cache_control": {}}]},
            PLAIN,
            ("tools[].strict", "tools[].cache_control"),
        ),
        pytest.param(
            {"unheard_of": {"of": 1}, "context_management": {"edits": []}, "diagnostics": {}},
            PLAIN,
            ("unheard_of", "context_management", "diagnostics"),
            id="tricky-32 unknown",
        ),
        pytest.param(
            {"thread": {"type": "create"}, "speed": "standard", "inference_geo": "global"},
            PLAIN,
            ("thread", "speed", "inference_geo"),
            id="tricky-32 of Anthropic alone",
        ),
        pytest.param(
            {"cache_control": {"type": "ephemeral"}},
            PLAIN,
            ("cache_control",),
            id="tricky-33 cache_control of the request",
        ),
        pytest.param(
            {
                "messages": [
                    *SAID,
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]},
                    *SAID,
                ]
            },
            PLAIN,
            ("messages[].content[]: thinking",),
            id="tricky-29 thinking",
        ),
    ],
)
def test_what_is_dropped_is_told(fields: Any, target: TargetModel, names: Any) -> None:
    made = made_of(target, **fields)
    assert made.dropped == names
    assert not {"thinking", "tool_choice", "temperature", *names} & made.body.keys() - fields.keys()


def test_a_model_that_reasons_takes_no_sampling() -> None:
    assert body_of(REASONING, temperature=0, top_p=0.5) == {}


def test_tools_and_form_are_there() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    body = body_of(
        REASONING,
        tools=[TOOL],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": schema}},
    )
    assert body == {
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"stop_sequences": list("abcde")}, "stop_sequences", id="tricky-24 five"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"mcp_servers": [{"type": "url", "url": "https://example.com"}]}, "mcp_servers"),
        ({"compaction": {"type": "summarize"}}, "compaction"),
        pytest.param(
            {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]},
            "tools[0].type",
            id="tricky-16 web search",
        ),
        pytest.param(
            {"tools": [{"type": "code_execution_20260120", "name": "code_execution"}]},
            "tools[0].type",
            id="tricky-16 code execution",
        ),
        ({"container": "c"}, "container"),
    ],
)
def test_refused(fields: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        made_of(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)


def whole(value: Any) -> Any:
    """A recorded body without the marks where its lists were cut."""
    if isinstance(value, list):
        objects = any(isinstance(item, dict) for item in value)
        return [whole(item) for item in value if isinstance(item, dict) or not objects]
    return {k: whole(v) for k, v in value.items()} if isinstance(value, dict) else value


def client_requests() -> list[Any]:
    found = []
    for path in sorted(MATERIAL.glob("clients/*.json")):
        for number, request in enumerate(json.loads(path.read_text())):
            if request["path"].split("?")[0] == "/v1/messages":
                name = f"{path.stem}#{number}"
                found.append(pytest.param(whole(request["body"]), id=name))
    return found


needs_clients = pytest.mark.skipif(not MATERIAL.joinpath("clients").is_dir(), reason="no clients")


@needs_clients
@pytest.mark.parametrize("body", client_requests())
@pytest.mark.parametrize("target", [PLAIN, REASONING, O_SERIES], ids=lambda target: target.name)
def test_what_clients_send(body: dict[str, Any], target: TargetModel) -> None:
    if (body.get("thread") or {}).get("type") == "continue":
        with pytest.raises(GatewayError, match="thread"):
            translate(body, target)
        return
    made = translate(body, target).body
    assert made.get("stream", False) is body.get("stream", False)
    assert [t["function"]["name"] for t in made.get("tools", [])] == [
        t["name"] for t in body.get("tools", [])
    ]
    assert "x-anthropic-billing-header" not in json.dumps(made)


@needs_clients
def test_claude_code() -> None:
    requests = json.loads((MATERIAL / "clients/claude-code.json").read_text())
    made = translate(whole(requests[1]["body"]), REASONING)
    roles = [message["role"] for message in made.body["messages"]]
    assert roles == ["system", "user", "system"]
    assert made.body["reasoning_effort"] == "high"
    assert made.dropped == (
        "context_management",
        "messages[].content[].cache_control",
        "system[].cache_control",
    )


def recorded_requests() -> list[Any]:
    return [
        pytest.param(turn.request, id=turn.name)
        for turn in turns(MATERIAL)
        if turn.dialect == "anthropic" and turn.request is not None
    ]


# What was asked of Anthropic and has no counterpart, by a mark in the body.
BY_DESIGN = ('"web_search_2', '"web_fetch_2', '"tool_search_tool_', '"mcp_servers": [{')


@pytest.mark.skipif(not MATERIAL.joinpath("fixtures").is_dir(), reason="no fixtures")
@pytest.mark.parametrize("body", recorded_requests())
def test_recorded_requests(body: dict[str, Any]) -> None:
    text = json.dumps(body)
    if (
        names_stored_objects(body)
        or has_no_price(body)
        or not body["messages"]
        or any(mark in text for mark in BY_DESIGN)
    ):
        with pytest.raises(GatewayError) as caught:
            translate(body)
        assert caught.value.status == 400
        assert caught.value.param
        return
    translate(body)


# What this translation does otherwise than LiteLLM, of which the probes tell.
DELIBERATE = {
    "a2o-document_pdf": "a file, where LiteLLM sends an image",
    "a2o-sampling": "no top_k, which OpenAI refuses",
    "a2o-server_tool": "refused, where LiteLLM asks for OpenAI's search, which has no price",
    "a2o-structured": "another name for the schema",
    "a2o-system_billing_header": "left out",
    "a2o-system_blocks": "joined",
    "a2o-system_role_mid": "stays with the system",
    "a2o-tc_auto_noparallel": "carried, where LiteLLM loses it",
    "a2o-thinking_adaptive": "answered, where LiteLLM refuses",
    "a2o-thinking_enabled": "answered, where LiteLLM refuses",
    "a2o-thinking_history": "no thinking_blocks, which OpenAI refuses",
    "a2o-tool_result_image": "other words",
    "a2o-tool_use_roundtrip": "one text; the error is told",
}


def alike(body: Any) -> Any:
    """A chat request in one of the forms that mean the same."""
    if body is None:
        return None
    limit = body.get("max_tokens", body.get("max_completion_tokens"))
    messages = [{k: v for k, v in m.items() if v is not None} for m in body["messages"]]
    rest = {k: v for k, v in body.items() if k not in ("model", "max_tokens")}
    return {**rest, "max_completion_tokens": limit, "messages": messages}


@needs_vectors
@pytest.mark.parametrize(("probe", "peers"), observed("a2o"))
def test_differences_to_peers_are_deliberate(
    probe: Any, peers: Any, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    outcome = outcome_of(lambda: translate({"model": "m", **probe}).body)
    same = all(alike(outcome.body) == alike(upstream) for upstream in peers.values())
    assert same is (name not in DELIBERATE)


@pytest.mark.parametrize("target", [PLAIN, REASONING], ids=lambda target: target.name)
def test_a_translation_goes_upstream(target: TargetModel) -> None:
    made = made_of(target, stream=True).body
    read = read_chat_request({**made, "model": "m"}, 1000)
    assert orjson.loads(prepare_upstream(read, "up", 99)) == {
        "messages": SAID,
        "max_completion_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
        "model": "up",
    }


@settings(deadline=None)
@given(message_bodies, st.sampled_from([PLAIN, REASONING, O_SERIES]))
def test_every_accepted_request_is_translated_or_refused(body: Any, target: TargetModel) -> None:
    raw = orjson.dumps(body)
    try:
        parsed = read_messages_request(body, len(raw))
    except GatewayError:
        return
    outcome = outcome_of(lambda: translate_messages(parsed, target).body)
    if outcome.body is not None:
        read_chat_request({**outcome.body, "model": "m"}, len(raw))
    else:
        assert outcome.error is not None
        assert (outcome.error.status, bool(outcome.error.param)) == (400, True)
    assert orjson.dumps(parsed.body) == raw
