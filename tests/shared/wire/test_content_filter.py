from __future__ import annotations

import json

import pytest

from shared.domain.catalog import FilterRule, FilterSpec, ThinkingMode
from shared.wire.content_filter import ContentFilter
from shared.wire.formats import WireFormat

SPEC = FilterSpec((FilterRule("Claude Code", "it"),))


def test_nothing_to_filter_is_no_filter() -> None:
    assert ContentFilter.of(FilterSpec()) is None
    assert ContentFilter.of(SPEC) is not None
    blank = ContentFilter.of(FilterSpec((), ThinkingMode.BLANK))
    assert blank is not None
    assert blank.thinking is ThinkingMode.BLANK
    assert blank.text("Claude Code") == "Claude Code"


def test_texts() -> None:
    assert ContentFilter(SPEC).text("Claude Code failed") == "it failed"


@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize("structured", [False, True])
def test_errors_of_every_format(wire_format: WireFormat, structured: bool) -> None:
    body = json.dumps({"error": {"message": "Claude Code failed"}}).encode()
    read = ContentFilter(SPEC).body(wire_format, body, structured=structured)
    assert json.loads(read) == {"error": {"message": "it failed"}}


@pytest.mark.parametrize("body", [b"", b"Claude Code", b"[]", b'{"torn', b'{"a": 1.50}'])
@pytest.mark.parametrize("wire_format", WireFormat)
def test_other_bodies_pass(wire_format: WireFormat, body: bytes) -> None:
    assert ContentFilter(SPEC).body(wire_format, body) == body


def test_one_filter_serves_many_streams() -> None:
    filters = ContentFilter(SPEC)
    one, other = filters.stream(WireFormat.CHAT), filters.stream(WireFormat.CHAT)
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"Claude"}}]}\n\n'
    assert one.feed(chunk) == b""
    assert other.flush() == b""
    assert one.flush() == chunk
