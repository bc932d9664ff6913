"""The shape of the two updates; what they do is tested in test_holds.py."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.int64 import Int64

from shared.errors import MoneyError
from shared.store.hold_pipelines import end_pipeline, nano, reserve_answer, reserve_pipeline


def test_small_amounts_are_int64_too() -> None:
    assert type(nano(3)) is Int64
    assert nano(2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize("amount", [-1, 2**63, True, 1.0, float("nan"), "1", None])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(MoneyError):
        nano(amount)
    with pytest.raises(MoneyError):
        end_pipeline(["req_a"], [amount], [0])


def test_a_pipeline_is_short_however_many_requests_it_ends() -> None:
    """The accounts' updates of a batch are sent in one command: they have to stay small."""
    ids = [f"req_{n:026d}" for n in range(500)]
    pipeline = end_pipeline(ids, [1_000_000] * 500, [2_000] * 500)
    assert len(bson.encode({"u": pipeline})) < 40_000
    assert len(bson.encode({"u": reserve_pipeline("req_a", "w", 5, 5)})) < 3_000


async def test_no_trace_of_the_calculation_is_stored(bank: Any, make_record: Any) -> None:
    user = bank.add_user(1_000)
    before = set(bank.account(user))
    held = await bank.hold(user, 600)
    assert not [name for name in bank.account(user) if name.startswith("_") and name != "_id"]
    await bank.holds.settle([(held, make_record(held, 5))])
    assert set(bank.account(user)) == before


def test_the_answer_is_small() -> None:
    assert set(reserve_answer("req_a")) == {"_id", "username", "isActive", "hold", "freeNano"}


async def test_odd_names_are_values_and_not_expressions(bank: Any) -> None:
    user = bank.add_user(1_000)
    held = await bank.hold(user, 10, worker="$creditsNano")
    assert bank.account(user)["holds"][held.request_id]["worker"] == "$creditsNano"
    await bank.holds.release(user, ["$holds", "$$ROOT"])
    assert len(bank.account(user)["holds"]) == 1
