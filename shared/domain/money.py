"""Amounts of money: nano-USD in a signed 64-bit integer, never a float.

One nano-USD is 1e-9 USD, so int64 reaches a little over 9.2 billion USD either way.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from shared.errors import MoneyError

NANO_PER_USD = 1_000_000_000
DECIMALS = 9
MAX_NANO = 2**63 - 1
MIN_NANO = -(2**63)

# Wide enough that no product of a token count, a rate and a multiplier is ever rounded early.
PRECISION = 60

_PLAIN = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")


def check_nano(value: object, *, signed: bool = True) -> int:
    """Return `value` if it is an amount in nano-USD.

    Args:
        value: What came in from outside: a request, a document, a form.
        signed: Whether it may be negative.

    Raises:
        MoneyError: It is no int (a bool is none), beyond int64, or negative where it must not be.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise MoneyError(f"an amount must be an integer of nano-USD, not {type(value).__name__}")
    if not MIN_NANO <= value <= MAX_NANO:
        raise MoneyError("an amount must fit in 64 bits")
    if value < 0 and not signed:
        raise MoneyError("an amount must not be negative")
    return value


def parse_usd(text: str, *, signed: bool = False) -> int:
    """Parse plain decimal USD such as `12`, `0.05` or `1.000000001` into nano-USD.

    Exponents, blanks, thousands separators, NaN and infinities are refused, and so is anything
    finer than nine decimals: an amount is never rounded on the way in.

    Args:
        text: The amount as written by a person or found in a document.
        signed: Whether a leading `-` is allowed.

    Raises:
        MoneyError: It is no such amount, or does not fit in 64 bits.
    """
    match = _PLAIN.fullmatch(text) if isinstance(text, str) and len(text) <= 64 else None
    if match is None:
        raise MoneyError("an amount must be plain decimal USD, such as 12.50")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if sign == "-" and not signed:
        raise MoneyError("an amount must not be negative")
    if len(fraction.rstrip("0")) > DECIMALS:
        raise MoneyError("an amount must have at most 9 decimals")
    nano = int(whole) * NANO_PER_USD + int(fraction[:DECIMALS].ljust(DECIMALS, "0"))
    return check_nano(-nano if sign == "-" else nano)


def format_usd(nano: int) -> str:
    """Write nano-USD as decimal USD with all nine decimals, such as `4.998425000`."""
    whole, fraction = divmod(abs(nano), NANO_PER_USD)
    sign = "-" if nano < 0 else ""
    return f"{sign}{whole}.{fraction:09d}"


def nano_to_usd(nano: int) -> Decimal:
    """Convert nano-USD to exact USD."""
    return Decimal(nano).scaleb(-DECIMALS)


def usd_to_nano(usd: Decimal) -> int:
    """Round exact USD half-even to nano-USD.

    Raises:
        MoneyError: It is not finite or does not fit in 64 bits.
    """
    if not usd.is_finite():
        raise MoneyError("an amount must be finite")
    if usd.adjusted() > 12:
        raise MoneyError("an amount must fit in 64 bits")
    with localcontext(prec=PRECISION):
        return check_nano(int(usd.scaleb(DECIMALS).quantize(Decimal(1), ROUND_HALF_EVEN)))
