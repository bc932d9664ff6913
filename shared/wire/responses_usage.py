"""Token usage from the bytes of an upstream's `/v1/responses`, streamed or not.

`input_tokens` includes what was read from a cache or written to one, as in chat completions, but
every field has another name. A stream says its last word in one event that holds the response as
a whole.
"""

from __future__ import annotations

from typing import Any

from shared.domain.usage import Usage
from shared.wire.sse import Event, EventScanner
from shared.wire.token_counts import (
    count_in,
    estimated_usage,
    is_error_only,
    object_of,
    utf8_length,
)

_LAST = frozenset({b"response.completed", b"response.incomplete", b"response.failed"})
_FAILED = frozenset({b"response.failed", b"error"})
_ITEM_TEXTS = ("name", "arguments", "input")


def responses_usage(response: Any) -> Usage | None:
    """Disjoint buckets of one response object; None if it lacks input or output.

    Searches are what `tool_usage` counts, else the calls of its output that searched.
    """
    fields = response.get("usage") if isinstance(response, dict) else None
    total = count_in(fields, "input_tokens")
    output = count_in(fields, "output_tokens")
    if total is None or output is None:
        return None
    written = min(count_in(fields, "input_tokens_details", "cache_write_tokens") or 0, total)
    hit = min(count_in(fields, "input_tokens_details", "cached_tokens") or 0, total - written)
    counted = count_in(response, "tool_usage", "web_search", "num_requests")
    return Usage(
        input=total - hit - written,
        output=output,
        cache_write_5m=written,
        cache_hit=hit,
        reasoning=count_in(fields, "output_tokens_details", "reasoning_tokens") or 0,
        web_searches=_searches(response.get("output")) if counted is None else counted,
    )


class ResponsesStreamUsage:
    """Meters a stream of response events as it passes.

    Attributes:
        started: An event was seen.
        complete: The event that ends a response was seen, be it completed, incomplete or failed.
        error: An `error` event or `response.failed` was seen.
    """

    def __init__(self) -> None:
        self.started = False
        self.complete = False
        self.error = False
        self._scanner = EventScanner()
        self._usage: Usage | None = None
        self._delta_bytes = 0
        self._item_bytes = 0
        self._searches = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """As `StreamUsage.feed`."""
        events = self._scanner.decode(chunk)
        for event in events:
            self._observe(event)
        return events

    def close(self) -> list[Event]:
        """As `StreamUsage.close`."""
        events = self._scanner.flush()
        for event in events:
            self._observe(event)
        return events

    @property
    def usage(self) -> Usage:
        """What the upstream has reported; flagged until it has."""
        return self._usage or Usage(estimated=True)

    def usage_if_cut_now(self, input_estimate: int, output_cap: int | None = None) -> Usage:
        """What to charge if nothing more came.

        The upstream's final figures where they were seen; else the output counted from what it
        produced, flagged. Some upstreams send whole items without deltas, so the larger counts.

        Args:
            input_estimate: Tokens to charge as input if the upstream named none.
            output_cap: What counted output never exceeds.
        """
        if self._usage is not None:
            return self._usage
        seen = max(self._delta_bytes, self._item_bytes)
        reported = Usage(web_searches=self._searches)
        return estimated_usage(reported, input_estimate, seen, output_cap)

    def _observe(self, event: Event) -> None:
        self.started = True
        fields = object_of(event.data) or {}
        kind = fields.get("type")
        name = kind.encode() if isinstance(kind, str) else event.name
        if name.endswith(b".delta"):
            self._delta_bytes += utf8_length(fields.get("delta"))
        elif name == b"response.output_item.done":
            self._take_item(fields.get("item"))
        elif name in _LAST:
            self._take_response(fields.get("response"))
        self.error = self.error or name in _FAILED or bool(fields.get("error"))

    def _take_item(self, item: Any) -> None:
        self._item_bytes += _item_bytes(item)
        self._searches += _searches([item])

    def _take_response(self, response: Any) -> None:
        self.complete = True
        self._usage = responses_usage(response)


def responses_body_usage(body: bytes, input_estimate: int = 0) -> Usage:
    """Usage of an answer that was not streamed.

    Args:
        body: The upstream's body of a 2xx answer.
        input_estimate: Tokens to charge as input if the body names none.

    Returns:
        The reported figures; where they lack, estimated from the body's size, and flagged.
        Nothing for an error object, or a response that failed, without figures.
    """
    answer = object_of(body) or {}
    usage = responses_usage(answer)
    if usage is not None:
        return usage
    if is_error_only(answer):
        return Usage()
    searches = Usage(web_searches=_searches(answer.get("output")))
    return estimated_usage(searches, input_estimate, len(body))


def _searches(output: Any) -> int:
    """Calls that searched; those that open or read a page that was found cost nothing."""
    calls = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    calls = [call for call in calls if call.get("type") == "web_search_call"]
    return sum(_action_of(call) in (None, "search") for call in calls)


def _action_of(call: dict[str, Any]) -> object:
    action = call.get("action")
    return action.get("type") if isinstance(action, dict) else None


def _item_bytes(item: Any) -> int:
    """Bytes of text in an item of the output: what was said, thought, or called with."""
    if not isinstance(item, dict):
        return 0
    parts = [*_list_of(item, "content"), *_list_of(item, "summary")]
    said = sum(utf8_length(part.get(name)) for part in parts for name in ("text", "refusal"))
    return said + sum(utf8_length(item.get(name)) for name in _ITEM_TEXTS)


def _list_of(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = item.get(name)
    parts = value if isinstance(value, list) else []
    return [part for part in parts if isinstance(part, dict)]
