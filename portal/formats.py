"""Money, numbers and times as people read them, in their language and time zone."""

from __future__ import annotations

import copy
from datetime import date, datetime
from decimal import Decimal

from babel import Locale
from babel.dates import format_date as format_plain_date
from babel.dates import format_skeleton
from babel.dates import format_time as format_plain_time
from flask_babel import (
    format_date,
    format_datetime,
    format_decimal,
    get_locale,
    get_timezone,
    to_user_timezone,
)

from shared.domain.money import DECIMALS, format_usd, nano_to_usd

NOTHING = "\N{EN DASH}"
_DUST = Decimal("0.0001")
_SMALL = Decimal("0.1")


def money(amount: Decimal, digits: tuple[int, int], locale: Locale) -> str:
    """USD with between `digits[0]` and `digits[1]` decimals, in the order `locale` writes it."""
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = digits
    return str(pattern.apply(amount, locale, currency="USD", currency_digits=False))


def friendly_usd(amount_nano: int) -> str:
    """Rounded for an overview: cents, and four decimals below ten cents."""
    amount = nano_to_usd(amount_nano)
    digits = (2, 2) if abs(amount) >= _SMALL or amount == 0 else (2, 4)
    return _dust(amount) or money(amount, digits, _locale())


def cell_usd(amount_nano: int) -> str:
    """With four decimals always, so that a column of costs lines up."""
    amount = nano_to_usd(amount_nano)
    return _dust(amount) or money(amount, (4, 4), _locale())


def exact_usd(amount_nano: int) -> str:
    """To the last nano-dollar, for receipts and statements."""
    return money(nano_to_usd(amount_nano), (2, DECIMALS), _locale())


def rate_usd(amount: Decimal) -> str:
    """A price, exact."""
    return money(amount, (2, 12), _locale())


def whole(number: int) -> str:
    """An integer with the language's grouping."""
    return str(format_decimal(number))


def moment(time: datetime | None, form: str = "medium") -> str:
    """A UTC time in the reader's zone; empty for None."""
    return "" if time is None else str(format_datetime(time, form))


def recent(time: datetime) -> str:
    """A UTC time of the last months in the reader's zone: day and minute, without the year."""
    local = to_user_timezone(time)
    clock = format_plain_time(local, "short", locale=_locale())
    return f"{short_day(local)}, {clock}"


def day(value: date) -> str:
    """A date; of a UTC time the date it has in the reader's zone."""
    if isinstance(value, datetime):
        return str(format_date(value))
    return format_plain_date(value, "medium", locale=_locale())


def short_day(value: date) -> str:
    """A date without its year, for an axis."""
    return format_skeleton("MMMd", value, locale=_locale())


def factor(number: Decimal) -> str:
    """A number with as many decimals as it has."""
    return str(format_decimal(number, format="#,##0.############"))


def zone_name() -> str:
    """Time zone that times are shown in, such as `Asia/Ho_Chi_Minh`."""
    return str(get_timezone())


def milliseconds(duration_ms: int | None) -> str:
    """A duration: milliseconds below a second, else seconds."""
    if duration_ms is None:
        return NOTHING
    if duration_ms < 1_000:
        return f"{whole(duration_ms)} ms"
    return f"{format_decimal(Decimal(duration_ms) / 1000, format='#,##0.0')} s"


def _dust(amount: Decimal) -> str | None:
    """What is more than nothing must not look like nothing."""
    return f"<{money(_DUST, (4, 4), _locale())}" if 0 < amount < _DUST else None


def _locale() -> Locale:
    return get_locale() or Locale("en")


FILTERS = {
    "usd": friendly_usd,
    "usd_cell": cell_usd,
    "usd_exact": exact_usd,
    "usd_rate": rate_usd,
    "usd_text": format_usd,
    "whole": whole,
    "moment": moment,
    "day": day,
    "recent": recent,
    "factor": factor,
    "milliseconds": milliseconds,
}
