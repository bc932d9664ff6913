from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shared.catalog.price_data import KNOWN_PROVIDERS, PriceData

D = Decimal
ONE = D(1)


@pytest.fixture(scope="module")
def prices() -> PriceData:
    return PriceData(datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "plain", "output"),
    [
        ("claude-sonnet-4-20250514", "3", "15"),
        ("anthropic/claude-sonnet-4-20250514", "3", "15"),
        ("litellm_proxy/anthropic/claude-sonnet-4-20250514", "3", "15"),
        ("gpt-4.1-mini", "0.4", "1.6"),
        ("GPT-4.1-mini", "0.4", "1.6"),
        ("gpt-4o-2024-05-13", "5", "15"),
    ],
)
def test_prices_by_name(prices: PriceData, name: str, plain: str, output: str) -> None:
    price = prices.price_of(name, ONE)
    assert price is not None
    assert (price.base.input, price.base.output) == (D(plain), D(output))


def test_names_without_a_price(prices: PriceData) -> None:
    assert prices.price_of("made-up", ONE) is None
    assert prices.price_of("", ONE) is None
    assert prices.context_window_of("made-up") is None


def test_all_buckets_and_tiers_are_taken_over(prices: PriceData) -> None:
    price = prices.price_of("claude-sonnet-4-5", D("1.1"))
    assert price is not None
    base, [tier] = price.base, price.tiers
    assert (base.cache_write_5m, base.cache_write_1h, base.cache_hit) == (D("3.75"), 6, D("0.3"))
    assert base.web_search == 10
    assert tier.above_input_tokens == 200_000
    assert (tier.rates.input, tier.rates.output) == (6, D("22.5"))
    assert tier.rates.web_search == 10
    assert price.multiplier == D("1.1")


def test_prices_that_change_with_the_hour_are_taken_at_their_dearest() -> None:
    found = {
        price.version
        for hour in range(0, 24, 5)
        if (
            price := PriceData(datetime(2026, 11, 1, hour, tzinfo=UTC)).price_of(
                "deepseek-chat", ONE
            )
        )
    }
    assert len(found) == 1


def test_known_models_are_priced_and_told_apart(prices: PriceData) -> None:
    names = [name for known in prices.known_models() for name in known.names]
    assert len(names) > 100
    assert len(names) == len(set(names))
    assert {"claude-haiku-4-5", "gpt-4.1-mini", "gpt-5"} <= set(names)
    assert not any("tts" in name or "image" in name or "/" in name for name in names)
    assert KNOWN_PROVIDERS == ("anthropic", "openai")
    for known in prices.known_models():
        assert known.price.base.output > 0


def test_stems_of_dated_snapshots(prices: PriceData) -> None:
    stems = {stem: known.names for known in prices.known_models() for stem in known.stems}
    assert "claude-haiku-4-5" in stems["claude-haiku-4-5"]
    assert "claude-3-5-haiku-latest" in stems["claude-3-5-haiku"]
    # All its snapshots have names of their own, at prices of their own.
    assert "gpt-4o" not in stems
