"""The official SDKs for Python, each doing the jobs of tests."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai

from tests.support.client_jobs import (
    TOOL_NAME,
    TOOL_SAID,
    TOOL_SCHEMA,
    Failure,
    Job,
    Outcome,
    merged,
)

CHAT_TOOLS: Any = [{"type": "function", "function": {"name": TOOL_NAME, "parameters": TOOL_SCHEMA}}]
RESPONSES_TOOLS: Any = [{"type": "function", "name": TOOL_NAME, "parameters": TOOL_SCHEMA}]
MESSAGES_TOOLS: Any = [{"name": TOOL_NAME, "input_schema": TOOL_SCHEMA}]
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


class ChatClient:
    """OpenAI's SDK at Chat Completions."""

    def run(self, job: Job) -> Outcome:
        """Do a job; see `Client`."""
        url = f"{job.base_url}/v1"
        with openai.OpenAI(base_url=url, api_key=job.key, max_retries=0, timeout=30) as sdk:
            try:
                outcome: Outcome = getattr(self, job.scenario)(sdk, job)
            except openai.APIError as error:
                return Outcome(failure=failure_of(error))
        return outcome

    def text(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        return chat_outcome(self._ask(sdk, job, [user(job.text)]))

    def tools(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        asked = self._ask(sdk, job, [user(job.text)], tools=CHAT_TOOLS)
        message = asked.choices[0].message
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": TOOL_SAID}
            for call in message.tool_calls
        ]
        turns = [user(job.text), message.to_dict(), *results]
        told = self._ask(sdk, job, turns, tools=CHAT_TOOLS)
        return merged(chat_outcome(asked), chat_outcome(told))

    def image(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        url = f"data:image/png;base64,{job.image}"
        parts = [
            {"type": "text", "text": job.text},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        return chat_outcome(self._ask(sdk, job, [user(parts)]))

    def think(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        first = self._ask(sdk, job, [user(job.text)], reasoning_effort="low")
        turns = [user(job.text), first.choices[0].message.to_dict(), user(job.text)]
        second = self._ask(sdk, job, turns, reasoning_effort="low")
        return merged(chat_outcome(first), chat_outcome(second))

    def leave(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        turns: Any = [user(job.text)]
        stream = sdk.chat.completions.create(
            model=job.model, messages=turns, max_tokens=job.max_tokens, stream=True
        )
        with stream:
            said = [next(stream) for _ in range(job.leave_after)]
        texts = [choice.delta.content or "" for chunk in said for choice in chunk.choices]
        return Outcome(text="".join(texts))

    def _ask(self, sdk: openai.OpenAI, job: Job, turns: Any, **fields: Any) -> Any:
        body = {"model": job.model, "messages": turns, "max_tokens": job.max_tokens, **fields}
        if not job.stream:
            return sdk.chat.completions.create(**body)
        body["stream_options"] = {"include_usage": True}
        with sdk.chat.completions.stream(**body) as stream:
            return stream.get_final_completion()


class ResponsesClient:
    """OpenAI's SDK at Responses."""

    def run(self, job: Job) -> Outcome:
        """Do a job; see `Client`."""
        url = f"{job.base_url}/v1"
        with openai.OpenAI(base_url=url, api_key=job.key, max_retries=0, timeout=30) as sdk:
            try:
                outcome: Outcome = getattr(self, job.scenario)(sdk, job)
            except openai.APIError as error:
                return Outcome(failure=failure_of(error))
            except RuntimeError as error:  # of a stream without its last event
                return Outcome(failure=Failure("RuntimeError", None, str(error)))
        return outcome

    def text(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        return response_outcome(self._ask(sdk, job, [user(job.text)]))

    def tools(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        asked = self._ask(sdk, job, [user(job.text)], tools=RESPONSES_TOOLS)
        results = [
            {"type": "function_call_output", "call_id": item.call_id, "output": TOOL_SAID}
            for item in asked.output
            if item.type == "function_call"
        ]
        turns = [user(job.text), *sent_back(asked), *results]
        told = self._ask(sdk, job, turns, tools=RESPONSES_TOOLS)
        return merged(response_outcome(asked), response_outcome(told))

    def image(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        url = f"data:image/png;base64,{job.image}"
        parts = [
            {"type": "input_text", "text": job.text},
            {"type": "input_image", "image_url": url, "detail": "auto"},
        ]
        return response_outcome(self._ask(sdk, job, [user(parts)]))

    def think(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        fields = {
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        }
        first = self._ask(sdk, job, [user(job.text)], **fields)
        turns = [user(job.text), *sent_back(first), user(job.text)]
        second = self._ask(sdk, job, turns, **fields)
        return merged(response_outcome(first), response_outcome(second))

    def leave(self, sdk: openai.OpenAI, job: Job) -> Outcome:
        turns: Any = [user(job.text)]
        said: list[str] = []
        with sdk.responses.create(model=job.model, input=turns, stream=True) as stream:
            while len(said) < job.leave_after:
                event = next(stream)
                if event.type == "response.output_text.delta":
                    said.append(event.delta)
        return Outcome(text="".join(said))

    def _ask(self, sdk: openai.OpenAI, job: Job, turns: Any, **fields: Any) -> Any:
        body = {"model": job.model, "input": turns, "max_output_tokens": job.max_tokens, **fields}
        if not job.stream:
            return sdk.responses.create(**body, store=False)
        with sdk.responses.stream(**body, store=False) as stream:
            return stream.get_final_response()


class MessagesClient:
    """Anthropic's SDK."""

    def run(self, job: Job) -> Outcome:
        """Do a job; see `Client`."""
        with anthropic.Anthropic(
            base_url=job.base_url, api_key=job.key, max_retries=0, timeout=30
        ) as sdk:
            try:
                outcome: Outcome = getattr(self, job.scenario)(sdk, job)
            except anthropic.APIError as error:
                return Outcome(failure=failure_of(error))
        return outcome

    def text(self, sdk: anthropic.Anthropic, job: Job) -> Outcome:
        return message_outcome(self._ask(sdk, job, [user(job.text)]))

    def tools(self, sdk: anthropic.Anthropic, job: Job) -> Outcome:
        asked = self._ask(sdk, job, [user(job.text)], tools=MESSAGES_TOOLS)
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": TOOL_SAID}
            for block in asked.content
            if block.type == "tool_use"
        ]
        turns = [user(job.text), {"role": "assistant", "content": asked.content}, user(results)]
        told = self._ask(sdk, job, turns, tools=MESSAGES_TOOLS)
        return merged(message_outcome(asked), message_outcome(told))

    def image(self, sdk: anthropic.Anthropic, job: Job) -> Outcome:
        source = {"type": "base64", "media_type": "image/png", "data": job.image}
        blocks = [{"type": "image", "source": source}, {"type": "text", "text": job.text}]
        return message_outcome(self._ask(sdk, job, [user(blocks)]))

    def think(self, sdk: anthropic.Anthropic, job: Job) -> Outcome:
        first = self._ask(sdk, job, [user(job.text)], thinking=THINKING)
        answer = {"role": "assistant", "content": first.content}
        turns = [user(job.text), answer, user(job.text)]
        second = self._ask(sdk, job, turns, thinking=THINKING)
        return merged(message_outcome(first), message_outcome(second))

    def leave(self, sdk: anthropic.Anthropic, job: Job) -> Outcome:
        turns: Any = [user(job.text)]
        said: list[str] = []
        with sdk.messages.stream(
            model=job.model, max_tokens=job.max_tokens, messages=turns
        ) as stream:
            for piece in stream.text_stream:
                said.append(piece)
                if len(said) == job.leave_after:
                    break
        return Outcome(text="".join(said))

    def _ask(self, sdk: anthropic.Anthropic, job: Job, turns: Any, **fields: Any) -> Any:
        body = {"model": job.model, "messages": turns, "max_tokens": job.max_tokens, **fields}
        if not job.stream:
            return sdk.messages.create(**body)
        with sdk.messages.stream(**body) as stream:
            return stream.get_final_message()


def chat_outcome(completion: Any) -> Outcome:
    """What Chat Completions said."""
    (choice,) = completion.choices
    message = choice.message
    return Outcome(
        text=message.content or "",
        thinking=getattr(message, "reasoning_content", None) or "",
        finish=choice.finish_reason,
        calls=[json.loads(call.function.arguments) for call in message.tool_calls or []],
        input_tokens=completion.usage.prompt_tokens,
        output_tokens=completion.usage.completion_tokens,
    )


def response_outcome(response: Any) -> Outcome:
    """What Responses said."""
    reasoning = [item for item in response.output if item.type == "reasoning"]
    calls = [item for item in response.output if item.type == "function_call"]
    return Outcome(
        text=response.output_text,
        thinking="".join(part.text for item in reasoning for part in item.summary),
        finish=response.status,
        calls=[json.loads(call.arguments) for call in calls],
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
    )


def sent_back(response: Any) -> list[dict[str, Any]]:
    """Items of a response as they go into the next request, without what the SDK added."""
    return [item.model_dump(exclude_none=True, warnings=False) for item in response.output]


def message_outcome(message: Any) -> Outcome:
    """What Messages said."""
    blocks, usage = message.content, message.usage
    written, read = usage.cache_creation_input_tokens, usage.cache_read_input_tokens
    return Outcome(
        text="".join(block.text for block in blocks if block.type == "text"),
        thinking="".join(block.thinking for block in blocks if block.type == "thinking"),
        finish=message.stop_reason,
        calls=[block.input for block in blocks if block.type == "tool_use"],
        input_tokens=usage.input_tokens + (written or 0) + (read or 0),
        output_tokens=usage.output_tokens,
    )


def failure_of(error: openai.APIError | anthropic.APIError) -> Failure:
    """An SDK's error, by its own class."""
    return Failure(type(error).__name__, getattr(error, "status_code", None), error.message)
