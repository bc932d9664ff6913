from __future__ import annotations

from typing import Any

from shared.wire.filtering.draft import Draft, Voices
from shared.wire.filtering.gaps import Gaps
from shared.wire.filtering.rules import RuleSet


def closed(gaps: Gaps, fields: Any) -> Draft:
    draft = Draft(b"data: raw\n\n", fields, Voices(RuleSet([])))
    gaps.close(draft)
    return draft


def test_later_indices_move_up() -> None:
    gaps = Gaps("index")
    assert not closed(gaps, {"index": 1}).changed
    gaps.leave_out(0)
    gaps.leave_out(2)
    gaps.leave_out(None)
    assert [closed(gaps, {"index": i}).dropped for i in range(4)] == [True, False, True, False]
    assert [closed(gaps, {"index": i}).fields["index"] for i in (1, 3, 4)] == [0, 1, 2]
    assert closed(gaps, {"index": 1}).changed
    assert closed(gaps, {"other": 1}).fields == {"other": 1}
