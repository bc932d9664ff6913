"""Rows of the ledger, and the moves of money that are made by hand or by payment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.accounts import Purse
from shared.domain.money import check_nano
from shared.domain.usage import Usage
from shared.errors import MoneyError


class RowKind(StrEnum):
    """Why a balance changed."""

    CHARGE = "charge"
    TOPUP = "topup"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"
    EXPIRY = "expiry"
    REFERRAL = "referral"
    REDEMPTION = "redemption"
    RELEASED = "released"
    LATE = "late"


# Which sign a move may have; kinds that only requests make are not listed.
_SIGNS = {
    RowKind.TOPUP: (1,),
    RowKind.REFERRAL: (1,),
    RowKind.REDEMPTION: (1,),
    RowKind.EXPIRY: (-1,),
    RowKind.REFUND: (1, -1),
    RowKind.ADJUSTMENT: (1, -1),
}


@dataclass(frozen=True, slots=True)
class Move:
    """Money to be moved on one account.

    Attributes:
        kind: Why.
        purse: Which balance.
        amount_nano: Signed nano-USD, never 0.
        reason: In words, never empty.
        reference: What outside it belongs to, such as a payment id.
        idempotency_key: Unique for the account; the same move sent twice is made once.
        actor: User name of who did it, empty for the system.

    Raises:
        MoneyError: No such amount for this kind, or no reason.
    """

    kind: RowKind
    purse: Purse
    amount_nano: int
    reason: str
    reference: str = ""
    idempotency_key: str | None = None
    actor: str = ""

    def __post_init__(self) -> None:
        amount_nano = check_nano(self.amount_nano)
        sign = (amount_nano > 0) - (amount_nano < 0)
        if sign not in _SIGNS.get(self.kind, ()):
            raise MoneyError(f"no {self.kind.value} can be of {amount_nano} nano-USD")
        if not self.reason.strip():
            raise MoneyError("a move of money needs a reason")


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One stored row; immutable.

    Attributes:
        id: `ledger._id`; the request id for a charge.
        user_id: Account.
        username: Its name at the time.
        kind: Why the balance changed.
        purse: Which balance.
        amount_nano: Signed nano-USD; negative for a charge.
        reason: In words.
        created_at: UTC.
        request_id: For a charge.
        reference: What outside it belongs to.
        idempotency_key: Of a move that had one.
        actor: Who did it, empty for the system.
        model: For a charge.
        usage: For a charge.
        price_version: For a charge.
    """

    id: str
    user_id: str
    username: str
    kind: RowKind
    purse: Purse
    amount_nano: int
    reason: str
    created_at: datetime
    request_id: str | None = None
    reference: str = ""
    idempotency_key: str | None = None
    actor: str = ""
    model: str = ""
    usage: Usage | None = None
    price_version: str = ""
