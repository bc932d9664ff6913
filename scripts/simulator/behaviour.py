"""Behaviours, chosen by the model name a request carries; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["echo", "tools", "think", "nousage", "gzip", "garbage", "empty"]


@dataclass(frozen=True, slots=True)
class Plain:
    """An answer without a fault: echo, tools, think; or without usage, packed, or no JSON."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Fail:
    """An error of the provider: its status and, optionally, which of several with that status."""

    status: int
    variant: str = ""


@dataclass(frozen=True, slots=True)
class FailKeys:
    """An error for keys with these suffixes; an echo for others."""

    failures: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Flaky:
    """An error for the first `count` requests, then an echo."""

    count: int
    status: int


@dataclass(frozen=True, slots=True)
class Slow:
    """An echo whose first byte takes `delay_ms`."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Pace:
    """`count` text events, `gap_ms` apart."""

    count: int
    gap_ms: int


@dataclass(frozen=True, slots=True)
class Short:
    """An echo that stops after `count` events: silent, cut, or with an error event."""

    how: Literal["stall", "cut", "break"]
    count: int


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded turn of a case, in pieces of `split` bytes (None: the server's setting)."""

    case: str
    turn: int
    split: int | None


Behaviour = Plain | Fail | FailKeys | Flaky | Slow | Pace | Short | Replay

_FAIL = re.compile(r"sim-error-(\d{3})(?:-([a-z0-9-]+))?")
_FLAKY = re.compile(r"sim-flaky-(\d+)-(\d{3})")
_SLOW = re.compile(r"sim-slow-(\d+)")
_PACE = re.compile(r"sim-pace-(\d+)-(\d+)")
_SHORT = re.compile(r"sim-(stall|cut|break)-(\d+)")
_KEY = re.compile(r"(.+)-(\d{3})")
_REPLAY = re.compile(r"replay:(.+)#(\d+)(?:@(\d+))?")
_PLAIN: dict[str, Kind] = {
    "sim-echo": "echo",
    "sim-tools": "tools",
    "sim-think": "think",
    "sim-nousage": "nousage",
    "sim-gzip": "gzip",
    "sim-garbage": "garbage",
    "sim-empty": "empty",
}


def behaviour_of(model: str) -> Behaviour | None:
    """Reads a model name; None for a `sim-` or `replay:` name that means nothing.

    A name that is neither is an echo, so that real model names can be tried out.
    """
    if model in _PLAIN:
        return Plain(_PLAIN[model])
    if not model.startswith(("sim-", "replay:")):
        return Plain("echo")
    return _replay(model) or _failing(model) or _timed(model)


def _replay(model: str) -> Replay | None:
    found = _REPLAY.fullmatch(model)
    if found is None:
        return None
    split = found[3]
    return Replay(found[1], int(found[2]), None if split is None else int(split))


def _failing(model: str) -> Behaviour | None:
    if found := _FAIL.fullmatch(model):
        return Fail(int(found[1]), found[2] or "")
    if found := _FLAKY.fullmatch(model):
        return Flaky(int(found[1]), int(found[2]))
    if not model.startswith("sim-key-"):
        return None
    pairs = [_KEY.fullmatch(part) for part in model.removeprefix("sim-key-").split("+")]
    if not all(pairs):
        return None
    return FailKeys(tuple((pair[1], int(pair[2])) for pair in pairs if pair))


def _timed(model: str) -> Behaviour | None:
    if found := _SLOW.fullmatch(model):
        return Slow(int(found[1]))
    if found := _PACE.fullmatch(model):
        return Pace(int(found[1]), int(found[2]))
    if found := _SHORT.fullmatch(model):
        how: Literal["stall", "cut", "break"]
        how = "stall" if found[1] == "stall" else "cut" if found[1] == "cut" else "break"
        return Short(how, int(found[2]))
    return None
