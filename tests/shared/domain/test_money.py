from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import (
    MAX_NANO,
    MIN_NANO,
    check_nano,
    format_usd,
    nano_to_usd,
    parse_usd,
    usd_to_nano,
)
from shared.errors import MoneyError

nanos = st.integers(MIN_NANO, MAX_NANO)


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("5", 5_000_000_000),
        ("+5", 5_000_000_000),
        ("0.05", 50_000_000),
        ("0.000000001", 1),
        ("1.0000000010000", 1_000_000_001),
        ("007.5", 7_500_000_000),
        ("9223372036.854775807", MAX_NANO),
    ],
)
def test_plain_decimals_are_read(text: str, nano: int) -> None:
    assert parse_usd(text) == nano


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        ".5",
        "5.",
        "1,5",
        "1_000",
        "1e3",
        "1E-3",
        "1e309",
        "NaN",
        "sNaN",
        "inf",
        "-Infinity",
        "0x10",
        "$5",
        "--5",
        "-5",
        "-0.1",
        "0.0000000001",
        "9223372036.854775808",
        "1" * 65,
        "\u0661",
        "\uff15",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        parse_usd(text)


@pytest.mark.parametrize("value", [5, 5.0, True, None, b"5", Decimal(5)])
def test_only_text_is_parsed(value: object) -> None:
    with pytest.raises(MoneyError):
        parse_usd(value)  # type: ignore[arg-type]


def test_negative_amounts_need_leave() -> None:
    assert parse_usd("-1.5", signed=True) == -1_500_000_000
    assert parse_usd("-9223372036.854775808", signed=True) == MIN_NANO


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.000000000"),
        (4_998_425_000, "4.998425000"),
        (-1, "-0.000000001"),
        (-1_500_000_000, "-1.500000000"),
    ],
)
def test_amounts_show_all_nine_decimals(nano: int, text: str) -> None:
    assert format_usd(nano) == text


@given(nanos)
def test_what_is_shown_reads_back(nano: int) -> None:
    assert parse_usd(format_usd(nano), signed=True) == nano


@given(nanos)
def test_usd_and_nano_convert_exactly(nano: int) -> None:
    assert usd_to_nano(nano_to_usd(nano)) == nano


@pytest.mark.parametrize(
    ("usd", "nano"),
    [("0.0000000005", 0), ("0.0000000015", 2), ("0.00000000050001", 1), ("-0.0000000015", -2)],
)
def test_rounding_is_half_even(usd: str, nano: int) -> None:
    assert usd_to_nano(Decimal(usd)) == nano


@pytest.mark.parametrize("usd", ["NaN", "sNaN", "Infinity", "-Infinity", "1e999999", "9223372037"])
def test_usd_that_is_no_amount_is_refused(usd: str) -> None:
    with pytest.raises(MoneyError):
        usd_to_nano(Decimal(usd))


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, MAX_NANO + 1, MIN_NANO - 1])
def test_only_64_bit_integers_are_amounts(value: object) -> None:
    with pytest.raises(MoneyError):
        check_nano(value)


def test_sign_is_checked_where_asked() -> None:
    assert check_nano(-5) == -5
    with pytest.raises(MoneyError):
        check_nano(-5, signed=False)
