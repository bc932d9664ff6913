from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Int64

from shared.domain.accounts import Purse
from shared.domain.ledger import LedgerRow, RowKind
from shared.domain.usage import Usage
from shared.store.client import SyncDatabase
from shared.store.ledger_reader import Cursor, LedgerReader

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def insert(database: SyncDatabase, row_id: str, **fields: Any) -> None:
    document = {
        "_id": row_id,
        "userId": "usr_1",
        "username": "ann",
        "kind": "topup",
        "purse": "main",
        "amountNano": Int64(5),
        "reason": "paid",
        "createdAt": NOW,
    }
    database.ledger.insert_one(document | fields)


@pytest.fixture
def ledger(prepared: SyncDatabase) -> LedgerReader:
    return LedgerReader(prepared)


def test_a_top_up(ledger: LedgerReader, prepared: SyncDatabase) -> None:
    insert(prepared, "led_1")
    expected = LedgerRow("led_1", "usr_1", "ann", RowKind.TOPUP, Purse.MAIN, 5, "paid", NOW)
    assert ledger.get("led_1") == ledger.get("led_1", "usr_1") == expected
    assert type(expected.amount_nano) is int


def test_a_charge_says_what_it_was_for(ledger: LedgerReader, prepared: SyncDatabase) -> None:
    usage = Usage(input=3, output=4, estimated=True)
    charge = {
        "kind": "charge",
        "purse": "referral",
        "amountNano": Int64(-9),
        "requestId": "req_1",
        "model": "sonnet",
        "usage": usage.to_document(),
        "priceVersion": "v1",
    }
    insert(prepared, "req_1", **charge)
    row = ledger.get("req_1")
    assert row is not None
    assert (row.kind, row.purse, row.amount_nano) == (RowKind.CHARGE, Purse.REFERRAL, -9)
    assert (row.request_id, row.model, row.usage, row.price_version) == (
        "req_1",
        "sonnet",
        usage,
        "v1",
    )


def test_a_row_is_only_its_owners(ledger: LedgerReader, prepared: SyncDatabase) -> None:
    insert(prepared, "led_1")
    assert ledger.get("led_1", "usr_2") is None
    assert ledger.get("led_none") is None


def test_pages_follow_each_other(ledger: LedgerReader, prepared: SyncDatabase) -> None:
    for number, minutes in enumerate([0, 0, 0, 5, 5]):
        insert(prepared, f"led_{number}", createdAt=NOW + timedelta(minutes=minutes))
    insert(prepared, "led_9", userId="usr_2")
    found = ledger.newest("usr_1", limit=2)
    while page := ledger.newest("usr_1", after=Cursor(found[-1].created_at, found[-1].id), limit=2):
        found += page
    assert [row.id for row in found] == ["led_4", "led_3", "led_2", "led_1", "led_0"]
