"""The formats behind one interface, so that behaviours need not know them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from scripts.simulator import (
    anthropic_reply,
    anthropic_request,
    openai_reply,
    openai_request,
    responses_reply,
    responses_request,
)
from scripts.simulator.answer import Answer, Prompt
from scripts.simulator.errors import (
    ANTHROPIC,
    OPENAI,
    Refusal,
    anthropic_error,
    anthropic_failure,
    encoded,
    masked,
    openai_error,
    openai_failure,
)
from scripts.simulator.http_message import Request
from scripts.simulator.usage import InputTokens, PromptCache, Unit


class Writer(Protocol):
    """Writes one answer."""

    def body(self, *, with_usage: bool) -> bytes:
        """The whole of it."""

    def events(self, *, with_usage: bool) -> Iterator[tuple[bytes, bool]]:
        """Its events, each with whether it carries a piece of the text."""


class Dialect(Protocol):
    """How a provider speaks."""

    def headers(self, number: int) -> list[tuple[str, str]]:
        """Headers of every answer, by the number of the request."""

    def failure(self, status: int, variant: str, model: str, key: str) -> Refusal:
        """The error of a status."""

    def unauthorised(self, key: str) -> Refusal:
        """The 401 for a key, or for none."""

    def unreadable(self) -> Refusal:
        """The 400 for a body that is no JSON object."""

    def unknown_path(self, method: str, path: str) -> Refusal:
        """The 404 for a path."""

    def error(self, refusal: Refusal, number: int) -> bytes:
        """An error's body."""

    def error_event(self, number: int) -> bytes:
        """An error in mid-stream."""

    def prompt(self, body: Mapping[str, Any], request: Request) -> Prompt:
        """Reads a request or raises Refused."""

    def input_tokens(
        self, cache: PromptCache, scope: str, units: Sequence[Unit], now: float
    ) -> InputTokens:
        """Counts the input."""

    def writer(self, prompt: Prompt, answer: Answer, number: int, now: float) -> Writer:
        """Writes an answer."""

    def usage(self, answer: Answer) -> Mapping[str, Any]:
        """Usage that a whole answer reports."""

    def early_usage(self, answer: Answer) -> Mapping[str, Any] | None:
        """Usage that a stream has reported once its first event is out."""


class OpenAI:
    """OpenAI's Chat Completions."""

    def headers(self, number: int) -> list[tuple[str, str]]:
        """Headers of every answer."""
        return openai_reply.headers(f"req_{number:032x}")

    def failure(self, status: int, variant: str, model: str, key: str) -> Refusal:
        """The error of a status."""
        return openai_failure(status, variant, model, key)

    def unauthorised(self, key: str) -> Refusal:
        """The 401 for a key, or for none."""
        if key:
            wrong = OPENAI[401]
            message = wrong.message.replace("{key}", masked(key))
            return Refusal(401, wrong.kind, message, wrong.code)
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization "
            "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
        )
        return Refusal(401, "invalid_request_error", message)

    def unreadable(self) -> Refusal:
        """The 400 for a body that is no JSON object."""
        message = (
            "We could not parse the JSON body of your request. (HINT: This likely means you "
            "aren't using your HTTP library correctly. The OpenAI API expects a JSON payload.)"
        )
        return Refusal(400, "invalid_request_error", message)

    def unknown_path(self, method: str, path: str) -> Refusal:
        """The 404 for a path."""
        return Refusal(404, "invalid_request_error", f"Invalid URL ({method} {path})")

    def error(self, refusal: Refusal, number: int) -> bytes:  # noqa: ARG002
        """An error's body."""
        return encoded(openai_error(refusal))

    def error_event(self, number: int) -> bytes:  # noqa: ARG002
        """An error in mid-stream."""
        return b"data: " + encoded(openai_error(OPENAI[500])) + b"\n\n"

    def prompt(self, body: Mapping[str, Any], request: Request) -> Prompt:  # noqa: ARG002
        """Reads a request or raises Refused."""
        return openai_request.read_prompt(body)

    def input_tokens(
        self, cache: PromptCache, scope: str, units: Sequence[Unit], now: float
    ) -> InputTokens:
        """Counts the input."""
        return cache.openai(scope, units, now)

    def writer(self, prompt: Prompt, answer: Answer, number: int, now: float) -> Writer:
        """Writes an answer."""
        return openai_reply.CompletionWriter(prompt, answer, number, int(now))

    def usage(self, answer: Answer) -> Mapping[str, Any]:
        """Usage that a whole answer reports."""
        return openai_reply.usage(answer)

    def early_usage(self, answer: Answer) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Nothing: usage comes last."""
        return None


class Responses(OpenAI):
    """OpenAI's Responses: its errors and headers are those of Chat Completions."""

    def error_event(self, number: int) -> bytes:  # noqa: ARG002
        """An error in mid-stream."""
        return responses_reply.error_event()

    def prompt(self, body: Mapping[str, Any], request: Request) -> Prompt:  # noqa: ARG002
        """Reads a request or raises Refused."""
        return responses_request.read_prompt(body)

    def writer(self, prompt: Prompt, answer: Answer, number: int, now: float) -> Writer:
        """Writes an answer."""
        return responses_reply.ResponseWriter(prompt, answer, number, int(now))

    def usage(self, answer: Answer) -> Mapping[str, Any]:
        """Usage that a whole answer reports."""
        return responses_reply.usage(answer)


