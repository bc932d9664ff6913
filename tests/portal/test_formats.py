from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from flask_babel import force_locale

from portal import formats

WHEN = datetime(2026, 3, 14, 22, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _reader(app):
    with app.test_request_context(headers={"Cookie": "tz=Asia/Ho_Chi_Minh"}):
        yield


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (1, "<$0.0001"),
        (123_456, "$0.0001"),
        (29_600_000, "$0.0296"),
        (573_400_000, "$0.57"),
        (1_005_000_000, "$1.00"),
        (1_234_567_890_123, "$1,234.57"),
        (-2_500_000_000, "-$2.50"),
    ],
)
def test_friendly_money(nano, text):
    assert formats.friendly_usd(nano) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [(1, "$0.000000001"), (12_363_750, "$0.01236375"), (5_000_000_000, "$5.00")],
)
def test_exact_money(nano, text):
    assert formats.exact_usd(nano) == text


def test_costs_in_a_column_line_up():
    assert [formats.cell_usd(nano) for nano in (0, 99, 1_500_000_000)] == [
        "$0.0000",
        "<$0.0001",
        "$1.5000",
    ]


def test_rates_lose_no_digit():
    assert formats.rate_usd(Decimal("0.02625")) == "$0.02625"
    assert formats.rate_usd(Decimal(3)) == "$3.00"


def test_money_is_written_as_the_language_does():
    with force_locale("vi"):
        assert formats.exact_usd(1_234_500_000_001).replace("\xa0", " ") == "1.234,500000001 US$"


def test_times_are_in_the_readers_zone():
    assert formats.zone_name() == "Asia/Ho_Chi_Minh"
    assert formats.recent(WHEN).replace("\u202f", " ") == "Mar 15, 5:05 AM"
    assert formats.day(WHEN) == "Mar 15, 2026"
    assert formats.day(WHEN.date()) == "Mar 14, 2026"
    assert "5:05" in formats.moment(WHEN)
    assert formats.moment(None) == ""


@pytest.mark.parametrize(
    ("duration", "text"),
    [(None, formats.NOTHING), (999, "999 ms"), (1_250, "1.2 s"), (72_000, "72.0 s")],
)
def test_durations(duration, text):
    assert formats.milliseconds(duration) == text


def test_a_multiplier_keeps_its_decimals():
    assert formats.factor(Decimal("1.05")) == "1.05"
    assert formats.factor(Decimal(1)) == "1"
