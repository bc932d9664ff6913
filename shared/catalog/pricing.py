"""Prices of config.json."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from shared.catalog.section import Section
from shared.domain.pricing import Price, PriceTier, Rates, make_price
from shared.errors import MoneyError

WRITE_5M_FACTOR = Decimal("1.25")
WRITE_1H_FACTOR = Decimal(2)

_RATES = ("input", "output", "cacheWrite", "cacheWrite1h", "cacheHit", "webSearch")


def make_rates(
    plain: Decimal,
    output: Decimal,
    *,
    write_5m: Decimal | None = None,
    write_1h: Decimal | None = None,
    hit: Decimal | None = None,
    search: Decimal | None = None,
) -> Rates:
    """Rates with what is missing filled in so that nothing is charged too little.

    A 5-minute cache write is taken at 1.25 times the input price and a 1-hour one at twice the
    input price (Anthropic's own factors, the highest in use), each at least as dear as the
    shorter one; a cache hit at the full input price. A web search stays without a price.
    """
    short = plain * WRITE_5M_FACTOR if write_5m is None else write_5m
    long = max(plain * WRITE_1H_FACTOR, short) if write_1h is None else write_1h
    return Rates(
        input=plain,
        output=output,
        cache_write_5m=short,
        cache_write_1h=long,
        cache_hit=plain if hit is None else hit,
        web_search=search,
    )


def read_price(section: Section, multiplier: Decimal) -> Price | None:
    """The price of a `pricing` object: USD per million tokens, `webSearch` per thousand.

    Returns:
        The price, None after a fault.
    """
    section.known(*_RATES, "tiers")
    base = _rates(section)
    tiers = [_tier(tier, base) for tier in section.sections("tiers")]
    if base is None or None in tiers:
        return None
    found = [tier for tier in tiers if tier is not None]
    if len({tier.above_input_tokens for tier in found}) < len(found):
        section.fault("tiers", "two tiers begin at the same number of tokens")
    return priced(section, base, tuple(found), multiplier)


def priced(
    section: Section, base: Rates, tiers: tuple[PriceTier, ...], multiplier: Decimal
) -> Price | None:
    """`make_price`, with what it refuses as a fault."""
    try:
        return make_price(base, tiers, multiplier, "config")
    except MoneyError as error:
        section.faults.add(section.path, str(error))
        return None


def _tier(section: Section, base: Rates | None) -> PriceTier | None:
    section.known("aboveInputTokens", *_RATES)
    above = section.integer("aboveInputTokens", None, 1, 10**9)
    if above is None and "aboveInputTokens" not in section.fields:
        section.fault("aboveInputTokens", "is missing")
    rates = _rates(section)
    if above is None or rates is None:
        return None
    if rates.web_search is None and base is not None:
        rates = replace(rates, web_search=base.web_search)
    return PriceTier(above, rates)


def _rates(section: Section) -> Rates | None:
    plain = section.number("input", required=True)
    output = section.number("output", required=True)
    write_5m, write_1h, hit, search = (section.number(name) for name in _RATES[2:])
    if plain is None or output is None:
        return None
    return make_rates(plain, output, write_5m=write_5m, write_1h=write_1h, hit=hit, search=search)
