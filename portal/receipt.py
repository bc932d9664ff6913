"""The bill of one request, for the account that paid it."""

from __future__ import annotations

from decimal import Decimal, localcontext

from shared.domain.ledger import RowKind
from shared.domain.money import PRECISION
from shared.errors import NotFound
from shared.ledger.receipts import Receipt, receipt
from shared.store.client import SyncDatabase

_CHARGES = (RowKind.CHARGE, RowKind.LATE)


class Receipts:
    """Reads bills."""

    def __init__(self, database: SyncDatabase) -> None:
        """Read from `database`."""
        self._database = database

    def get(self, request_id: str, username: str) -> Receipt | None:
        """The bill of a request of an account; None while, or where, there is no charge.

        Raises:
            StoreUnavailable: No answer in time.
        """
        try:
            found = receipt(self._database, request_id)
        except NotFound:
            return None
        own = found.username == username
        return found if own and found.kind in _CHARGES and found.lines else None


def subtotal_usd(bill: Receipt) -> Decimal:
    """Sum of the lines, exact, before the multiplier."""
    with localcontext(prec=PRECISION):
        return sum((line.cost_usd for line in bill.lines), Decimal(0))


def is_capped(bill: Receipt) -> bool:
    """Whether an estimate would have come to more than was set aside, and was cut to it."""
    return bill.usage.estimated and bill.charged_nano == bill.hold_nano
