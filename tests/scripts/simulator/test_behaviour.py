from __future__ import annotations

import pytest

from scripts.simulator.behaviour import (
    Behaviour,
    Fail,
    FailKeys,
    Flaky,
    Pace,
    Plain,
    Replay,
    Short,
    Slow,
    behaviour_of,
)


@pytest.mark.parametrize(
    ("model", "behaviour"),
    [
        ("sim-echo", Plain("echo")),
        ("sim-tools", Plain("tools")),
        ("sim-think", Plain("think")),
        ("sim-nousage", Plain("nousage")),
        ("claude-sonnet-4-20250514", Plain("echo")),
        ("sim-error-529", Fail(529)),
        ("sim-error-429-after-7", Fail(429, "after-7")),
        ("sim-error-400-credit", Fail(400, "credit")),
        ("sim-key-AbC_9-429", FailKeys((("AbC_9", 429),))),
        ("sim-key-a-b-401+cd-500", FailKeys((("a-b", 401), ("cd", 500)))),
        ("sim-flaky-2-503", Flaky(2, 503)),
        ("sim-slow-1500", Slow(1500)),
        ("sim-pace-50-20", Pace(50, 20)),
        ("sim-stall-3", Short("stall", 3)),
        ("sim-cut-0", Short("cut", 0)),
        ("sim-break-4", Short("break", 4)),
        ("replay:openai/ai--x--e796d2#0", Replay("openai/ai--x--e796d2", 0, None)),
        ("replay:case[o3-mini]--1#12@7", Replay("case[o3-mini]--1", 12, 7)),
        ("replay:case#0@0", Replay("case", 0, 0)),
        ("sim-unknown", None),
        ("sim-error-", None),
        ("sim-error-42", None),
        ("sim-key-429", None),
        ("sim-key-a-429+b", None),
        ("sim-stall-", None),
        ("replay:case", None),
    ],
)
def test_behaviour_of(model: str, behaviour: Behaviour | None) -> None:
    assert behaviour_of(model) == behaviour
