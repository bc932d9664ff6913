from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.store.audit import AuditLog, Change
from shared.store.client import AsyncDb, SyncDatabase
from shared.store.transactions import in_transaction

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    return Change("cli", "thing.change", "thing_1", before, after)


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ({"b": 2}, {"b": 3})),
        (None, {"a": 1}, (None, {"a": 1})),
        ({"a": 1}, None, ({"a": 1}, None)),
    ],
)
def test_a_row_says_what_differs(
    prepared: SyncDatabase, before: Any, after: Any, kept: Any
) -> None:
    log = AuditLog(clock=lambda: NOW)
    in_transaction(prepared, lambda session: log.write(prepared, session, change(before, after)))
    row = prepared.audit_log.find_one()
    assert row is not None
    assert row.pop("_id").startswith("aud_")
    assert row == {
        "actor": "cli",
        "action": "thing.change",
        "target": "thing_1",
        "before": kept[0],
        "after": kept[1],
        "createdAt": NOW,
    }


async def test_a_row_goes_with_its_transaction(
    prepared: SyncDatabase, async_database: AsyncDb
) -> None:
    async with async_database.client.start_session() as session:
        await session.start_transaction()
        await AuditLog().write_async(async_database, session, change(None, {"a": 1}))
        await session.abort_transaction()
        assert prepared.audit_log.count_documents({}) == 0
        await session.start_transaction()
        await AuditLog().write_async(async_database, session, change(None, {"a": 1}))
        await session.commit_transaction()
    assert prepared.audit_log.count_documents({}) == 1
