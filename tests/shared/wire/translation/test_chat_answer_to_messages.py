"""Completions for clients of the Messages API: vectors, recordings, and rules one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.usage import Usage
from shared.errors import GatewayError
from shared.wire.openai_usage import openai_body_usage
from shared.wire.translation.chat_answer_to_messages import (
    opening,
    reported_usage,
    stop_reason_of,
    translate_completion,
    usage_fields,
)
from shared.wire.translation.interfaces import Asked
from shared.wire.translation.tool_ids import for_openai
from tests.support.messages_client import INPUT_FIELDS, Json, read_message, spoken
from tests.support.recorded import Turn, turns
from tests.support.sdk_reads import expected_reads
from tests.support.vectors import (
    MATERIAL,
    Vector,
    needs_vectors,
    outcome_of,
    unmet,
    vector_params,
)

ASKED = Asked(request_id="req_1", created_s=1_700_000_000)
FIXTURES = MATERIAL.joinpath("fixtures").is_dir()
BODIES = [
    turn
    for turn in (turns(MATERIAL) if FIXTURES else ())
    if turn.dialect == "openai" and turn.status == 200 and not turn.stream
]
READS = expected_reads(MATERIAL) if FIXTURES else {}
STOP_OF_FINISH = {
    "stop": {"end_turn", "refusal"},
    "length": {"max_tokens"},
    "tool_calls": {"tool_use"},
    "function_call": {"tool_use"},
}

needs_recordings = pytest.mark.skipif(not BODIES, reason="no ../shared/fixtures")


def completion(message: Json | None = None, finish: Any = "stop", **fields: Any) -> Json:
    message = {"role": "assistant", "content": "Hi"} if message is None else message
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "m", "choices": [choice], **fields}


def called(*calls: Json, content: str | None = None, **fields: Any) -> Json:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **fields}


def tool(name: str, arguments: Any = "{}", **fields: Any) -> Json:
    fields = {"id": "call_1", "type": "function", **fields}
    return {**fields, "function": {"name": name, "arguments": arguments}}


def crossed(answer: Any) -> Json:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return read_message(translate_completion(body, ASKED))


def refused(answer: Any) -> GatewayError:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with pytest.raises(GatewayError) as caught:
        translate_completion(body, ASKED)
    return caught.value


@needs_vectors
@pytest.mark.parametrize("vector", vector_params("resp:openai->anthropic"))
def test_vectors(vector: Vector) -> None:
    body = json.dumps(vector.input).encode()
    outcome = outcome_of(lambda: json.loads(translate_completion(body, ASKED)))
    assert unmet(vector, outcome) == []


@needs_recordings
@pytest.mark.parametrize("turn", [pytest.param(turn, id=turn.name) for turn in BODIES])
def test_recorded_answers(turn: Turn) -> None:
    recorded = json.loads(turn.body)
    message = crossed(recorded)
    choice = recorded["choices"][0]
    said = choice["message"]
    functions = [call["function"] for call in said.get("tool_calls") or []]
    functions += [said["function_call"]] if said.get("function_call") else []
    assert spoken(message) == {
        "thinking": said.get("reasoning_content") or "",
        "text": (said.get("content") or "") + (said.get("refusal") or ""),
        "calls": [(each["name"], json.loads(each["arguments"])) for each in functions],
    }
    assert (message["id"], message["model"]) == (recorded["id"], recorded["model"])
    read = READS[f"body:{turn.name}"]
    assert message["stop_reason"] in STOP_OF_FINISH[read["finish"][0]]
    assert len(spoken(message)["calls"]) == read["tools"][0] + bool(said.get("function_call"))
    usage = message["usage"]
    assert sum(usage[name] for name in INPUT_FIELDS) == read["usage"]["prompt_tokens"]
    assert usage["output_tokens"] == openai_body_usage(turn.body.encode()).output


@pytest.mark.parametrize(
    ("message", "content"),
    [
        pytest.param({"content": "Hi"}, [{"type": "text", "text": "Hi"}], id="text"),
        pytest.param({"content": None}, [], id="tricky-19 null content makes no empty block"),
        pytest.param({"content": ""}, [], id="tricky-19 empty content makes no empty block"),
        pytest.param({}, [], id="no content"),
        pytest.param(
            {"content": "Hi", "reasoning_content": "Hm"},
            [
                {"type": "thinking", "thinking": "Hm", "signature": ""},
                {"type": "text", "text": "Hi"},
            ],
            id="tricky-42 reasoning_content comes first",
        ),
        pytest.param(
            {"content": None, "reasoning": "Hm"},
            [{"type": "thinking", "thinking": "Hm", "signature": ""}],
            id="reasoning",
        ),
        pytest.param(
            {"content": "x", "reasoning": {"effort": "low"}},
            [{"type": "text", "text": "x"}],
            id="reasoning that is no text is left out",
        ),
        pytest.param(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, 1]},
                    {"type": "text", "text": "a"},
                    {"type": "reference", "reference_ids": [1]},
                    {"type": "text", "text": "b"},
                ]
            },
            [
                {"type": "thinking", "thinking": "Hm", "signature": ""},
                {"type": "text", "text": "ab"},
            ],
            id="content in parts",
        ),
        pytest.param(
            {"content": None, "refusal": "No."}, [{"type": "text", "text": "No."}], id="refusal"
        ),
        pytest.param(
            called(tool("f", '{"a": 1}'), content="x"),
            [
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
            ],
            id="text and call",
        ),
        pytest.param(
            called(tool("f", ""), tool("g", None, id="call_2")),
            [
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
                {"type": "tool_use", "id": "call_2", "name": "g", "input": {}},
            ],
            id="tricky-12 no arguments",
        ),
        pytest.param(
            called(*(tool("f", bad) for bad in ("{", "[]", "null", '"x"', "7"))),
            [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}] * 5,
            id="tricky-13 arguments that are no object",
        ),
        pytest.param(
            called(tool("f", {"a": [1]})),
            [{"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": [1]}}],
            id="arguments that are an object already",
        ),
        pytest.param(
            called(tool("f", id=None), tool("g", id="")),
            [
                {"type": "tool_use", "id": "call_req_1_0", "name": "f", "input": {}},
                {"type": "tool_use", "id": "call_req_1_1", "name": "g", "input": {}},
            ],
            id="tricky-14 missing ids",
        ),
        pytest.param(
            {"content": None, "function_call": {"name": "f", "arguments": '{"a": 1}'}},
            [{"type": "tool_use", "id": "call_req_1_0", "name": "f", "input": {"a": 1}}],
            id="tricky-30 legacy function call",
        ),
        pytest.param(
            called({"index": 0, "function": {"name": "", "arguments": ""}}),
            [],
            id="a call without anything is none",
        ),
    ],
)
def test_content(message: Json, content: list[Json]) -> None:
    assert crossed(completion(message))["content"] == content


def test_numbers_in_arguments_keep_their_digits() -> None:
    arguments = '{"id": 12345678901234567890123, "price": 1.10}'
    body = json.dumps(completion(called(tool("f", arguments)))).encode()
    assert arguments.encode() in translate_completion(body, ASKED)


def test_the_id_of_a_call_can_be_turned_back() -> None:  # tricky-14
    message = crossed(completion(called(tool("f", id="functions.Bash:0"))))
    assert message["content"][0]["id"].replace("_", "").replace("-", "").isalnum()
    assert for_openai(message["content"][0]["id"]) == "functions.Bash:0"


def test_cited_urls() -> None:
    cited = {"url": "https://example.com/", "title": "T", "start_index": 0, "end_index": 2}
    annotations = [{"type": "url_citation", "url_citation": cited}, {"type": "file"}, 7]
    message = crossed(completion({"content": "Hi", "annotations": annotations}))
    citation = {
        "type": "web_search_result_location",
        "url": "https://example.com/",
        "title": "T",
        "cited_text": "",
        "encrypted_index": "",
    }
    text = {"type": "text", "text": "Hi", "citations": [citation]}
    assert message["content"] == [text]
    assert crossed(completion({"content": "", "annotations": annotations}))["content"] == []


@pytest.mark.parametrize(
    ("finish", "called", "refused", "stop"),
    [
        pytest.param("stop", False, False, "end_turn", id="tricky-49 stop"),
        pytest.param("length", False, False, "max_tokens", id="tricky-49 length"),
        pytest.param("length", True, False, "max_tokens", id="a call that was cut is not to run"),
        pytest.param("tool_calls", True, False, "tool_use", id="tricky-49 tool_calls"),
        pytest.param("function_call", True, False, "tool_use", id="legacy"),
        pytest.param("tool_calls", False, False, "end_turn", id="without a call there is no use"),
        pytest.param("stop", True, False, "tool_use", id="tricky-50 stop with calls"),
        pytest.param("content_filter", False, False, "refusal", id="tricky-49 content_filter"),
        pytest.param("content_filter", True, False, "refusal", id="content_filter with calls"),
        pytest.param("stop", False, True, "refusal", id="refusal"),
        pytest.param("insufficient_system_resource", False, False, "max_tokens", id="DeepSeek"),
        pytest.param(None, False, False, "end_turn", id="none"),
        pytest.param("new", False, False, "end_turn", id="unknown"),
        pytest.param(["stop"], False, False, "end_turn", id="no text"),
    ],
)
def test_stop_reasons(finish: Any, called: bool, refused: bool, stop: str) -> None:
    assert stop_reason_of(finish, called=called, refused=refused) == stop


def test_the_stop_reason_of_a_refusal_and_of_calls() -> None:
    assert crossed(completion({"content": None, "refusal": "No."}))["stop_reason"] == "refusal"
    assert crossed(completion(called(tool("f"))))["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 5}, (10, 0, 0, 5), id="nothing cached"
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 15},
            },
            (5, 15, 80, 5),
            id="tricky-51 tricky-53 cached tokens are inside prompt_tokens, once",
        ),
        pytest.param(
            {"prompt_tokens": 19, "completion_tokens": 5, "prompt_cache_hit_tokens": 9},
            (10, 0, 9, 5),
            id="DeepSeek",
        ),
        pytest.param(None, (0, 0, 0, 0), id="what is not reported is 0"),
        pytest.param("x", (0, 0, 0, 0), id="no usage"),
    ],
)
def test_usage(usage: Any, expected: tuple[int, ...]) -> None:
    told = crossed(completion(usage=usage))["usage"]
    assert tuple(told[name] for name in (*INPUT_FIELDS, "output_tokens")) == expected


def test_reasoning_is_inside_output() -> None:  # tricky-55
    assert usage_fields(Usage(1, 50, reasoning=40)) == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 40},
    }


def test_groq_puts_usage_elsewhere() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    assert reported_usage({"x_groq": {"usage": usage}}) == Usage(10, 5)


@pytest.mark.parametrize(
    ("tier", "told"),
    [
        ("default", "standard"),
        ("priority", "priority"),
        ("flex", None),
        (None, None),
        (["default"], None),
    ],
)
def test_service_tier(tier: Any, told: str | None) -> None:  # tricky-57
    assert crossed(completion(service_tier=tier))["usage"].get("service_tier") == told


@pytest.mark.parametrize("missing", [None, "", 7])
def test_an_answer_without_id_or_model(missing: Any) -> None:
    head = opening({"id": missing, "model": missing}, ASKED)
    assert (head["id"], head["model"]) == ("msg_req_1", "")


def test_stop_sequence_is_always_there() -> None:
    body = json.dumps(completion()).encode()
    assert json.loads(translate_completion(body, ASKED))["stop_sequence"] is None


def test_only_the_first_choice_counts() -> None:
    answer = completion()
    answer["choices"].insert(0, {"index": 1, "message": {"content": "no"}})
    assert crossed(answer)["content"] == [{"type": "text", "text": "Hi"}]


def test_an_answer_without_a_choice_says_nothing() -> None:
    message = crossed({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}})
    assert (message["content"], message["stop_reason"]) == ([], "end_turn")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b'{"choices":',
        b"\xff",
        b"[]",
        b"null",
        {},
        {"choices": None},
        {"choices": {}},
        {"choices": [7]},
        {"choices": [{"message": "x"}]},
        completion({"content": 7}),
        completion({"content": ["x"]}),
        completion({"content": [{"text": 7}]}),
        completion({"content": None, "refusal": ["x"]}),
        completion({"content": None, "tool_calls": {"0": {}}}),
        completion({"content": None, "tool_calls": [7]}),
        completion({"content": None, "tool_calls": [{"id": "x"}]}),
        completion(called(tool("f", 7))),
        completion(called(tool("", "{}"))),
        completion({"content": None, "function_call": "f"}),
    ],
)
def test_what_is_no_completion(answer: Any) -> None:
    error = refused(answer)
    assert (error.status, error.kind) == (502, "api_error")
    assert error.detail


def test_arguments_nested_too_deep() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    assert refused(completion(called(tool("f", deep)))).status == 502


def test_an_error_under_a_200() -> None:
    error = refused({"error": {"message": "Slow down, sk-abcdefgh", "code": 429}})
    assert (error.status, error.kind) == (429, "rate_limit_error")
    assert error.message == "Slow down, [key]"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["index", "message", "content", "tool_calls", "function", "id", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(json_values, json_values, json_values)
def test_whatever_comes_is_a_message_or_an_error(one: Any, two: Any, three: Any) -> None:
    for answer in ({"choices": one}, completion(two, three), completion({"content": one}, two)):
        body = json.dumps(answer, allow_nan=False).encode()
        outcome = outcome_of(lambda body=body: read_message(translate_completion(body, ASKED)))
        assert outcome.error is None or outcome.error.status == 502
