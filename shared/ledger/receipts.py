"""The bill of one request, recomputed from the usage and the price version it names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.domain.accounts import Purse
from shared.domain.ledger import RowKind
from shared.domain.pricing import Price, ReceiptLine, cost_nano, explain
from shared.domain.usage import Usage
from shared.errors import NotFound
from shared.store.client import Document, SyncDatabase, translating_errors
from shared.store.ledger_rows import late_id
from shared.store.prices import stored_price


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a request cost, and why. Money is nano-USD.

    Attributes:
        request_id: Which request.
        username: Whose.
        model: As the catalogue names it; empty where a request was refused before that was known.
        kind: Of the ledger row; None where nothing was charged.
        purse: Which balance paid; None where nothing was charged.
        usage: As the upstream reported it, or estimated.
        price_version: What it was priced by; empty when nothing was priced.
        price_source: Where that price came from; empty when it is not known.
        lines: Tokens by rate, before the multiplier.
        multiplier: Applied to their sum.
        hold_nano: What was set aside; an estimate is never charged above it. None when unknown.
        charged_nano: What the ledger took.
        recomputed_nano: What it must be; None when the price is not known any more.
        created_at: Of the row, or of the request where there is none; UTC.
    """

    request_id: str
    username: str
    model: str
    kind: RowKind | None
    purse: Purse | None
    usage: Usage
    price_version: str
    price_source: str
    lines: tuple[ReceiptLine, ...]
    multiplier: Decimal
    hold_nano: int | None
    charged_nano: int
    recomputed_nano: int | None
    created_at: datetime

    @property
    def matches(self) -> bool:
        """Whether the recomputed cost is what was charged."""
        return self.charged_nano == self.recomputed_nano


def receipt(database: SyncDatabase, request_id: str) -> Receipt:
    """The bill of a request.

    A request without a ledger row (free, or of the fixed proxy key) is told from its log.

    Raises:
        NotFound: No such request, or its log is gone and it cost nothing.
        MoneyError: The stored price is none.
        StoreUnavailable: No answer in time.
    """
    with translating_errors():
        row = _billed_row(database, request_id)
        logged = None if row else database["request_logs"].find_one({"_id": request_id})
        found = row or logged
        if found is None:
            raise NotFound(f"no charge and no log of request {request_id}")
        version = found.get("priceVersion", "")
        price = stored_price(database["prices"].find_one({"_id": version})) if version else None
    return _charged(found, price) if row else _uncharged(found, price)


def _billed_row(database: SyncDatabase, request_id: str) -> Document | None:
    """The charge; in the place of a release, what was billed late."""
    query = {"_id": {"$in": [request_id, late_id(request_id)]}}
    rows = sorted(database["ledger"].find(query), key=lambda row: str(row["_id"]))
    return rows[-1] if rows else None


def _charged(row: Document, price: Price | None) -> Receipt:
    usage = Usage.from_document(row.get("usage") or {})
    kind = RowKind(row["kind"])
    hold_nano = row.get("holdNano")
    recomputed = 0 if kind is RowKind.RELEASED else _cost_nano(usage, price, hold_nano)
    return Receipt(
        request_id=row["requestId"],
        kind=kind,
        purse=Purse(row["purse"]),
        hold_nano=hold_nano,
        charged_nano=-int(row["amountNano"]),
        recomputed_nano=recomputed,
        **_common(row, usage, price),
    )


def _uncharged(logged: Document, price: Price | None) -> Receipt:
    """A request without a row: what its log says must be nothing, unless nobody is billed."""
    usage = Usage.from_document(logged["usage"])
    cost_logged = int(logged["costNano"])
    unbilled = not logged["userId"]
    return Receipt(
        request_id=logged["_id"],
        kind=None,
        purse=None,
        hold_nano=None,
        charged_nano=cost_logged if unbilled else 0,
        recomputed_nano=_unbilled_nano(usage, price) if unbilled else cost_logged,
        **_common(logged, usage, price),
    )


def _common(document: Document, usage: Usage, price: Price | None) -> dict[str, Any]:
    return {
        "username": document["username"],
        "model": document.get("model", ""),
        "usage": usage,
        "price_version": document.get("priceVersion", ""),
        "price_source": price.source if price else "",
        "lines": tuple(explain(usage, price)) if price else (),
        "multiplier": price.multiplier if price else Decimal(1),
        "created_at": document["createdAt"],
    }


def _cost_nano(usage: Usage, price: Price | None, hold_nano: int | None) -> int | None:
    """What usage costs; an estimate is never charged above its hold."""
    if price is None:
        return None
    cost = cost_nano(usage, price)
    return min(cost, hold_nano) if usage.estimated and hold_nano is not None else cost


def _unbilled_nano(usage: Usage, price: Price | None) -> int | None:
    return _cost_nano(usage, price, None) if usage.total else 0
