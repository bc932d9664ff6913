from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from scripts.simulator.behaviour import Behaviour, Pace, Plain, Short, Slow
from scripts.simulator.http_message import Ending, Pause, Step
from scripts.simulator.plans import GZIP_WBITS, body_plan, cut_up, stream_plan

WORDS = [(b"start", False), (b"a", True), (b"b", True), (b"c", True), (b"end", False)]


class Words:
    def body(self, *, with_usage: bool) -> bytes:
        return b"0123456789" if with_usage else b"none"

    def events(self, *, with_usage: bool) -> Iterator[tuple[bytes, bool]]:
        yield from WORDS if with_usage else WORDS[:1]


def streamed(behaviour: Behaviour) -> list[Step]:
    return list(stream_plan(Words(), behaviour, [], b"error").steps)


@pytest.mark.parametrize(
    ("behaviour", "steps"),
    [
        (Plain("echo"), [b"start", b"a", b"b", b"c", b"end"]),
        (Plain("nousage"), [b"start"]),
        (Plain("empty"), []),
        (Pace(3, 0), [b"start", b"a", b"b", b"c", b"end"]),
        (Pace(3, 20), [b"start", b"a", Pause(0.02), b"b", Pause(0.02), b"c", b"end"]),
        (Short("stall", 2), [b"start", b"a", Ending.STALL]),
        (Short("cut", 0), [Ending.RESET]),
        (Short("break", 1), [b"start", b"error"]),
    ],
)
def test_streams(behaviour: Behaviour, steps: list[Step]) -> None:
    assert streamed(behaviour) == steps


@pytest.mark.parametrize(
    ("behaviour", "steps", "length"),
    [
        (Plain("echo"), [b"0123456789"], 10),
        (Plain("nousage"), [b"none"], 4),
        (Plain("empty"), [], 0),
        (Pace(3, 20), [b"0123", Pause(0.02), b"4567", Pause(0.02), b"89"], 10),
        (Short("stall", 1), [b"01234", Ending.STALL], 10),
        (Short("cut", 0), [Ending.RESET], 10),
    ],
)
def test_bodies(behaviour: Behaviour, steps: list[Step], length: int) -> None:
    reply = body_plan(Words(), behaviour, [])
    assert (list(reply.steps), reply.length) == (steps, length)


def test_slow_is_silent_before_the_head() -> None:
    assert stream_plan(Words(), Slow(1500), [], b"").delay_s == 1.5
    assert body_plan(Words(), Slow(20), []).delay_s == 0.02


def test_gzip_packs_each_event() -> None:
    reply = stream_plan(Words(), Plain("gzip"), [], b"")
    assert ("content-encoding", "gzip") in reply.headers
    unpacker = zlib.decompressobj(wbits=GZIP_WBITS)
    steps = [step for step in reply.steps if isinstance(step, bytes)]
    assert [unpacker.decompress(step) for step in steps] == [*(word for word, _ in WORDS), b""]
    body = body_plan(Words(), Plain("gzip"), [])
    (packed,) = body.steps
    assert isinstance(packed, bytes)
    assert (zlib.decompress(packed, wbits=GZIP_WBITS), body.length) == (b"0123456789", len(packed))


@pytest.mark.parametrize(
    ("split", "pieces"), [(0, [b"abcde"]), (2, [b"ab", b"cd", b"e"]), (9, [b"abcde"])]
)
def test_cut_up(split: int, pieces: list[bytes]) -> None:
    assert cut_up(b"abcde", split) == pieces


def test_cut_up_nothing() -> None:
    assert cut_up(b"", 3) == []
