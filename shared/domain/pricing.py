"""Prices and the exact cost of a request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation, localcontext
from typing import Any

from shared.domain.money import DECIMALS, PRECISION, check_nano, nano_to_usd, usd_to_nano
from shared.domain.usage import Usage
from shared.errors import MoneyError

UNLIMITED_TOKENS = 2**53
MAX_RATE = Decimal(1_000_000)
MAX_RATE_DECIMALS = 12

_RATE_NAMES = (
    "input",
    "output",
    "cache_write_5m",
    "cache_write_1h",
    "cache_hit",
    "web_search",
)


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens; `web_search` is USD per thousand searches.

    None means that there is no price: what would need it is refused.
    """

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_hit: Decimal
    web_search: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Rates of a whole request whose total input exceeds `above_input_tokens`."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Price:
    """A versioned price of one model.

    Attributes:
        version: Hash of everything below; a charge names it, so that it can be recomputed.
        base: Rates below the first tier.
        tiers: Ascending by threshold.
        multiplier: Applied to the whole cost.
        source: Where it came from, such as `config` or `genai-prices 0.2.3`.
    """

    version: str
    base: Rates
    tiers: tuple[PriceTier, ...]
    multiplier: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One line of a bill: `cost_usd` is exactly `count * rate / per`, before the multiplier.

    Attributes:
        bucket: Field of `request_logs.usage`, such as `cacheWrite5m`.
        count: Tokens, or requests for `webSearches`.
        rate: USD per `per` of them.
        per: 1,000,000 for tokens, 1,000 for requests.
        cost_usd: Exact.
    """

    bucket: str
    count: int
    rate: Decimal
    per: int
    cost_usd: Decimal


def make_price(
    base: Rates,
    tiers: Sequence[PriceTier] = (),
    multiplier: Decimal = Decimal(1),
    source: str = "config",
) -> Price:
    """Build a price and name it by the hash of its content.

    Equal content has an equal version, however its decimals were written (`3` and `3.00`).

    Raises:
        MoneyError: A rate or the multiplier is negative, not finite, or absurdly long.
    """
    ordered = tuple(sorted(tiers, key=lambda tier: tier.above_input_tokens))
    for rates in (base, *(tier.rates for tier in ordered)):
        for name in _RATE_NAMES:
            _check_rate(getattr(rates, name), name)
    _check_rate(multiplier, "multiplier")
    unnamed = Price("", base, ordered, multiplier, source)
    return replace(unnamed, version=_hash(price_to_document(unnamed)))


def rates_for(usage: Usage, price: Price) -> Rates:
    """Rates of the whole request: its total input, cached or not, decides the tier."""
    chosen = price.base
    for tier in price.tiers:
        if usage.total_input > tier.above_input_tokens:
            chosen = tier.rates
    return chosen


def explain(usage: Usage, price: Price) -> list[ReceiptLine]:
    """Split the cost of a request into its lines, buckets that are 0 left out.

    The total is `sum(line.cost_usd) * price.multiplier`, rounded once: see `cost_nano`.
    A search without a price is not charged; requests that could search are refused before.
    """
    rates = rates_for(usage, price)
    counts = (
        ("input", usage.input, rates.input, 1_000_000),
        ("output", usage.output, rates.output, 1_000_000),
        ("cacheWrite5m", usage.cache_write_5m, rates.cache_write_5m, 1_000_000),
        ("cacheWrite1h", usage.cache_write_1h, rates.cache_write_1h, 1_000_000),
        ("cacheHit", usage.cache_hit, rates.cache_hit, 1_000_000),
        ("webSearches", usage.web_searches, rates.web_search or Decimal(0), 1_000),
    )
    with localcontext(prec=PRECISION):
        return [
            ReceiptLine(bucket, count, rate, per, count * rate / per)
            for bucket, count, rate, per in counts
            if count
        ]


def cost_nano(usage: Usage, price: Price) -> int:
    """Exact cost of a request in nano-USD, rounded half-even once.

    Raises:
        MoneyError: It does not fit in 64 bits.
    """
    rates = rates_for(usage, price)
    with localcontext(prec=PRECISION):
        tokens = (
            usage.input * rates.input
            + usage.output * rates.output
            + usage.cache_write_5m * rates.cache_write_5m
            + usage.cache_write_1h * rates.cache_write_1h
            + usage.cache_hit * rates.cache_hit
        )
        searches = usage.web_searches * (rates.web_search or Decimal(0))
        return usd_to_nano((tokens / 1_000_000 + searches / 1_000) * price.multiplier)


def bound_nano(
    input_tokens: int, max_tokens: int, choices: int, price: Price, web_searches: int = 0
) -> int:
    """Upper bound of what a request can cost, nano-USD, at least 1.

    Every input token is taken at the dearest input rate (uncached, written to either cache or
    read from one), every output token at the output rate, in the dearest tier that
    `input_tokens` can reach, `choices` times.

    Args:
        input_tokens: Upper bound of the input.
        max_tokens: Upper bound of the output of one choice.
        choices: Answers asked for (`n`).
        price: What it is priced by.
        web_searches: Upper bound of server-side searches.

    Raises:
        MoneyError: It does not fit in 64 bits.
    """
    with localcontext(prec=PRECISION):
        dearest = _dearest(input_tokens, price)
        tokens = input_tokens * dearest.input + max_tokens * dearest.output
        searches = web_searches * (dearest.web_search or Decimal(0))
        usd = (choices * tokens / 1_000_000 + searches / 1_000) * price.multiplier
        return max(1, check_nano(int(usd.scaleb(DECIMALS).to_integral_value(ROUND_CEILING))))


def affordable_tokens(
    free_nano: int, input_tokens: int, choices: int, price: Price, web_searches: int = 0
) -> int:
    """Largest `max_tokens` whose `bound_nano` does not exceed `free_nano`; 0 if there is none.

    Where output is free of charge it is `UNLIMITED_TOKENS`.
    """
    if bound_nano(input_tokens, 0, choices, price, web_searches) > free_nano:
        return 0
    with localcontext(prec=PRECISION):
        dearest = _dearest(input_tokens, price)
        fixed = choices * input_tokens * dearest.input / 1_000_000
        fixed += web_searches * (dearest.web_search or Decimal(0)) / 1_000
        per_token = choices * dearest.output * price.multiplier / 1_000_000
        if not per_token:
            return UNLIMITED_TOKENS
        left = nano_to_usd(free_nano) - fixed * price.multiplier
        return min(UNLIMITED_TOKENS, int((left / per_token).to_integral_value(ROUND_FLOOR)))


def price_to_document(price: Price) -> dict[str, Any]:
    """Shape of a row of `prices`, less `_id`, `model` and `createdAt`; decimals are strings."""
    return {
        "base": _rates_to_document(price.base),
        "tiers": [
            {
                "aboveInputTokens": tier.above_input_tokens,
                "rates": _rates_to_document(tier.rates),
            }
            for tier in price.tiers
        ],
        "multiplier": _plain(price.multiplier),
        "source": price.source,
    }


def price_from_document(document: Mapping[str, Any]) -> Price:
    """Inverse of `price_to_document`; other keys, `_id` among them, are ignored.

    The version is computed again, so that a row whose content was changed no longer answers to
    its own name.

    Raises:
        MoneyError: A decimal in it is unusable.
    """
    return make_price(
        _rates_from_document(document["base"]),
        tuple(
            PriceTier(int(tier["aboveInputTokens"]), _rates_from_document(tier["rates"]))
            for tier in document["tiers"]
        ),
        _decimal(document["multiplier"]),
        str(document["source"]),
    )


def _dearest(input_tokens: int, price: Price) -> Rates:
    """One set of rates none of which is below what any reachable tier asks; input covers caches."""
    reachable = [price.base]
    reachable += [t.rates for t in price.tiers if input_tokens > t.above_input_tokens]
    dearest_input = max(
        max(r.input, r.cache_write_5m, r.cache_write_1h, r.cache_hit) for r in reachable
    )
    output = max(r.output for r in reachable)
    search = max(r.web_search or Decimal(0) for r in reachable)
    return replace(price.base, input=dearest_input, output=output, web_search=search)


def _rates_to_document(rates: Rates) -> dict[str, str | None]:
    return {
        "input": _plain(rates.input),
        "output": _plain(rates.output),
        "cacheWrite5m": _plain(rates.cache_write_5m),
        "cacheWrite1h": _plain(rates.cache_write_1h),
        "cacheHit": _plain(rates.cache_hit),
        "webSearch": None if rates.web_search is None else _plain(rates.web_search),
    }


def _rates_from_document(document: Mapping[str, Any]) -> Rates:
    search = document.get("webSearch")
    return Rates(
        input=_decimal(document["input"]),
        output=_decimal(document["output"]),
        cache_write_5m=_decimal(document["cacheWrite5m"]),
        cache_write_1h=_decimal(document["cacheWrite1h"]),
        cache_hit=_decimal(document["cacheHit"]),
        web_search=None if search is None else _decimal(search),
    )


def _decimal(text: object) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        raise MoneyError(f"{text!r} is no decimal") from None


def _plain(value: Decimal) -> str:
    """One spelling for each value: no exponent, no trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _check_rate(rate: Decimal | None, name: str) -> None:
    if rate is None:
        return
    if not rate.is_finite() or rate < 0:
        raise MoneyError(f"{name} must be a finite number, 0 or more")
    if rate >= MAX_RATE or rate != round(rate, MAX_RATE_DECIMALS):
        raise MoneyError(f"{name} must be under {MAX_RATE} with at most 12 decimals")


def _hash(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return "price_" + hashlib.sha256(canonical.encode()).hexdigest()[:24]
