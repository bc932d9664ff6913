from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.beta import BetaRawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter, ValidationError

from shared.domain.catalog import Dialect, FilterRule, FilterSpec
from shared.wire.content_filter import ContentFilter
from shared.wire.filtering.rules import RuleSet
from shared.wire.filtering.text import filter_text
from shared.wire.formats import WireFormat
from shared.wire.sse import MAX_EVENT_BYTES, EventScanner
from shared.wire.whole_events import WholeEvents
from tests.support.recorded import Turn, turns

SHARED = Path(__file__).resolve().parents[5] / "shared"
# Short ones that hit in every language, long ones over many deltas, one that never hits.
HITTING = (
    FilterRule("the", "THE"),
    FilterRule("is a", ""),
    FilterRule("[a-z]{2,6} [a-z]{2,9} [a-z]", '<\\1 "three\n>', regex=True),
    FilterRule("[0-9]+", "#", regex=True),
    FilterRule("[A-Z][^.]{20,60}\\.", "Sentence.", regex=True),
)
MISSING = (FilterRule("Claude Code", "it"), FilterRule("[a-z ]{5,40}@@", "it", regex=True))
STRICT: dict[str, TypeAdapter[Any]] = {
    "anthropic": TypeAdapter(BetaRawMessageStreamEvent),
    "openai": TypeAdapter(ChatCompletionChunk),
}


