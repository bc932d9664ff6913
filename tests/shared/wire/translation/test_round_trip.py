"""A chat that becomes a message and a chat again says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.wire.anthropic_request import read_messages_request
from shared.wire.openai_request import read_chat_request
from shared.wire.translation.chat_to_messages import translate_chat
from shared.wire.translation.interfaces import TargetModel
from shared.wire.translation.messages_to_chat import translate_messages

Json = dict[str, Any]

SAID = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
OLD, BUDGETED, NEW = "claude-3-5-sonnet-20241022", "claude-sonnet-4-5", "claude-opus-4-6"
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="


def there_and_back(chat: Json, claude: str = OLD, openai: str = "gpt-4o") -> Json:
    chat = {"model": "m", **chat}
    size = len(orjson.dumps(chat))
    message = translate_chat(read_chat_request(chat, size), TargetModel(claude, 8192)).body
    parsed = read_messages_request({"model": "m", **message}, size, limited=False)
    return translate_messages(parsed, TargetModel(openai, 8192)).body


words = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
text_parts = st.fixed_dictionaries({"type": st.just("text"), "text": words})
texts = words | st.lists(text_parts, max_size=3)
media = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
    ]
)
# What a user says begins with a letter, since an empty turn is refused.
spoken = st.builds("x{}".format, words) | st.lists(text_parts | media, max_size=3).map(
    lambda parts: [{"type": "text", "text": "x"}, *parts]
)
# Ids as upstreams make them, legal for Anthropic and not; a number keeps them apart.
ids = st.sampled_from(["call_", "functions.Bash:", "b64_", "\u0111/ ", "x" * 36])


@st.composite
def conversations(draw: st.DrawFn) -> list[Json]:
    """Messages of a chat in an order that OpenAI accepts."""
    roles = st.sampled_from(["system", "developer"])
    messages = [
        {"role": draw(roles), "content": draw(texts)} for _ in range(draw(st.integers(0, 2)))
    ]
    messages.append({"role": "user", "content": draw(spoken)})
    for _ in range(draw(st.integers(0, 3))):
        count = draw(st.integers(0, 2))
        calls = [_call(draw, f"{draw(ids)}{len(messages)}{i}") for i in range(count)]
        answer: Json = {"role": "assistant", "content": draw(texts if calls else texts | st.none())}
        messages.append({**answer, "tool_calls": calls} if calls else answer)
        for call in calls:
            result = {"role": "tool", "tool_call_id": call["id"], "content": draw(texts)}
            messages.append(result)
        if not calls or draw(st.booleans()):
            messages.append({"role": "user", "content": draw(spoken)})
    return messages


def _call(draw: st.DrawFn, identity: str) -> Json:
    arguments = json.dumps(draw(st.dictionaries(words, values, max_size=3)))
    return {
        "id": identity,
        "type": "function",
        "function": {"name": draw(names), "arguments": arguments},
    }


def meaning(messages: list[Json]) -> list[Any]:
    """What a chat says, in order, whichever way its texts are divided."""
    system = "".join(text for m in messages if _is_system(m) for text in _texts(m["content"]))
    said = [what for m in messages if not _is_system(m) for what in _said(m)]
    joined: list[Any] = [("system", system)]
    for what in said:
        if what[0] == joined[-1][0] in ("user", "assistant"):
            joined[-1] = (what[0], joined[-1][1] + what[1])
        else:
            joined.append(what)
    return joined


def _is_system(message: Json) -> bool:
    return message["role"] in ("system", "developer")


def _texts(content: Any) -> list[str]:
    """Texts that are not blank."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [p["text"] for p in content or [] if p["type"] == "text" and p["text"].strip()]


def _said(message: Json) -> Iterator[Any]:
    role, content = message["role"], message["content"]
    if role == "tool":
        yield "result", message["tool_call_id"], "\n".join(_texts(content))
        return
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        if part["type"] != "text":
            yield part["type"], part[part["type"]]
        elif (part["text"] or "").strip():
            yield role, part["text"]
    for call in message.get("tool_calls") or []:
        function = call["function"]
        yield "call", call["id"], function["name"], json.loads(function["arguments"])


@settings(deadline=None)
@given(conversations())
def test_a_conversation(messages: list[Json]) -> None:
    assert meaning(there_and_back({"messages": messages})["messages"]) == meaning(messages)


functions = st.fixed_dictionaries(
    {"name": names},
    optional={
        "description": words,
        "parameters": st.dictionaries(words, values, max_size=3).map(
            lambda schema: {**schema, "type": "object"}
        ),
    },
)


@settings(deadline=None)
@given(st.lists(functions, min_size=1, max_size=4))
def test_tools(given_functions: list[Json]) -> None:
    tools = [{"type": "function", "function": function} for function in given_functions]
    empty = {"type": "object", "properties": {}}
    assert [
        tool["function"] for tool in there_and_back({"messages": SAID, "tools": tools})["tools"]
    ] == [{"parameters": empty, **function} for function in given_functions]


@pytest.mark.parametrize(
    "fields",
    [
        {"max_completion_tokens": 77},
        {"stop": ["a", "b"]},
        {"temperature": 0.5, "top_p": 0.25},
        {"stream": True, "stream_options": {"include_usage": True}},
        pytest.param({"user": "u" * 64}, id="tricky-31 user"),
        {"service_tier": "default"},
        {"tools": [TOOL], "tool_choice": "auto"},
        pytest.param({"tools": [TOOL], "tool_choice": "required"}, id="tricky-5 required"),
        {"tools": [TOOL], "tool_choice": "none"},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        pytest.param(
            {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
            id="tricky-7 one at a time",
        ),
    ],
)
def test_parameters(fields: Json) -> None:
    body = there_and_back({"messages": SAID, **fields})
    assert {name: value for name, value in body.items() if name != "messages"} == fields


@pytest.mark.parametrize(
    ("effort", "claude"),
    [
        pytest.param("low", BUDGETED, id="tricky-28 low budget"),
        pytest.param("medium", BUDGETED, id="tricky-28 medium budget"),
        pytest.param("high", BUDGETED, id="tricky-28 high budget"),
        pytest.param("low", NEW, id="tricky-28 low effort"),
        pytest.param("medium", NEW, id="tricky-28 medium effort"),
        pytest.param("high", NEW, id="tricky-28 high effort"),
    ],
)
def test_effort(effort: str, claude: str) -> None:
    body = there_and_back({"messages": SAID, "reasoning_effort": effort}, claude, "gpt-5")
    assert body["reasoning_effort"] == effort


CLOSED = {
    "type": "object",
    "properties": {"x": {"type": "integer"}},
    "required": ["x"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("schema", [pytest.param(CLOSED, id="tricky-27 a schema")])
def test_form(schema: Json) -> None:
    described = {"name": "n", "schema": schema, "strict": True}
    form = {"type": "json_schema", "json_schema": described}
    body = there_and_back({"messages": SAID, "response_format": form}, NEW)
    assert body["response_format"] == {**form, "json_schema": {**described, "name": "answer"}}
