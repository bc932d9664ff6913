from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.catalog.pricing import make_rates, read_price
from shared.catalog.section import Faults, Section
from shared.domain.pricing import Price, Rates

D = Decimal


def read(faults: Faults | None = None, **fields: Any) -> Price | None:
    return read_price(Section(fields, "pricing", faults or Faults({})), D(1))


@pytest.mark.parametrize(
    ("given", "rates"),
    [
        ({}, Rates(D(4), D(8), D(5), D(8), D(4))),
        ({"write_5m": D(4)}, Rates(D(4), D(8), D(4), D(8), D(4))),
        # An hour is never cheaper than five minutes.
        ({"write_5m": D(9)}, Rates(D(4), D(8), D(9), D(9), D(4))),
        ({"write_1h": D(1)}, Rates(D(4), D(8), D(5), D(1), D(4))),
        ({"hit": D("0.4")}, Rates(D(4), D(8), D(5), D(8), D("0.4"))),
        ({"search": D(10)}, Rates(D(4), D(8), D(5), D(8), D(4), D(10))),
    ],
)
def test_what_is_missing_is_never_too_cheap(given: dict[str, Decimal], rates: Rates) -> None:
    assert make_rates(D(4), D(8), **given) == rates


def test_tiers() -> None:
    price = read(
        input=D(1),
        output=D(2),
        webSearch=D(10),
        tiers=[
            {"aboveInputTokens": 500, "input": D(4), "output": D(8), "webSearch": D(11)},
            {"aboveInputTokens": 200, "input": D(2), "output": D(4), "cacheHit": D(1)},
        ],
    )
    assert price is not None
    assert [tier.above_input_tokens for tier in price.tiers] == [200, 500]
    assert price.tiers[0].rates == Rates(D(2), D(4), D("2.5"), D(4), D(1), D(10))
    assert price.tiers[1].rates.web_search == 11


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"input": 1}, "pricing.output"),
        ({"input": 1, "output": 2, "cacheWrite5m": 1}, "pricing.cacheWrite5m"),
        ({"input": 1, "output": D("1e-13")}, "pricing"),
        ({"input": 1, "output": 2, "tiers": [5]}, "pricing.tiers[0]"),
        (
            {
                "input": 1,
                "output": 2,
                "tiers": [{"aboveInputTokens": 9, "input": 1, "output": 2}] * 2,
            },
            "pricing.tiers",
        ),
    ],
)
def test_faults(fields: dict[str, Any], path: str) -> None:
    faults = Faults({})
    read(faults, **fields)
    assert [fault.path for fault in faults.found] == [path]
