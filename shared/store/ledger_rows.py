"""Rows of `ledger`: immutable, one for every change of a balance.

A charge has the request id as `_id`, which is what makes a second one impossible. A request whose
worker vanished gets a row `released` of amount 0 in its place; should the worker come back, what
the request really cost is a row `late` under `<request id>:late`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson.int64 import Int64

from shared.domain.accounts import Hold, RequestRecord
from shared.domain.ledger import RowKind
from shared.domain.usage import Usage
from shared.store.hold_pipelines import nano

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredCost:
    """What a stored row says that a request cost, nano-USD, and its tokens."""

    released: bool
    cost_nano: int
    tokens: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> StoredCost:
        """Read from a row `charge` or `released`."""
        tokens = Usage.from_document(row.get("usage") or {}).total
        released = row["kind"] == RowKind.RELEASED
        return cls(released, -int(row["amountNano"]), 0 if released else tokens)


def late_id(request_id: str) -> str:
    """`_id` of the row that bills a request whose hold had been released."""
    return f"{request_id}:late"


def charge_row(hold: Hold, record: RequestRecord, now: datetime) -> Row:
    """The charge of a request, from the purse that held for it."""
    return _billed_row(hold.request_id, RowKind.CHARGE, hold, record, now)


def late_row(hold: Hold, record: RequestRecord, now: datetime) -> Row:
    """What a request cost whose hold had been released before it ended."""
    return _billed_row(late_id(hold.request_id), RowKind.LATE, hold, record, now)


def released_row(hold: Hold, reason: str, now: datetime) -> Row:
    """Stands in for the charge of a request that nobody will settle; amount 0."""
    return {
        "_id": hold.request_id,
        "userId": hold.user_id,
        "username": hold.username,
        "kind": RowKind.RELEASED.value,
        "purse": hold.purse.value,
        "amountNano": Int64(0),
        "requestId": hold.request_id,
        "reason": reason,
        "createdAt": now,
        "holdNano": nano(hold.amount_nano),
    }


def _billed_row(
    row_id: str, kind: RowKind, hold: Hold, record: RequestRecord, now: datetime
) -> Row:
    return {
        "_id": row_id,
        "userId": hold.user_id,
        "username": hold.username,
        "kind": kind.value,
        "purse": hold.purse.value,
        "amountNano": Int64(-nano(record.cost_nano)),
        "requestId": hold.request_id,
        "reason": f"request: {record.end_reason}",
        "createdAt": now,
        "model": record.model,
        "usage": record.usage.to_document(),
        "priceVersion": record.price_version,
        "holdNano": nano(hold.amount_nano),
    }
