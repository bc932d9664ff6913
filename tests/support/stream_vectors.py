"""Translation cases whose answer is a stream, and what they expect, checked one word at a time.

A vector holds the upstream's stream and a list of expectations. Each word of an expectation has
one check here; a word without a check fails, so that none is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.domain.catalog import Dialect
from shared.domain.usage import Usage
from shared.errors import StreamError
from shared.wire.sse import EventScanner
from shared.wire.translation.interfaces import StreamTranslator
from shared.wire.usage_reader import stream_usage

MATERIAL = Path(__file__).resolve().parents[3] / "shared"
SIZES = (None, 1, 3, 7, 64, 900)

Json = dict[str, Any]


@dataclass(frozen=True)
class StreamVector:
    """One case.

    Attributes:
        id: Its name.
        strength: `must`, `should` or `policy`.
        upstream: Dialect of the upstream.
        client: Dialect of the client.
        data: What the upstream sends.
        expect: Expectations, all of which hold.
    """

    id: str
    strength: str
    upstream: Dialect
    client: Dialect
    data: bytes
    expect: tuple[Json, ...]


@dataclass(frozen=True)
class Sent:
    """What a client got.

    Attributes:
        data: The bytes of the translated stream.
        error: What the translator raised; the relay writes the client's error event for it.
    """

    data: bytes
    error: StreamError | None = None


def stream_vectors(upstream: Dialect, client: Dialect) -> list[StreamVector]:
    """All stream vectors of one direction; none without the material."""
    kind = f"stream:{upstream}->{client}"
    found = (json.loads(path.read_text()) for path in sorted(MATERIAL.glob("vectors/*.json")))
    return [
        StreamVector(
            *(each["id"], each["strength"], upstream, client),
            *(each["input"].encode(), tuple(each["expect"])),
        )
        for each in found
        if each["kind"] == kind
    ]


class FedBytes:
    """A translator that takes bytes, as the relay gives it the events that its meter read."""

    def __init__(self, translator: StreamTranslator) -> None:
        self._translator = translator
        self._scanner = EventScanner()

    @property
    def failed(self) -> bool:
        return self._translator.failed

    @property
    def ended(self) -> bool:
        return self._translator.ended

    def feed(self, chunk: bytes) -> bytes:
        return b"" if self.ended else self._translator.translate(self._scanner.decode(chunk))

    def flush(self) -> bytes:
        rest = self._translator.translate(self._scanner.flush())
        return rest + self._translator.flush()


def translated(to: StreamTranslator, data: bytes, size: int | None = None) -> Sent:
    """Run a whole stream through a translator, in pieces of `size` bytes."""
    translator = FedBytes(to)
    step = size or max(1, len(data))
    sent = bytearray()
    try:
        for at in range(0, len(data), step):
            sent += translator.feed(data[at : at + step])
        sent += translator.flush()
    except StreamError as error:
        return Sent(bytes(sent), error)
    return Sent(bytes(sent))


def check(vector: StreamVector, sent: Sent) -> None:
    """Assert every expectation of a vector about what the client got and what is charged."""
    read = AnthropicRead(sent) if vector.client is Dialect.ANTHROPIC else OpenAIRead(sent)
    for expectation in vector.expect:
        for word in expectation.keys() - {"ignoring"}:
            if word == "billing":
                _check_billing(vector, expectation[word])
            else:
                _CHECKS[word](read, expectation)


def events_of(data: bytes) -> Iterator[tuple[str, str]]:
    """(name, data) of every event, read without the code under test."""
    for block in data.decode().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n")]
        values = {name: value for name, _, value in lines if name in ("event", "data")}
        if "data" in values:
            yield values.get("event", ""), values["data"]


class OpenAIRead:
    """What a client of OpenAI's Chat Completions reads from a stream.

    Attributes:
        chunks: Every chunk but errors.
        errors: Error objects.
        complete: The stream ended with `[DONE]`, and was not failed.
    """

    def __init__(self, sent: Sent) -> None:
        payloads = [data for _, data in events_of(sent.data)]
        self.complete = sent.error is None and payloads[-1:] == ["[DONE]"]
        parsed = [json.loads(data) for data in payloads if data != "[DONE]"]
        self.chunks = [chunk for chunk in parsed if "error" not in chunk]
        self.errors: list[Json] = [chunk["error"] for chunk in parsed if "error" in chunk]
        self.failed = bool(self.errors) or sent.error is not None

    @property
    def text(self) -> str:
        deltas = (choice["delta"] for chunk in self.chunks for choice in chunk["choices"])
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def usage(self) -> Json:
        """Usage of the last chunk, `cached_tokens` beside the other figures."""
        usage = self.chunks[-1].get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        return {**usage, "cached_tokens": details.get("cached_tokens") or 0}


class AnthropicRead:
    """What a client of the Messages API reads from a stream.

    Attributes:
        names: Names of all events.
        errors: Error objects.
        blocks: Content blocks as their deltas make them.
        indices: Their indices, in the order of their starts.
        usage: Usage of the start, overlaid by that of the end.
        stop_reason: As the end gives it.
        complete: The stream ended with `message_stop`, and was not failed.
    """

    def __init__(self, sent: Sent) -> None:
        events = list(events_of(sent.data))
        self.names = [name for name, _ in events]
        self.errors: list[Json] = []
        self.blocks: list[Json] = []
        self.indices: list[int] = []
        self.usage: Json = {}
        self.stop_reason: str | None = None
        self._inputs: list[str] = []
        for name, data in events:
            self._take(name, json.loads(data))
        self.failed = bool(self.errors) or sent.error is not None
        self.complete = not self.failed and self.names[-1:] == ["message_stop"]

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.blocks if block["type"] == "text")

    def _take(self, name: str, event: Json) -> None:
        assert event["type"] == name
        if name == "message_start":
            self.usage = event["message"]["usage"]
        elif name == "content_block_start":
            self.blocks.append(dict(event["content_block"]))
            self.indices.append(event["index"])
            self._inputs.append("")
        elif name == "content_block_delta":
            self._grow(event)
        elif name == "content_block_stop":
            self._close(event)
        elif name == "message_delta":
            self.stop_reason = event["delta"]["stop_reason"]
            self.usage = self.usage | event["usage"]
        elif name == "error":
            self.errors.append(event["error"])

    def _grow(self, event: Json) -> None:
        assert event["index"] == self.indices[-1], "a delta of a block that is not the open one"
        block, delta = self.blocks[-1], event["delta"]
        for field in ("text", "thinking", "signature"):
            if field in delta:
                block[field] = block.get(field, "") + delta[field]
        self._inputs[-1] += delta.get("partial_json", "")

    def _close(self, event: Json) -> None:
        assert event["index"] == self.indices[-1], "a block stopped that is not the open one"
        if self._inputs[-1]:
            self.blocks[-1]["input"] = json.loads(self._inputs[-1])


def _equals(attribute: str) -> Callable[[Any, Json], None]:
    def check_equal(read: Any, expectation: Json) -> None:
        assert getattr(read, attribute) == expectation[attribute]

    return check_equal


def _check_events(read: AnthropicRead, expectation: Json) -> None:
    ignored = expectation.get("ignoring", ())
    assert [name for name in read.names if name not in ignored] == expectation["events"]


def _check_last_event(read: AnthropicRead, expectation: Json) -> None:
    assert read.names[-1] == expectation["last_event"]


def _check_blocks(read: AnthropicRead, expectation: Json) -> None:
    expected = expectation["blocks"]
    assert len(read.blocks) == len(expected)
    for block, part in zip(read.blocks, expected, strict=True):
        _holds(block, part)


def _check_usage(read: AnthropicRead, expectation: Json) -> None:
    _holds(read.usage, expectation["usage"])


def _check_usage_sum(read: AnthropicRead, expectation: Json) -> None:
    wanted = expectation["usage_sum"]
    assert sum(read.usage.get(name) or 0 for name in wanted["fields"]) == wanted["equals"]


def _check_openai_usage(read: OpenAIRead, expectation: Json) -> None:
    _holds(read.usage, expectation["openai_usage"])


def _check_client_error(read: OpenAIRead | AnthropicRead, expectation: Json) -> None:
    assert bool(read.errors) is expectation["client_error"]
    assert not read.complete


def _check_error_message(read: OpenAIRead | AnthropicRead, expectation: Json) -> None:
    assert [error["message"] for error in read.errors] == [expectation["error_message"]]


def _check_failure(read: OpenAIRead | AnthropicRead, expectation: Json) -> None:
    assert read.failed is expectation["client_sees_failure"]
    assert not read.complete


def _holds(found: Mapping[str, Any], part: Mapping[str, Any]) -> None:
    assert {name: found.get(name) for name in part} == dict(part)


def _check_billing(vector: StreamVector, billing: Mapping[str, int]) -> None:
    """Assert what is charged for the upstream's stream, whoever the client is."""
    meter = stream_usage(vector.upstream)
    meter.feed(vector.data)
    meter.close()
    usage = meter.usage if meter.complete else meter.usage_if_cut_now(0)
    _holds(_buckets(usage), billing)


def _check_service_tier(read: OpenAIRead, expectation: Json) -> None:
    assert {chunk.get("service_tier") for chunk in read.chunks} == {expectation["service_tier"]}


def _buckets(usage: Usage) -> dict[str, int]:
    return {
        "input_uncached": usage.input,
        "cache_read": usage.cache_hit,
        "cache_write": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
    }


_CHECKS: dict[str, Callable[[Any, Json], None]] = {
    "text": _equals("text"),
    "stop_reason": _equals("stop_reason"),
    "indices": _equals("indices"),
    "events": _check_events,
    "last_event": _check_last_event,
    "blocks": _check_blocks,
    "usage": _check_usage,
    "usage_sum": _check_usage_sum,
    "openai_usage": _check_openai_usage,
    "service_tier": _check_service_tier,
    "client_error": _check_client_error,
    "error_message": _check_error_message,
    "client_sees_failure": _check_failure,
}
