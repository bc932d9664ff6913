"""The bill of one request, from its ledger row and the price version that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from shared.domain.accounts import Purse
from shared.domain.ledger import LedgerRow
from shared.domain.money import PRECISION
from shared.domain.pricing import Price, ReceiptLine, explain, price_from_document
from shared.store.client import SyncDatabase, translating_errors
from shared.store.ledger_reader import LedgerReader


@dataclass(frozen=True, slots=True)
class Receipt:
    """A bill that can be recomputed by hand.

    Attributes:
        lines: Buckets that are not 0, with rate and exact cost before the multiplier.
        sum_usd: Of the lines, exact.
        multiplier: Applied to the sum.
        charged_nano: What the ledger took, nano-USD: the product, rounded once.
        price_version: Which price.
        source: Where that price came from.
        from_referral: Paid from referral credits.
    """

    lines: tuple[ReceiptLine, ...]
    sum_usd: Decimal
    multiplier: Decimal
    charged_nano: int
    price_version: str
    source: str
    from_referral: bool


class Receipts:
    """Reads bills from `ledger` and `prices`."""

    def __init__(self, database: SyncDatabase) -> None:
        """Read from `database`."""
        self._ledger = LedgerReader(database)
        self._prices = database["prices"]

    def get(self, request_id: str, user_id: str) -> Receipt | None:
        """The bill of a request of an account; None while, or where, there is no charge.

        Raises:
            StoreUnavailable: No answer in time.
        """
        row = self._charge(request_id, user_id)
        if row is None or row.usage is None:
            return None
        price = self._price(row.price_version)
        return None if price is None else _receipt(row, price)

    def _charge(self, request_id: str, user_id: str) -> LedgerRow | None:
        """The charge, or what was billed late because the hold had been released before."""
        return self._ledger.get(f"{request_id}:late", user_id) or self._ledger.get(
            request_id, user_id
        )

    def _price(self, version: str) -> Price | None:
        with translating_errors():
            document: Mapping[str, Any] | None = self._prices.find_one({"_id": version})
        return None if document is None else price_from_document(document)


def _receipt(row: LedgerRow, price: Price) -> Receipt:
    lines = tuple(explain(row.usage, price)) if row.usage else ()
    with localcontext(prec=PRECISION):
        total = sum((line.cost_usd for line in lines), Decimal(0))
    return Receipt(
        lines=lines,
        sum_usd=total,
        multiplier=price.multiplier,
        charged_nano=-row.amount_nano,
        price_version=row.price_version,
        source=price.source,
        from_referral=row.purse is Purse.REFERRAL,
    )