def passed(filters: ContentFilter, dialect: str, data: bytes, size: int) -> bytes:
    whole, stream = WholeEvents(), filters.stream(WireFormat.of(Dialect(dialect)))
    pieces = [whole.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([stream.feed(p) for p in (*pieces, whole.flush()) if p]) + stream.flush()


def documents(data: bytes) -> list[dict[str, Any]]:
    scanner = EventScanner()
    events = [*scanner.decode(data), *scanner.flush()]
    return [json.loads(event.data) for event in events if event.data != b"[DONE]"]


def texts(dialect: str, data: bytes) -> dict[Hashable, str]:
    """The texts of an answer, put together in the plainest way."""
    found: dict[Hashable, str] = {}
    for key, holder, name in places(dialect, data):
        found[key] = found.get(key, "") + (holder.get(name) or "")
    return {key: text for key, text in found.items() if text}


def places(dialect: str, data: bytes) -> Iterator[tuple[Hashable, dict[str, Any], str]]:
    for document in documents(data):
        if dialect == "anthropic":
            for name in ("delta", "content_block"):
                if document.get(name, {}).get("type") in ("text", "text_delta"):
                    yield document["index"], document[name], "text"
            continue
        for choice in document.get("choices", []):
            yield choice["index"], choice["delta"], "content"
            yield (choice["index"], "refusal"), choice["delta"], "refusal"


def skeletons(dialect: str, data: bytes) -> list[dict[str, Any]]:
    """What came, less the texts and the tokens that spell them out."""
    found = documents(data)
    for document in found:
        for choice in document.get("choices", []):
            choice.pop("logprobs", None)
            choice["delta"].pop("content", None)
            choice["delta"].pop("refusal", None)
        for name in ("delta", "content_block"):
            if document.get(name, {}).get("type") in ("text", "text_delta"):
                document[name].pop("text", None)
    return found


def recorded() -> list[Any]:
    if not SHARED.joinpath("fixtures").is_dir():
        return []
    return [pytest.param(turn, id=turn.name) for turn in turns(SHARED) if turn.stream]


needs_recordings = pytest.mark.skipif(not recorded(), reason="no ../shared/fixtures")


@needs_recordings
@pytest.mark.parametrize("size", [1, 7, 900, 10**9])
@pytest.mark.parametrize("turn", recorded())
def test_recorded_texts_are_those_of_the_whole(turn: Turn, size: int) -> None:
    data, rules = turn.body.encode(), RuleSet(HITTING)
    out = passed(ContentFilter(FilterSpec(HITTING)), turn.dialect, data, size)
    expected = {key: filter_text(rules, text) for key, text in texts(turn.dialect, data).items()}
    assert texts(turn.dialect, out) == {key: text for key, text in expected.items() if text}
    assert skeletons(turn.dialect, out) == skeletons(turn.dialect, data)


@needs_recordings
@pytest.mark.parametrize("size", [1, 7, 900])
@pytest.mark.parametrize("turn", recorded())
def test_recorded_bytes_that_no_rule_touches_stay(turn: Turn, size: int) -> None:
    data = turn.body.encode()
    assert passed(ContentFilter(FilterSpec(MISSING)), turn.dialect, data, size) == data


def valid(dialect: str, document: dict[str, Any]) -> bool:
    try:
        STRICT[dialect].validate_python(document)
    except ValidationError:
        return False
    return True


@needs_recordings
@pytest.mark.parametrize("turn", recorded())
def test_recorded_events_stay_valid_for_the_sdks(turn: Turn) -> None:
    data = turn.body.encode()
    out = passed(ContentFilter(FilterSpec(HITTING)), turn.dialect, data, 900)
    for before, after in zip(documents(data), documents(out), strict=True):
        assert valid(turn.dialect, after) >= valid(turn.dialect, before)


@needs_recordings
def test_the_recordings_try_what_they_should() -> None:
    changed = emptied = 0
    for param in recorded():
        turn = param.values[0]
        data = turn.body.encode()
        out = passed(ContentFilter(FilterSpec(HITTING)), turn.dialect, data, 900)
        changed += out != data
        pairs = zip(places(turn.dialect, data), places(turn.dialect, out), strict=True)
        emptied += sum(bool(a.get(name) and not b[name]) for (_, a, name), (_, b, _) in pairs)
    assert changed > 25
    assert emptied > 200


def delta(text: str) -> bytes:
    fields = {"type": "content_block_delta", "index": 0}
    return (
        b"data: %s\n\n"
        % json.dumps({**fields, "delta": {"type": "text_delta", "text": text}}).encode()
    )


def test_many_events_at_once() -> None:
    stream = ContentFilter(FilterSpec(MISSING)).stream(WireFormat.MESSAGES)
    out = stream.feed(delta("a ") + b": ping\n\n" + delta("Claude ") + delta("Code!") + delta("b"))
    out += stream.flush()
    assert [one.get("delta", {}).get("text") for one in documents(out)] == ["a ", "it", "!", "b"]
    assert b": ping\n\n" in out


@pytest.mark.parametrize("odd", [b"data: {torn\n\n", b"event: x\ndata: [1]\n\n", b"data: 5"])
def test_what_cannot_be_read_keeps_its_place(odd: bytes) -> None:
    stream = ContentFilter(FilterSpec(MISSING)).stream(WireFormat.MESSAGES)
    assert stream.feed(delta("Claude")) == b""
    assert stream.feed(odd) == b""
    assert stream.flush() == delta("Claude") + odd


def test_what_waits_is_bounded() -> None:
    stream = ContentFilter(FilterSpec(MISSING)).stream(WireFormat.MESSAGES)
    large = b'data: {"type": "message_delta", "x": "%s"}\n\n' % (b"x" * (MAX_EVENT_BYTES // 2))
    assert stream.feed(delta("Claude")) == stream.feed(large) == b""
    assert stream.feed(large) == delta("Claude") + large + large
    assert stream.flush() == b""


words = st.sampled_from(["Claude", " Co", "de", " ", "a", "b c", "@@", "Code", "é", "", "."])


@settings(deadline=None)
@given(st.lists(words, max_size=20))
def test_any_deltas_say_what_the_whole_says(pieces: list[str]) -> None:
    stream = ContentFilter(FilterSpec(MISSING)).stream(WireFormat.MESSAGES)
    out = b"".join([stream.feed(delta(piece)) for piece in pieces]) + stream.flush()
    said = [document["delta"]["text"] for document in documents(out)]
    whole = "".join(pieces)
    assert len(said) == len(pieces)
    assert "".join(said) == filter_text(RuleSet(MISSING), whole)
    assert "it" in "".join(said) or said == pieces


SAYING = {
    WireFormat.CHAT: ({"delta": {"content": "Claude Code"}}, {"finish_reason": "stop"}),
    WireFormat.MESSAGES: (
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Claude Code"}},
        {"type": "content_block_stop"},
    ),
    WireFormat.RESPONSES: (
        {"type": "response.output_text.delta", "delta": "Claude Code"},
        {"type": "response.output_text.done", "text": "Claude Code"},
    ),
}


@pytest.mark.parametrize("form", SAYING)
@pytest.mark.parametrize("index", [[], {}, "0", None, 1.5])
def test_an_index_may_be_anything(form: WireFormat, index: Any) -> None:
    stream = ContentFilter(FilterSpec(MISSING)).stream(form)
    out = b""
    for said in SAYING[form]:
        fields = {**said, "index": index, "output_index": index}
        document = {"choices": [fields]} if form is WireFormat.CHAT else fields
        out += stream.feed(f"data: {json.dumps(document)}\n\n".encode())
    assert b"it" in out
    assert b"Claude" not in out
