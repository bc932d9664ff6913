from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.pricing import (
    UNLIMITED_TOKENS,
    Price,
    PriceTier,
    Rates,
    affordable_tokens,
    bound_nano,
    cost_nano,
    explain,
    make_price,
    price_from_document,
    price_to_document,
)
from shared.domain.usage import Usage
from shared.errors import MoneyError

D = Decimal
SONNET = Rates(D("3.0"), D("15.0"), D("3.75"), D("6.0"), D("0.30"), D("10"))
DEAR = Rates(D("6.0"), D("22.5"), D("7.5"), D("12.0"), D("0.60"), D("10"))
SEED = make_price(SONNET, multiplier=D("1.05"))
TIERED = make_price(SONNET, (PriceTier(200_000, DEAR),))

rates = st.decimals(0, 200, places=6)
tokens = st.integers(0, 2_000_000)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    def one() -> Rates:
        return Rates(*(draw(rates) for _ in range(6)))

    tiers = tuple(PriceTier(at, one()) for at in draw(st.lists(tokens, max_size=2, unique=True)))
    return make_price(one(), tiers, draw(st.decimals(0, 10, places=4)))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    return Usage(*(draw(tokens) for _ in range(5)), web_searches=draw(st.integers(0, 20)))


@pytest.mark.parametrize(
    ("usage", "price", "nano"),
    [
        (Usage(), SEED, 0),
        (Usage(input=1000, output=500), SEED, 11_025_000),
        (Usage(input=1), SEED, 3150),
        (Usage(cache_write_5m=4, cache_write_1h=2, cache_hit=100), SEED, 59_850),
        (Usage(input=200_000), TIERED, 600_000_000),
        (Usage(input=200_001), TIERED, 1_200_006_000),
        (Usage(cache_hit=200_000, input=1, output=10), TIERED, 120_231_000),
        (Usage(output=300_000), TIERED, 4_500_000_000),
        (Usage(web_searches=3), SEED, 31_500_000),
        (Usage(output=100, reasoning=90), SEED, 1_575_000),
    ],
)
def test_cost(usage: Usage, price: Price, nano: int) -> None:
    assert cost_nano(usage, price) == nano


def test_halves_go_to_the_even_neighbour_once() -> None:
    # Half a nano for each of input and output: rounded apart they would be 0 and 0.
    half = D("0.0005")
    price = make_price(Rates(half, half, half, half, half))
    assert cost_nano(Usage(input=1), price) == 0
    assert cost_nano(Usage(input=1, output=1), price) == 1
    assert cost_nano(Usage(input=3), price) == 2


def test_a_search_without_a_price_is_not_charged() -> None:
    assert cost_nano(Usage(web_searches=3), make_price(replace(SONNET, web_search=None))) == 0


@given(usages(), prices())
def test_cost_is_exact(usage: Usage, price: Price) -> None:
    chosen = price.base
    for tier in price.tiers:
        if usage.total_input > tier.above_input_tokens:
            chosen = tier.rates
    pairs = [
        (usage.input, chosen.input),
        (usage.output, chosen.output),
        (usage.cache_write_5m, chosen.cache_write_5m),
        (usage.cache_write_1h, chosen.cache_write_1h),
        (usage.cache_hit, chosen.cache_hit),
        (usage.web_searches * 1000, chosen.web_search or D(0)),
    ]
    nano = sum(count * Fraction(rate) * 1000 for count, rate in pairs)
    # round() of a Fraction is half-even.
    assert cost_nano(usage, price) == round(nano * Fraction(price.multiplier))


@given(usages(), prices(), st.integers(1, 8))
def test_the_bound_covers_whatever_is_used(usage: Usage, price: Price, choices: int) -> None:
    bound = bound_nano(usage.total_input, usage.output, choices, price, usage.web_searches)
    each = replace(usage, output=usage.output * choices)
    assert bound >= cost_nano(each, price)
    assert bound >= 1


@given(prices(), tokens, st.integers(1, 8), st.integers(0, 10**12))
def test_affordable_tokens_is_the_largest(
    price: Price, input_tokens: int, choices: int, free: int
) -> None:
    most = affordable_tokens(free, input_tokens, choices, price)
    if most == 0:
        assert bound_nano(input_tokens, 1, choices, price) > free
    else:
        assert bound_nano(input_tokens, most, choices, price) <= free
        if most < UNLIMITED_TOKENS:
            assert bound_nano(input_tokens, most + 1, choices, price) > free


def test_free_output_is_not_limited_by_money() -> None:
    free = make_price(Rates(D(1), D(0), D(1), D(1), D(1)))
    assert affordable_tokens(1_000_000, 100, 1, free) == UNLIMITED_TOKENS
    assert affordable_tokens(1, 100, 1, free) == 0


def test_a_bound_is_never_nothing() -> None:
    nothing = D(0)
    price = make_price(Rates(nothing, nothing, nothing, nothing, nothing))
    assert bound_nano(10, 10, 1, price) == 1


def test_a_bound_counts_input_at_the_dearest_input_rate() -> None:
    assert bound_nano(1000, 100, 1, TIERED) == 1000 * 6000 + 100 * 15000
    assert bound_nano(300_000, 100, 2, TIERED) == 2 * (300_000 * 12_000 + 100 * 22_500)


@given(usages(), prices())
def test_receipt_lines_add_up(usage: Usage, price: Price) -> None:
    lines = explain(usage, price)
    exact = sum((Fraction(line.cost_usd) for line in lines), Fraction(0))
    assert round(exact * Fraction(price.multiplier) * 10**9) == cost_nano(usage, price)
    assert all(Fraction(x.cost_usd) == x.count * Fraction(x.rate) / x.per for x in lines)


def test_receipt_leaves_empty_buckets_out() -> None:
    lines = explain(Usage(input=1000, cache_hit=10), SEED)
    assert [(x.bucket, x.count, x.rate) for x in lines] == [
        ("input", 1000, D("3.0")),
        ("cacheHit", 10, D("0.30")),
    ]


@given(prices())
def test_documents_keep_the_price_and_its_version(price: Price) -> None:
    back = price_from_document({"_id": price.version, "model": "m", **price_to_document(price)})
    assert back == price


def test_a_changed_document_no_longer_answers_to_its_version() -> None:
    document = price_to_document(SEED)
    document["multiplier"] = "1"
    assert price_from_document(document).version != SEED.version


def test_a_version_names_the_content_not_its_spelling() -> None:
    same = make_price(replace(SONNET, input=D("3.000")), multiplier=D("1.050"))
    assert same.version == SEED.version
    assert make_price(SONNET, source="elsewhere", multiplier=D("1.05")).version != SEED.version
    assert make_price(replace(SONNET, web_search=None)).version != make_price(SONNET).version


def test_tiers_are_put_in_order() -> None:
    up, down = PriceTier(1, SONNET), PriceTier(2, DEAR)
    assert make_price(SONNET, (down, up)).tiers == (up, down)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1", "1e7", "1e-13"])
def test_unusable_rates_are_refused(bad: str) -> None:
    with pytest.raises(MoneyError):
        make_price(replace(SONNET, output=D(bad)))
    with pytest.raises(MoneyError):
        make_price(SONNET, multiplier=D(bad))


def test_a_document_without_numbers_is_refused() -> None:
    document = price_to_document(SEED)
    document["multiplier"] = "much"
    with pytest.raises(MoneyError):
        price_from_document(document)
