"""The official SDKs read every behaviour, sync and async, streamed or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.simulator import SimulatorClient

SAID: Any = [{"role": "user", "content": "one two three"}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
}
ARGUMENTS = {"city": "value", "days": 1}
RESPONSES_TOOLS: Any = [
    {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}
]
OPENAI_TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
ANTHROPIC_TOOLS: Any = [{"name": "weather", "input_schema": SCHEMA}]
ERRORS = pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (529, ("InternalServerError", "OverloadedError")),
    ],
)
FINE = pytest.mark.parametrize(
    ("model", "text"),
    [
        ("sim-echo", "one two three"),
        ("sim-think", "one two three"),
        ("sim-nousage", "one two three"),
        ("sim-gzip", "one two three"),
        ("sim-slow-20", "one two three"),
        ("sim-pace-3-5", "w0 w1 w2"),
        ("sim-flaky-0-500", "one two three"),
        ("sim-key-0000-500", "one two three"),
    ],
)


@pytest.fixture
def openai_client(simulator: SimulatorClient) -> Iterator[openai.OpenAI]:
    url = f"{simulator.base_url}/v1"
    with openai.OpenAI(base_url=url, api_key="sk-1", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def anthropic_client(simulator: SimulatorClient) -> Iterator[anthropic.Anthropic]:
    url = simulator.base_url
    with anthropic.Anthropic(base_url=url, api_key="sk-1", max_retries=0, timeout=10) as client:
        yield client


@FINE
def test_openai(openai_client: openai.OpenAI, model: str, text: str) -> None:
    create = openai_client.chat.completions.create
    whole = create(model=model, messages=SAID)
    assert whole.choices[0].message.content == text
    assert (whole.usage is None) is (model == "sim-nousage")
    options: Any = {"include_usage": True}
    chunks = list(create(model=model, messages=SAID, stream=True, stream_options=options))
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == text
    assert chunks[-1].usage == whole.usage


@FINE
def test_responses(openai_client: openai.OpenAI, model: str, text: str) -> None:
    whole = openai_client.responses.create(model=model, input=SAID)
    assert whole.output_text == text
    assert (whole.usage is None) is (model == "sim-nousage")
    with openai_client.responses.stream(model=model, input=SAID) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == text
    assert final.usage == whole.usage


def test_responses_go_round(openai_client: openai.OpenAI) -> None:
    more: Any = {"model": "sim-tools", "tools": RESPONSES_TOOLS, "store": False}
    first = openai_client.responses.create(input=SAID, **more)
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == ARGUMENTS
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    items: Any = [*SAID, call.to_dict(), result]
    end = openai_client.responses.create(input=items, **more)
    assert end.output_text == "The tool said: sunny"


def test_sealed_thoughts_go_round(openai_client: openai.OpenAI) -> None:
    more: Any = {"model": "sim-think", "include": ["reasoning.encrypted_content"]}
    first = openai_client.responses.create(input=SAID, **more)
    assert [item.type for item in first.output] == ["reasoning", "message"]
    turns: Any = [*SAID, *(item.to_dict() for item in first.output), *SAID]
    assert openai_client.responses.create(input=turns, **more).status == "completed"
    turns[1]["summary"][0]["text"] += "!"
    with pytest.raises(openai.BadRequestError, match="could not be verified"):
        openai_client.responses.create(input=turns, **more)


@FINE
async def test_openai_async(simulator: SimulatorClient, model: str, text: str) -> None:
    url = f"{simulator.base_url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0) as client:
        create = client.chat.completions.create
        whole = await create(model=model, messages=SAID)
        assert whole.choices[0].message.content == text
        texts = [
            choice.delta.content or ""
            async for chunk in await create(model=model, messages=SAID, stream=True)
            for choice in chunk.choices
        ]
        assert "".join(texts) == text


@FINE
def test_anthropic(anthropic_client: anthropic.Anthropic, model: str, text: str) -> None:
    whole = anthropic_client.messages.create(model=model, max_tokens=99, messages=SAID)
    assert [block.text for block in whole.content if block.type == "text"] == [text]
    with anthropic_client.messages.stream(model=model, max_tokens=99, messages=SAID) as stream:
        assert "".join(stream.text_stream) == text
        message = stream.get_final_message()
    assert message.usage.output_tokens == whole.usage.output_tokens
    assert (message.usage.input_tokens == 0) is (model == "sim-nousage")
    assert _said(message) == _said(whole)
    assert message.stop_reason == "end_turn"


def _said(message: Any) -> list[dict[str, Any]]:
    """The blocks as the wire tells them."""
    return [block.to_dict() | {"parsed_output": None} for block in message.content]


@FINE
async def test_anthropic_async(simulator: SimulatorClient, model: str, text: str) -> None:
    url = simulator.base_url
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-1", max_retries=0) as client:
        whole = await client.messages.create(model=model, max_tokens=99, messages=SAID)
        async with client.beta.messages.stream(model=model, max_tokens=99, messages=SAID) as stream:
            message = await stream.get_final_message()
    texts = [block.text for block in message.content if block.type == "text"]
    assert texts == [text] == [block.text for block in whole.content if block.type == "text"]


def test_openai_reasoning(openai_client: openai.OpenAI) -> None:
    whole = openai_client.chat.completions.create(model="sim-think", messages=SAID)
    assert "3 words" in (whole.choices[0].message.model_extra or {})["reasoning_content"]


def test_anthropic_thinking_goes_round(anthropic_client: anthropic.Anthropic) -> None:
    with anthropic_client.messages.stream(
        model="sim-think", max_tokens=99, messages=SAID
    ) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "text"]
    turns: Any = [*SAID, {"role": "assistant", "content": first.content}, *SAID]
    again = anthropic_client.messages.create(model="sim-think", max_tokens=99, messages=turns)
    assert again.stop_reason == "end_turn"
    turns[1]["content"][0].thinking += "!"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        anthropic_client.messages.create(model="sim-think", max_tokens=99, messages=turns)


@pytest.mark.parametrize("is_stream", [False, True])
def test_openai_tools_go_round(openai_client: openai.OpenAI, is_stream: bool) -> None:
    message = _openai_call(openai_client, is_stream)
    (call,) = message["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == ARGUMENTS
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    whole = openai_client.chat.completions.create(
        model="sim-tools", messages=[*SAID, message, result], tools=OPENAI_TOOLS
    )
    assert whole.choices[0].message.content == "The tool said: sunny"


def _openai_call(client: openai.OpenAI, is_stream: bool) -> Any:
    more: Any = {"model": "sim-tools", "messages": SAID, "tools": OPENAI_TOOLS}
    if is_stream:
        with client.chat.completions.stream(**more) as stream:
            whole: Any = stream.get_final_completion()
    else:
        whole = client.chat.completions.create(**more)
    assert whole.choices[0].finish_reason == "tool_calls"
    return whole.choices[0].message.to_dict()


@pytest.mark.parametrize("is_stream", [False, True])
def test_anthropic_tools_go_round(anthropic_client: anthropic.Anthropic, is_stream: bool) -> None:
    more: Any = {"model": "sim-tools", "max_tokens": 99, "tools": ANTHROPIC_TOOLS}
    if is_stream:
        with anthropic_client.messages.stream(messages=SAID, **more) as stream:
            message = stream.get_final_message()
    else:
        message = anthropic_client.messages.create(messages=SAID, **more)
    (use,) = message.content
    assert use.type == "tool_use"
    assert (use.input, message.stop_reason) == (ARGUMENTS, "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    turns: Any = [
        *SAID,
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    end = anthropic_client.messages.create(messages=turns, **more)
    assert [block.to_dict() for block in end.content] == [
        {"type": "text", "text": "The tool said: sunny"}
    ]


@ERRORS
def test_openai_errors(openai_client: openai.OpenAI, status: int, name: str) -> None:
    for is_stream in (False, True):
        with pytest.raises(openai.APIStatusError) as caught:
            openai_client.chat.completions.create(
                model=f"sim-error-{status}", messages=SAID, stream=is_stream
            )
        assert type(caught.value).__name__ in name
        assert caught.value.status_code == status
        assert caught.value.request_id
        assert isinstance(caught.value.body, dict)
        assert set(caught.value.body) == {"message", "type", "param", "code"}


@ERRORS
def test_anthropic_errors(anthropic_client: anthropic.Anthropic, status: int, name: str) -> None:
    for is_stream in (False, True):
        with pytest.raises(anthropic.APIStatusError) as caught:
            anthropic_client.messages.create(
                model=f"sim-error-{status}", max_tokens=9, messages=SAID, stream=is_stream
            )
        assert type(caught.value).__name__ in name
        assert caught.value.status_code == status
        assert caught.value.request_id
        assert caught.value.body["request_id"] == caught.value.request_id  # type: ignore[index]


def test_retries_see_the_end_of_flaky(simulator: SimulatorClient) -> None:
    url = simulator.base_url
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-1", max_retries=2) as client:
        client.chat.completions.create(model="sim-flaky-1-500", messages=SAID)
    counts = [dict(entry["headers"])["x-stainless-retry-count"] for entry in simulator.log()]
    assert counts == ["0", "1"]


def test_openai_error_in_mid_stream(openai_client: openai.OpenAI) -> None:
    stream = openai_client.chat.completions.create(model="sim-break-3", messages=SAID, stream=True)
    with pytest.raises(openai.APIError, match="had an error while processing"):
        list(stream)


def test_responses_error_in_mid_stream(openai_client: openai.OpenAI) -> None:
    stream = openai_client.responses.create(model="sim-break-3", input=SAID, stream=True)
    assert [event.type for event in stream][2:] == ["response.output_item.added", "error"]


def test_anthropic_error_in_mid_stream(anthropic_client: anthropic.Anthropic) -> None:
    with (
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
        anthropic_client.messages.stream(
            model="sim-break-4", max_tokens=9, messages=SAID
        ) as stream,
    ):
        stream.until_done()


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_cut_is_a_connection_error(openai_client: openai.OpenAI, is_stream: bool) -> None:
    def ask() -> None:
        create = openai_client.chat.completions.create
        found: Any = create(model="sim-cut-2", messages=SAID, stream=is_stream)
        list(found)

    with pytest.raises(Exception, match=r"(?i)reset|connection error") as caught:
        ask()
    assert not isinstance(caught.value, openai.APIStatusError)


async def test_a_stall_is_a_timeout(simulator: SimulatorClient) -> None:
    url = simulator.base_url
    events: list[str] = []

    async def ask(client: anthropic.AsyncAnthropic) -> None:
        more: Any = {"max_tokens": 9, "messages": SAID, "stream": True}
        async for event in await client.messages.create(model="sim-stall-4", **more):
            events.append(event.type)  # noqa: PERF401 - what came before the timeout counts

    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-1", max_retries=0) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(client), 0.5)
    # `ping`, the third event, is not handed on by the SDK.
    assert events == ["message_start", "content_block_start", "content_block_delta"]


def test_choices(openai_client: openai.OpenAI) -> None:
    whole = openai_client.chat.completions.create(model="sim-echo", messages=SAID, n=3)
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    with openai_client.chat.completions.stream(model="sim-echo", messages=SAID, n=2) as stream:
        found = stream.get_final_completion()
    assert [choice.message.content for choice in found.choices] == ["one two three"] * 2


def test_max_tokens(openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic) -> None:
    whole = openai_client.chat.completions.create(
        model="sim-echo", messages=SAID, max_completion_tokens=2
    )
    assert (whole.choices[0].finish_reason, whole.choices[0].message.content) == (
        "length",
        "one two ",
    )
    message = anthropic_client.messages.create(model="sim-echo", max_tokens=2, messages=SAID)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 2)


def test_models_and_counts(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    names = [model.id for model in openai_client.models.list()]
    assert [model.id for model in anthropic_client.models.list()] == names
    assert openai_client.models.retrieve(names[0]).id == names[0]
    assert anthropic_client.models.retrieve(names[0]).id == names[0]
    count = anthropic_client.messages.count_tokens(model="sim-echo", messages=SAID)
    message = anthropic_client.messages.create(model="sim-echo", max_tokens=9, messages=SAID)
    assert count.input_tokens == message.usage.input_tokens
