from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson.int64 import Int64

from shared.domain.accounts import Hold, Purse
from shared.domain.ledger import RowKind
from shared.domain.usage import Usage
from shared.errors import MoneyError
from shared.store.ledger_reader import row_from
from shared.store.ledger_rows import StoredCost, charge_row, late_id, late_row, released_row

HOLD = Hold("req_a", "usr_1", "ann", 5_000, Purse.REFERRAL)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_charge_takes_money_under_the_request_id(make_record: Any) -> None:
    row = row_from(charge_row(HOLD, make_record(HOLD, 70), NOW))
    assert (row.id, row.kind, row.purse) == ("req_a", RowKind.CHARGE, Purse.REFERRAL)
    assert (row.amount_nano, row.created_at, row.reason) == (-70, NOW, "request: complete")
    assert (row.usage, row.price_version) == (Usage(input=100, output=20), "v1")


def test_a_late_bill_stands_beside_the_release(make_record: Any) -> None:
    released = row_from(released_row(HOLD, "worker lost", NOW))
    late = row_from(late_row(HOLD, make_record(HOLD, 70), NOW))
    assert (released.id, released.kind, released.amount_nano) == ("req_a", RowKind.RELEASED, 0)
    assert (late.id, late.kind, late.amount_nano) == (late_id("req_a"), RowKind.LATE, -70)
    assert late.request_id == released.request_id == "req_a"


def test_amounts_are_int64(make_record: Any) -> None:
    for row in (charge_row(HOLD, make_record(HOLD, 1), NOW), released_row(HOLD, "x", NOW)):
        assert type(row["amountNano"]) is Int64
        assert type(row["holdNano"]) is Int64


def test_a_cost_that_is_no_amount_is_refused(make_record: Any) -> None:
    with pytest.raises(MoneyError):
        charge_row(HOLD, make_record(HOLD, -1), NOW)


def test_what_a_stored_row_says(make_record: Any) -> None:
    charge = charge_row(HOLD, make_record(HOLD, 70), NOW)
    assert StoredCost.of(charge) == StoredCost(released=False, cost_nano=70, tokens=120)
    assert StoredCost.of(released_row(HOLD, "x", NOW)) == StoredCost(True, 0, 0)
