"""Chat Completions replies: bodies, chunks, headers; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from scripts.simulator.answer import Answer, Prompt, Text, Thinking, ToolCall, fragments
from scripts.simulator.errors import ORGANISATION, encoded

FINISH = {"end": "stop", "length": "length", "tool": "tool_calls", "sequence": "stop"}
FINGERPRINT = "fp_simulator01"
DONE = b"data: [DONE]\n\n"


def headers(request_id: str) -> list[tuple[str, str]]:
    """What OpenAI and its edge add to every answer."""
    return [
        ("server", "cloudflare"),
        ("x-request-id", request_id),
        ("openai-organization", ORGANISATION),
        ("openai-project", "proj_SIMULATORPROJECT0001"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "30000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "29999900"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "0s"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("set-cookie", "__cf_bm=simulator-cookie; path=/; domain=.api.openai.com; HttpOnly"),
        ("cf-ray", "51a1a70b00000001-SIM"),
        ("alt-svc", 'h3=":443"; ma=86400'),
    ]


def usage(answer: Answer) -> dict[str, Any]:
    """Usage as OpenAI reports it: cached tokens inside the prompt, reasoning inside the output."""
    return {
        "prompt_tokens": answer.input.total,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input.total + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.input.read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.thinking_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class CompletionWriter:
    """Writes one answer, as a body or as chunks."""

    def __init__(self, prompt: Prompt, answer: Answer, number: int, created: int) -> None:
        self._prompt = prompt
        self._answer = answer
        self._number = number
        self._id = f"chatcmpl-SIM{number:026d}"
        self._created = created

    def body(self, *, with_usage: bool) -> bytes:
        """A `chat.completion`."""
        whole: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion",
            "created": self._created,
            "model": self._prompt.model,
            "choices": [self._choice(index) for index in range(self._answer.choices)],
        }
        if with_usage:
            whole["usage"] = usage(self._answer)
        return encoded({**whole, "service_tier": "default", "system_fingerprint": FINGERPRINT})

    def _choice(self, index: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        for block in self._answer.blocks:
            match block:
                case Thinking(text=text):
                    message["reasoning_content"] = text
                case Text(text=text):
                    message["content"] = text
                case ToolCall():
                    message["tool_calls"] = [self._call(block.name, block.arguments, index)]
        finish = FINISH[self._answer.stop]
        message["annotations"] = []
        return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}

    def _call(self, name: str, arguments: str, index: int) -> dict[str, Any]:
        function = {"name": name, "arguments": arguments}
        return {"id": self._call_id(index), "type": "function", "function": function}

    def _call_id(self, index: int) -> str:
        return f"call_SIM{self._number:017d}{index:04d}"

    def events(self, *, with_usage: bool) -> Iterator[tuple[bytes, bool]]:
        """Chunks and `[DONE]`, each with whether it carries a piece of the text."""
        is_asked = self._prompt.is_usage_wanted and with_usage
        indexes = range(self._answer.choices)
        frames = [self._frame(index, is_asked=is_asked) for index in indexes]
        role = {"role": "assistant", "content": "", "refusal": None}
        for frame in frames:
            yield _chunk(frame, role), False
        for index in indexes:
            for delta, is_text in self._deltas(index):
                yield _chunk(frames[index], delta), is_text
        for frame in frames:
            yield _chunk(frame, {}, FINISH[self._answer.stop]), False
        if is_asked:
            yield self._usage_chunk(), False
        yield DONE, False

    def _deltas(self, index: int) -> Iterator[tuple[dict[str, Any], bool]]:
        for block in self._answer.blocks:
            match block:
                case Thinking(text=text):
                    for word in Text(text).pieces:
                        yield {"reasoning_content": word}, False
                case Text():
                    for word in block.pieces:
                        yield {"content": word}, True
                case ToolCall(name=name, arguments=arguments):
                    first, *rest = fragments(arguments)
                    yield {"tool_calls": [{"index": 0, **self._call(name, first, index)}]}, False
                    for piece in rest:
                        call = {"index": 0, "function": {"arguments": piece}}
                        yield {"tool_calls": [call]}, False

    def _envelope(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._prompt.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        }

    def _frame(self, index: int, *, is_asked: bool) -> tuple[bytes, bytes]:
        """All of a chunk that stays the same: what comes before the delta, and the end."""
        before = encoded(self._envelope())[:-1] + b',"choices":[{"index":%d,"delta":' % index
        return b"data: " + before, (b'}],"usage":null}\n\n' if is_asked else b"}]}\n\n")

    def _usage_chunk(self) -> bytes:
        chunk = {**self._envelope(), "choices": [], "usage": usage(self._answer)}
        return b"data: " + encoded(chunk) + b"\n\n"


def _chunk(frame: Sequence[bytes], delta: dict[str, Any], finish: str | None = None) -> bytes:
    middle = b',"logprobs":null,"finish_reason":'
    return frame[0] + encoded(delta) + middle + encoded(finish) + frame[1]
