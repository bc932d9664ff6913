from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.wire.sse import MAX_EVENT_BYTES
from shared.wire.usage_chunk import UsageChunkFilter

SHARED = Path(__file__).resolve().parents[4] / "shared"
ONE = b'data: {"choices":[{"delta":{"content":"a"}}],"usage":null}\n\n'
USAGE = b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def filtered(data: bytes, size: int | None = None) -> bytes:
    chunks = UsageChunkFilter()
    step = size or max(1, len(data))
    passed = [chunks.feed(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join(passed) + chunks.flush()


CASES: dict[str, tuple[bytes, bytes]] = {
    "last": (ONE + USAGE + DONE, ONE + DONE),
    "spaced": (ONE + b'data: { "choices" : [ ] , "usage" : {"a": 1} }\n\n' + DONE, ONE + DONE),
    "no space": (b'data:{"choices":[],"usage":{}}\n\n' + DONE, DONE),
    "in two lines": (b'data: {"choices":[],\ndata: "usage":{}}\n\n' + DONE, DONE),
    "crlf": (
        (ONE + USAGE + DONE).replace(b"\n", b"\r\n"),
        (ONE + DONE).replace(b"\n", b"\r\n"),
    ),
    "unclosed": (ONE + USAGE.rstrip(), ONE),
    "null usage stays": (b'data: {"choices":[],"usage":null}\n\n' + DONE,) * 2,
    "usage beside choices stays": (b'data: {"choices":[{}],"usage":{"a":1}}\n\n' + DONE,) * 2,
    "empty choices stay": (b'data: {"choices":[],"prompt_filter_results":[]}\n\n' + DONE,) * 2,
    "words stay": (b'data: {"choices":[{"delta":{"content":"\\"usage\\""}}]}\n\n' + DONE,) * 2,
    "errors stay": (b'data: {"error":{"message":"usage"},"usage":{}}\n\n',) * 2,
    "comments stay": (b": ping\n\n" + ONE + b": ping\n\n" + DONE,) * 2,
    "malformed stays": (b'data: {"choices":[],"usage":\n\n' + b"garbage",) * 2,
    "torn stays": (ONE + b'data: {"cho',) * 2,
    "nothing": (b"", b""),
}


@pytest.mark.parametrize("size", [None, 1, 2, 7, 50])
@pytest.mark.parametrize("case", CASES)
def test_only_the_usage_chunk_goes(case: str, size: int | None) -> None:
    data, expected = CASES[case]
    assert filtered(data, size) == expected


def test_whole_events_pass_at_once() -> None:
    chunks = UsageChunkFilter()
    assert chunks.feed(ONE) == ONE
    assert chunks.feed(b": x\n\n") == b": x\n\n"
    assert chunks.feed(USAGE[:30]) == b""
    assert chunks.feed(USAGE[30:] + DONE) == DONE


def test_what_is_too_large_to_be_one_passes() -> None:
    chunks = UsageChunkFilter()
    large = b'data: "usage"' + b"x" * MAX_EVENT_BYTES
    assert chunks.feed(large) == large
    assert chunks.feed(b"y\n\n") + chunks.feed(ONE) == b"y\n\n" + ONE


def recorded() -> list[Any]:
    found = []
    for path in sorted(SHARED.glob("fixtures/openai/*.json")):
        for turn in json.loads(path.read_text())["interactions"]:
            if "sse" in turn["response"]:
                name = f"{path.stem}#{turn['index']}"
                found.append(pytest.param(turn["response"]["sse"], id=name))
    return found


@pytest.mark.skipif(not SHARED.joinpath("fixtures").is_dir(), reason="no ../shared/fixtures")
@pytest.mark.parametrize("sse", recorded())
def test_recorded_streams_keep_every_other_byte(sse: str) -> None:
    kept = [e for e in sse.split("\n\n") if not ('"choices":[],' in e and '"usage":{' in e)]
    expected = "\n\n".join(kept).encode()
    for size in (None, 1, 7, 900):
        assert filtered(sse.encode(), size) == expected
