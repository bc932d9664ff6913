from __future__ import annotations

import pytest

from shared.domain.accounts import Purse
from shared.domain.ledger import Move, RowKind
from shared.errors import MoneyError


@pytest.mark.parametrize(
    ("kind", "amount_nano"),
    [
        (RowKind.TOPUP, 1),
        (RowKind.REDEMPTION, 2**63 - 1),
        (RowKind.REFERRAL, 5),
        (RowKind.EXPIRY, -5),
        (RowKind.REFUND, -5),
        (RowKind.REFUND, 5),
        (RowKind.ADJUSTMENT, -5),
    ],
)
def test_accepted(kind: RowKind, amount_nano: int) -> None:
    assert Move(kind, Purse.MAIN, amount_nano, "why").amount_nano == amount_nano


@pytest.mark.parametrize(
    ("kind", "amount_nano"),
    [
        (RowKind.TOPUP, 0),
        (RowKind.TOPUP, -1),
        (RowKind.TOPUP, True),
        (RowKind.TOPUP, 1.5),
        (RowKind.TOPUP, float("nan")),
        (RowKind.TOPUP, "5"),
        (RowKind.TOPUP, None),
        (RowKind.TOPUP, 2**63),
        (RowKind.EXPIRY, 1),
        (RowKind.ADJUSTMENT, 0),
        (RowKind.CHARGE, -1),
        (RowKind.LATE, -1),
        (RowKind.RELEASED, 0),
    ],
)
def test_refused(kind: RowKind, amount_nano: int) -> None:
    with pytest.raises(MoneyError):
        Move(kind, Purse.MAIN, amount_nano, "why")


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_reason_is_required(reason: str) -> None:
    with pytest.raises(MoneyError, match="reason"):
        Move(RowKind.ADJUSTMENT, Purse.MAIN, 1, reason)
