"""Replies as plans of steps: streams, pauses, stalls and cuts; pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import islice

from scripts.simulator.behaviour import Behaviour, Pace, Plain, Short, Slow
from scripts.simulator.dialects import Writer
from scripts.simulator.http_message import Ending, Pause, Reply, Step

JSON_TYPE = ("content-type", "application/json")
STREAM_TYPE = ("content-type", "text/event-stream; charset=utf-8")
NO_CACHE = ("cache-control", "no-cache")
GZIP = ("content-encoding", "gzip")
GZIP_WBITS = 31
GARBAGE = b"<!doctype html><title>Not what you asked for</title>"


def stream_plan(
    writer: Writer, behaviour: Behaviour, headers: Sequence[tuple[str, str]], error: bytes
) -> Reply:
    """A stream of events; `error` is the event that a broken one ends in."""
    events = writer.events(with_usage=behaviour != Plain("nousage"))
    steps: Iterator[Step] = (event for event, _ in events)
    all_headers = [STREAM_TYPE, NO_CACHE, *headers]
    match behaviour:
        case Pace(gap_ms=gap_ms):
            steps = _paced(events, gap_ms / 1000)
        case Short(how=how, count=count):
            steps = _shortened(steps, how, count, error)
        case Plain(kind="gzip"):
            steps = _packed(steps)
            all_headers.append(GZIP)
        case Plain(kind="garbage"):
            steps = iter((GARBAGE,))
        case Plain(kind="empty"):
            steps = iter(())
    return Reply(200, all_headers, steps, delay_s=_delay_s(behaviour), is_stream=True)


def _paced(events: Iterator[tuple[bytes, bool]], gap_s: float) -> Iterator[Step]:
    is_first = True
    for event, is_text in events:
        if is_text and not is_first and gap_s:
            yield Pause(gap_s)
        is_first = is_first and not is_text
        yield event


def _shortened(steps: Iterator[Step], how: str, count: int, error: bytes) -> Iterator[Step]:
    yield from islice(steps, count)
    if how == "break":
        yield error
    else:
        yield Ending.STALL if how == "stall" else Ending.RESET


def _packed(steps: Iterator[Step]) -> Iterator[Step]:
    packer = zlib.compressobj(wbits=GZIP_WBITS)
    for step in steps:
        if isinstance(step, bytes):
            yield packer.compress(step) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def body_plan(writer: Writer, behaviour: Behaviour, headers: Sequence[tuple[str, str]]) -> Reply:
    """A JSON body; pace and shortage are applied to equal pieces of it."""
    body = writer.body(with_usage=behaviour != Plain("nousage"))
    all_headers = [JSON_TYPE, *headers]
    steps: Iterator[Step] | tuple[bytes, ...] = (body,)
    match behaviour:
        case Pace(count=count, gap_ms=gap_ms):
            steps = _spread(body, max(count, 1), gap_ms / 1000)
        case Short(how=how, count=count):
            pieces = iter(_pieces(body, count + 1))
            steps = _shortened(pieces, how, count, b"")
        case Plain(kind="gzip"):
            body = zlib.compress(body, wbits=GZIP_WBITS)
            steps, all_headers = (body,), [*all_headers, GZIP]
        case Plain(kind="garbage"):
            body, steps = GARBAGE, (GARBAGE,)
        case Plain(kind="empty"):
            body, steps = b"", ()
    return Reply(200, all_headers, steps, length=len(body), delay_s=_delay_s(behaviour))


def _spread(body: bytes, count: int, gap_s: float) -> Iterator[Step]:
    for number, piece in enumerate(_pieces(body, count)):
        if number and gap_s:
            yield Pause(gap_s)
        yield piece


def _pieces(body: bytes, count: int) -> list[bytes]:
    size = -(-len(body) // count)
    return [body[start : start + size] for start in range(0, len(body), size)]


def _delay_s(behaviour: Behaviour) -> float:
    return behaviour.delay_ms / 1000 if isinstance(behaviour, Slow) else 0.0


def cut_up(body: bytes, split: int) -> list[bytes]:
    """A body in pieces of `split` bytes; 0 leaves it whole."""
    if not split or not body:
        return [body] if body else []
    return [body[start : start + split] for start in range(0, len(body), split)]