class Anthropic:
    """Anthropic's Messages."""

    def headers(self, number: int) -> list[tuple[str, str]]:
        """Headers of every answer."""
        return anthropic_reply.headers(_request_id(number))

    def failure(self, status: int, variant: str, model: str, key: str) -> Refusal:  # noqa: ARG002
        """The error of a status."""
        return anthropic_failure(status, variant, model)

    def unauthorised(self, key: str) -> Refusal:
        """The 401 for a key, or for none."""
        if key:
            return ANTHROPIC[401]
        return Refusal(401, "authentication_error", "x-api-key header is required")

    def unreadable(self) -> Refusal:
        """The 400 for a body that is no JSON object."""
        message = "The request body is not valid JSON"
        return Refusal(400, "invalid_request_error", message)

    def unknown_path(self, method: str, path: str) -> Refusal:  # noqa: ARG002
        """The 404 for a path."""
        return Refusal(404, "not_found_error", "Not found")

    def error(self, refusal: Refusal, number: int) -> bytes:
        """An error's body."""
        return encoded(anthropic_error(refusal, _request_id(number)))

    def error_event(self, number: int) -> bytes:
        """An error in mid-stream."""
        return b"event: error\ndata: " + self.error(ANTHROPIC[529], number) + b"\n\n"

    def prompt(self, body: Mapping[str, Any], request: Request) -> Prompt:
        """Reads a request or raises Refused."""
        is_count = request.path.endswith("/count_tokens")
        version = request.header("anthropic-version")
        return anthropic_request.read_prompt(body, version, is_count=is_count)

    def input_tokens(
        self, cache: PromptCache, scope: str, units: Sequence[Unit], now: float
    ) -> InputTokens:
        """Counts the input."""
        return cache.anthropic(scope, units, now)

    def writer(self, prompt: Prompt, answer: Answer, number: int, now: float) -> Writer:  # noqa: ARG002
        """Writes an answer."""
        return anthropic_reply.MessageWriter(prompt, answer, number)

    def usage(self, answer: Answer) -> Mapping[str, Any]:
        """Usage that a whole answer reports."""
        return anthropic_reply.usage(answer)

    def early_usage(self, answer: Answer) -> Mapping[str, Any] | None:
        """What `message_start` says."""
        return anthropic_reply.start_usage(answer)


def _request_id(number: int) -> str:
    return f"req_011SIM{number:018d}"
