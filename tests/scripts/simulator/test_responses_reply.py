from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response, ResponseFunctionToolCall, ResponseReasoningItem

from scripts.simulator.answer import Prompt, Tool, answer_to, signature_of
from scripts.simulator.behaviour import Plain
from scripts.simulator.responses_reply import ResponseWriter, error_event
from scripts.simulator.usage import InputTokens

TOOL = Tool("t", {"const": {"city": "a city with a long name"}})


def writer(kind: Any = "echo", **more: Any) -> ResponseWriter:
    prompt = Prompt("model-x", True, "one two", (), **more)
    answer = answer_to(prompt, Plain(kind), InputTokens(30, read=1024))
    return ResponseWriter(prompt, answer, 7, created=99)


def whole(source: ResponseWriter) -> Response:
    return Response.model_validate_json(source.body(with_usage=True))


def told(source: ResponseWriter) -> list[dict[str, Any]]:
    """Data of the events, whose names are those of their types."""
    found = []
    for event, _ in source.events(with_usage=True):
        name, data = event.removesuffix(b"\n\n").split(b"\n")
        fields = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + fields["type"].encode()
        found.append(fields)
    assert [fields["sequence_number"] for fields in found] == list(range(len(found)))
    return found


def test_a_body_is_a_response() -> None:
    response = whole(writer())
    assert (response.object, response.model, response.created_at) == ("response", "model-x", 99)
    assert (response.id, response.status) == (f"resp_SIM{7:045d}", "completed")
    assert response.output_text == "one two"


def test_usage_contains_what_was_cached_and_reasoned() -> None:
    usage = whole(writer("think")).usage
    assert usage is not None
    assert (usage.input_tokens, usage.input_tokens_details.cached_tokens) == (1054, 1024)
    assert usage.output_tokens_details.reasoning_tokens == usage.output_tokens - 2
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_no_usage() -> None:
    assert json.loads(writer().body(with_usage=False))["usage"] is None
    *_, (last, _) = writer().events(with_usage=False)
    assert b'"usage":null' in last


def test_events_of_a_text() -> None:
    events = told(writer())
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert "".join(event["delta"] for event in events if "delta" in event) == "one two"
    assert events[-1]["response"] == json.loads(writer().body(with_usage=True))


def test_words_are_marked() -> None:
    marks = [is_text for _, is_text in writer().events(with_usage=True)]
    assert [place for place, mark in enumerate(marks) if mark] == [4, 5]


def test_a_tool_call_comes_in_fragments() -> None:
    events = told(writer("tools", tool=TOOL))
    arguments = "".join(event["delta"] for event in events if "delta" in event)
    assert json.loads(arguments) == {"city": "a city with a long name"}
    (item,) = whole(writer("tools", tool=TOOL)).output
    assert isinstance(item, ResponseFunctionToolCall)
    assert (item.name, item.arguments, item.status) == ("t", arguments, "completed")
    begun = next(event["item"] for event in events if event["type"].endswith("item.added"))
    assert (begun["arguments"], begun["call_id"]) == ("", item.call_id)


def test_thoughts_are_sealed_when_asked_for() -> None:
    item = whole(writer("think", seals_thinking=True)).output[0]
    assert isinstance(item, ResponseReasoningItem)
    assert item.encrypted_content == signature_of(item.summary[0].text)
    plain = whole(writer("think")).output[0]
    assert isinstance(plain, ResponseReasoningItem)
    assert plain.encrypted_content is None
    kinds = [event["type"] for event in told(writer("think"))]
    assert "response.reasoning_summary_text.delta" in kinds


def test_an_answer_that_is_full_is_incomplete() -> None:
    response = whole(writer(max_tokens=1))
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert told(writer(max_tokens=1))[-1]["type"] == "response.incomplete"


def test_an_error_event_is_one_event() -> None:
    assert error_event().startswith(b'event: error\ndata: {"type":"error"')
    assert error_event().count(b"\n\n") == 1
