"""Prices and the exact cost of a request."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


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
