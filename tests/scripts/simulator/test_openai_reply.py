from __future__ import annotations

import json
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from scripts.simulator.answer import Prompt, Tool, answer_to
from scripts.simulator.behaviour import Plain
from scripts.simulator.openai_reply import DONE, CompletionWriter
from scripts.simulator.usage import InputTokens


def writer(kind: Any = "echo", **more: Any) -> CompletionWriter:
    prompt = Prompt("model-x", True, "one two", (), **more)
    answer = answer_to(prompt, Plain(kind), InputTokens(30, read=1024))
    return CompletionWriter(prompt, answer, 7, created=99)


def chunks(source: CompletionWriter, *, with_usage: bool = True) -> list[ChatCompletionChunk]:
    *events, last = [event for event, _ in source.events(with_usage=with_usage)]
    assert last == DONE
    assert all(event.startswith(b"data: {") and event.endswith(b"}\n\n") for event in events)
    return [ChatCompletionChunk.model_validate_json(event[6:]) for event in events]


def test_a_body_is_a_completion() -> None:
    whole = ChatCompletion.model_validate_json(writer().body(with_usage=True))
    assert (whole.object, whole.model, whole.created) == ("chat.completion", "model-x", 99)
    assert whole.id == "chatcmpl-SIM00000000000000000000000007"
    choice = whole.choices[0]
    assert (choice.message.role, choice.message.content) == ("assistant", "one two")
    assert (choice.finish_reason, choice.index) == ("stop", 0)


def test_usage_contains_what_was_cached_and_reasoned() -> None:
    usage = ChatCompletion.model_validate_json(writer("think").body(with_usage=True)).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (1054, 1024)
    assert usage.completion_tokens_details.reasoning_tokens == usage.completion_tokens - 2
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_no_usage() -> None:
    assert "usage" not in json.loads(writer().body(with_usage=False))
    assert all(chunk.usage is None for chunk in chunks(writer(), with_usage=False))


def test_chunks_join_to_the_text() -> None:
    found = chunks(writer(is_usage_wanted=False))
    assert found[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in found) == "one two"
    assert [chunk.choices[0].finish_reason for chunk in found] == [None, None, None, "stop"]
    assert len({chunk.id for chunk in found}) == 1


def test_usage_comes_when_asked_for_in_a_chunk_without_choices() -> None:
    *others, last = chunks(writer(is_usage_wanted=True))
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 2
    assert all(chunk.usage is None and chunk.choices for chunk in others)
    asked = [event for event, _ in writer(is_usage_wanted=True).events(with_usage=True)]
    assert b'"usage":null' in asked[0]
    unasked = [event for event, _ in writer(is_usage_wanted=False).events(with_usage=True)]
    assert b"usage" not in b"".join(unasked)


def test_words_are_marked() -> None:
    marks = [is_text for _, is_text in writer(is_usage_wanted=False).events(with_usage=True)]
    assert marks == [False, True, True, False, False]


def test_a_tool_call_comes_in_fragments() -> None:
    tool = Tool("t", {"const": {"city": "a city with a long name"}})
    found = chunks(writer("tools", tool=tool, is_usage_wanted=False))
    calls = [call for chunk in found for call in chunk.choices[0].delta.tool_calls or []]
    assert (calls[0].id, calls[0].type) == ("call_SIM000000000000000070000", "function")
    assert all(call.index == 0 for call in calls)
    assert all(call.id is None for call in calls[1:])
    arguments = "".join((call.function and call.function.arguments) or "" for call in calls)
    assert json.loads(arguments) == {"city": "a city with a long name"}
    assert found[-1].choices[0].finish_reason == "tool_calls"


def test_reasoning_comes_before_the_text() -> None:
    deltas = [chunk.choices[0].delta for chunk in chunks(writer("think", is_usage_wanted=False))]
    kinds = ["reasoning_content" in (delta.model_extra or {}) for delta in deltas[1:-1]]
    assert kinds == sorted(kinds, reverse=True)
    assert any(kinds)


def test_choices_have_their_own_index_and_call() -> None:
    tool = Tool("t", {"type": "object"})
    made = writer("tools", tool=tool, choices=2, is_usage_wanted=False)
    whole = ChatCompletion.model_validate_json(made.body(with_usage=True))
    assert [choice.index for choice in whole.choices] == [0, 1]
    ids = {(choice.message.tool_calls or [])[0].id for choice in whole.choices}
    assert len(ids) == 2
    ends = [chunk.choices[0] for chunk in chunks(made) if chunk.choices[0].finish_reason]
    assert [end.index for end in ends] == [0, 1]
