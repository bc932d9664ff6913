"""Rows of the ledger for the portal, and their typed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.accounts import Purse
from shared.domain.ledger import LedgerRow, RowKind
from shared.domain.usage import Usage
from shared.store.client import SyncDatabase, translating_errors


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the next one holds older rows only."""

    created_at: datetime
    id: str

    def older(self) -> dict[str, Any]:
        """Filter of what comes after it, newest first."""
        same_moment = {"createdAt": self.created_at, "_id": {"$lt": self.id}}
        return {"$or": [{"createdAt": {"$lt": self.created_at}}, same_moment]}


NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]


class LedgerReader:
    """Reads `ledger`; writes nothing."""

    def __init__(self, database: SyncDatabase) -> None:
        self._rows = database["ledger"]

    def newest(
        self, user_id: str, *, after: Cursor | None = None, limit: int = 50
    ) -> list[LedgerRow]:
        """Rows of an account, newest first, `limit` at most."""
        query: dict[str, Any] = {"userId": user_id}
        if after is not None:
            query |= after.older()
        with translating_errors():
            found = self._rows.find(query).sort(NEWEST_FIRST).limit(limit)
            return [row_from(document) for document in found]

    def get(self, row_id: str, user_id: str | None = None) -> LedgerRow | None:
        """One row; with `user_id` only if it is that account's."""
        query = {"_id": row_id} | ({} if user_id is None else {"userId": user_id})
        with translating_errors():
            document = self._rows.find_one(query)
        return None if document is None else row_from(document)


def row_from(document: Mapping[str, Any]) -> LedgerRow:
    """A stored row."""
    usage = document.get("usage")
    return LedgerRow(
        id=document["_id"],
        user_id=document["userId"],
        username=document["username"],
        kind=RowKind(document["kind"]),
        purse=Purse(document["purse"]),
        amount_nano=int(document["amountNano"]),
        reason=document["reason"],
        created_at=document["createdAt"],
        request_id=document.get("requestId"),
        reference=document.get("reference", ""),
        idempotency_key=document.get("idempotencyKey"),
        actor=document.get("actor", ""),
        model=document.get("model", ""),
        usage=None if usage is None else Usage.from_document(usage),
        price_version=document.get("priceVersion", ""),
    )
