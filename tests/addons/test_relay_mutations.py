"""Ten thousand broken streams: none ends as if it were whole, as the official SDKs read it.

Recorded streams of both dialects are mutated, cut into random pieces and relayed, natively and
translated, with and without the content filter. What comes out is read by the SDKs' own streams.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from addons.metering import StreamMeter
from addons.relay import Relay
from shared.domain.catalog import Dialect, FilterRule, FilterSpec, ThinkingMode
from shared.wire import errors as wire
from shared.wire.content_filter import ContentFilter
from tests.support.gateway_flows import routed_context, sent_context, services
from tests.support.recorded import turns

COUNT = 10_000
BATCHES = 20
LONGEST_BYTES = 40_000
ESTIMATE = 11
OTHER = {Dialect.OPENAI: Dialect.ANTHROPIC, Dialect.ANTHROPIC: Dialect.OPENAI}
RULES = (FilterRule("the", "this"), FilterRule("[a-z]+ing", "doing", regex=True))
FILTERS = (
    None,
    None,
    None,
    ContentFilter(FilterSpec(rules=RULES)),
    ContentFilter(FilterSpec(rules=RULES, thinking=ThinkingMode.BLANK)),
    ContentFilter(FilterSpec(rules=RULES, thinking=ThinkingMode.STRIP)),
)
TOKENS = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\\", b'"', b"{", b"}",
    b"[", b": note\n\n", b"data:\n\n", b"data: 7\n\n", b"data: [DONE]\n\n", b"event: ping\n",
    b"retry: 1\n\n",
    b"event: error\ndata: {}\n\n", b'data: {"error": {"message": "m", "type": "t"}}\n\n',
    b'event: error\ndata: {"type": "error", "error": {"type": "api_error", "message": "m"}}\n\n',
    b'event: message_stop\ndata: {"type": "message_stop"}\n\n', b'data: {"error": 1}\n\n',
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 7, 10**12, 1.5, "", "x", "the thing is thinking", "\ud83d\ude00", "length",
    [], [{}], [None], {}, {"type": "text"}, "tool_use", "error", {"message": "m"},
)  # fmt: skip

Mutation = Callable[[list[bytes], random.Random], list[bytes]]


def cut_off(events: list[bytes], dice: random.Random) -> list[bytes]:
    data = b"".join(events)
    return [data[: dice.randrange(len(data) + 1)]]


def leave_out(events: list[bytes], dice: random.Random) -> list[bytes]:
    at = dice.randrange(len(events))
    return events[:at] + events[at + dice.choice((1, 1, 2, 5)) :]


def repeat(events: list[bytes], dice: random.Random) -> list[bytes]:
    at = dice.randrange(len(events))
    return events[: at + 1] + events[at:]


def swap(events: list[bytes], dice: random.Random) -> list[bytes]:
    made = list(events)
    one, other = dice.randrange(len(made)), dice.randrange(len(made))
    made[one], made[other] = made[other], made[one]
    return made


def put_in(events: list[bytes], dice: random.Random) -> list[bytes]:
    at, event = _any(events, dice)
    within = dice.choice((0, len(event), dice.randrange(len(event) + 1)))
    return [*events[:at], event[:within] + dice.choice(TOKENS) + event[within:], *events[at + 1 :]]


def flip(events: list[bytes], dice: random.Random) -> list[bytes]:
    at, event = _any(events, dice)
    byte = dice.randrange(len(event) or 1)
    return [*events[:at], event[:byte] + dice.randbytes(1) + event[byte + 1 :], *events[at + 1 :]]


def end_lines_otherwise(events: list[bytes], dice: random.Random) -> list[bytes]:
    return [b"".join(events).replace(b"\n", dice.choice((b"\r\n", b"\r")))]


def change_a_value(events: list[bytes], dice: random.Random) -> list[bytes]:
    """Give one value within the data of an event another one, or take it away."""
    at, event = _any(events, dice)
    head, mark, data = event.partition(b"data: ")
    try:
        fields = json.loads(data)
    except ValueError:
        return events
    places = list(_places(fields))
    if not mark or not places:
        return events
    holder, key = dice.choice(places)
    if dice.random() < 0.3:
        del holder[key]
    else:
        holder[key] = dice.choice(VALUES)
    changed = head + mark + json.dumps(fields).encode(errors="replace") + b"\n\n"
    return [*events[:at], changed, *events[at + 1 :]]


def _any(events: list[bytes], dice: random.Random) -> tuple[int, bytes]:
    at = dice.randrange(len(events))
    return at, events[at]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a value within objects and lists."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found: list[tuple[Any, Any]] = []
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


MUTATIONS: tuple[Mutation, ...] = (
    *(change_a_value,) * 4, put_in, put_in, flip, flip, cut_off, leave_out, repeat, swap,
    end_lines_otherwise,
)  # fmt: skip


@cache
def recorded(material: Path) -> tuple[tuple[Dialect, list[bytes]], ...]:
    """Events of every recorded stream that is not too long."""
    found = [turn for turn in turns(material) if turn.stream and turn.status == 200]
    bodies = [(Dialect(turn.dialect), turn.body.encode()) for turn in found]
    return tuple(
        (dialect, [event + b"\n\n" for event in body.split(b"\n\n") if event])
        for dialect, body in bodies
        if len(body) <= LONGEST_BYTES
    )


def mutated(events: list[bytes], dice: random.Random) -> bytes:
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        events = dice.choice(MUTATIONS)(events or [b""], dice)
    return b"".join(events)


def pieces(data: bytes, dice: random.Random) -> list[bytes]:
    """The data in pieces of random sizes; none is empty, which would be the end."""
    size = dice.choice((1, 7, 60, 900, len(data) or 1))
    if size == 1 and len(data) > 4000:
        size = 13
    made, at = [], 0
    while at < len(data):
        step = dice.randint(1, 2 * size - 1)
        made.append(data[at : at + step])
        at += step
    return made


def relay_for(client: Dialect, upstream: Dialect, dice: random.Random) -> tuple[Relay, StreamMeter]:
    made = services()
    asked = client is Dialect.OPENAI and dice.random() < 0.5
    extra = {"stream_options": {"include_usage": True}} if asked else {}
    context = sent_context(made, client, stream=True, **extra)
    if client is not upstream:
        context.outgoing = routed_context(made, upstream, stream=True).parsed
    meter = StreamMeter(upstream, 1000)
    return Relay(context, meter, lambda *_: None, dice.choice(FILTERS)), meter


OPENAI = openai.OpenAI(base_url="http://127.0.0.1:1", api_key="k")
ANTHROPIC = anthropic.Anthropic(base_url="http://127.0.0.1:1", api_key="k")


def how_it_ends(dialect: Dialect, data: bytes) -> str:
    """`complete`, `error`, `silent` or what the SDK cannot read, as a client of the SDK sees it."""
    request = httpx2.Request("POST", "http://127.0.0.1:1")
    answer = httpx2.Response(200, content=data, request=request)
    stream: Any
    if dialect is Dialect.OPENAI:
        stream = openai.Stream(cast_to=object, response=answer, client=OPENAI)
    else:
        stream = anthropic.Stream(cast_to=object, response=answer, client=ANTHROPIC)
    try:
        for _ in stream:
            pass
    except (openai.APIError, anthropic.APIError):
        return "error"
    except ValueError as error:
        return type(error).__name__
    # The stream does not tell whether it has seen the end; its decoder does.
    events = stream._decoder.iter_bytes(iter([data]))
    ends = (e.data.startswith("[DONE]") or e.event == "message_stop" for e in events)
    return "complete" if any(ends) else "silent"


def try_one(seed: int, streams: tuple[tuple[Dialect, list[bytes]], ...]) -> str:
    """Relay one broken stream; returns how it ended for the client."""
    dice = random.Random(seed)
    upstream, events = dice.choice(streams)
    client = dice.choice((upstream, OTHER[upstream]))
    data = mutated(events, dice)
    relay, meter = relay_for(client, upstream, dice)
    sent = [chunk for piece in pieces(data, dice) for chunk in relay(piece)]
    sent += relay.fail(wire.upstream_timed_out()) if dice.random() < 0.1 else relay(b"")
    assert relay(b"more") == relay(b"") == relay.fail(wire.internal_error()) == []
    assert relay._context.end_reason != "internal_error"
    usage = meter.usage(ESTIMATE)
    assert min(usage.input, usage.output, usage.total_input, usage.web_searches) >= 0
    # A last event without its empty line passes as it came; most clients read it.
    rest = b"\n\n" if client is upstream else b""
    ended = how_it_ends(client, b"".join(sent) + rest)
    if client is upstream and ended not in ("complete", "error"):
        # A native stream passes as it is: what no client can read is the upstream's own.
        theirs = how_it_ends(client, data + rest)
        assert (ended == theirs) != (ended == "silent")
    else:
        assert ended in ("complete", "error")
    assert ended != "error" or relay._context.end_reason
    return ended


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_broken_stream_ends_whole_or_with_an_error(batch: int, shared_material: Path) -> None:
    streams = recorded(shared_material)
    assert {dialect for dialect, _ in streams} == set(Dialect)
    size = COUNT // BATCHES
    seen = set()
    for seed in range(batch * size, (batch + 1) * size):
        try:
            seen.add(try_one(seed, streams))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
    assert {"complete", "error"} <= seen
