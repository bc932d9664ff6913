"""Prices, names and context windows from the pinned genai-prices data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.metadata import version

from genai_prices import data
from genai_prices.types import (
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    Provider,
    TieredPrices,
    TimeOfDateConstraint,
)

from shared.catalog.pricing import make_rates
from shared.domain.pricing import Price, PriceTier, Rates, make_price

# Whose models are known without being written down, in the order in which they are searched.
KNOWN_PROVIDERS = ("anthropic", "openai")
_SEARCHED = (*KNOWN_PROVIDERS, "google", "x-ai", "deepseek", "mistral", "moonshotai", "zai")

# Prices per token of text; a model that is priced by anything else is not known by itself.
_TEXT_UNITS = frozenset(
    {
        "input_mtok",
        "output_mtok",
        "cache_read_mtok",
        "cache_write_mtok",
        "cache_write_1h_mtok",
        "web_searches_kcount",
        "storage_searches_kcount",
    }
)
_NO_CHAT = re.compile(r"image|audio|realtime|tts|transcribe|instruct|search|moderation|^ft:")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*[a-z0-9]")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that the price data names.

    Attributes:
        names: What clients may call it.
        stems: Names that a dated snapshot (`-20250514`, `-2025-04-14`) may begin with.
        price: Its price with multiplier 1.
        context_window: Tokens, if known.
    """

    names: tuple[str, ...]
    stems: tuple[str, ...]
    price: Price
    context_window: int | None


class PriceData:
    """The pinned data as it stands on one day.

    Args:
        now: When; prices that change with the hour of the day are taken at their dearest.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._providers = {provider.id: provider for provider in data.providers}
        self._source = f"genai-prices {version('genai-prices')}"

    def price_of(self, name: str, multiplier: Decimal) -> Price | None:
        """Price of a model by any of its names, or as `provider/name`."""
        info = self._find(name)
        return None if info is None else self._price(info, multiplier)

    def context_window_of(self, name: str) -> int | None:
        """Context window of a model by any of its names."""
        info = self._find(name)
        return None if info is None else info.context_window

    def known_models(self) -> Iterator[KnownModel]:
        """Chat models that are known without being written down."""
        for provider_id in KNOWN_PROVIDERS:
            provider = self._providers[provider_id]
            for info in provider.models:
                known = self._known(provider, info)
                if known is not None:
                    yield known

    def _known(self, provider: Provider, info: ModelInfo) -> KnownModel | None:
        if _NO_CHAT.search(info.id) or not self._units(info) <= _TEXT_UNITS:
            return None
        price = self._price(info, Decimal(1))
        if price is None:
            return None
        clauses = list(_clauses(info.match))
        exact = [info.id, *(c.equals for c in clauses if isinstance(c, ClauseEquals))]
        begun = [c.starts_with for c in clauses if isinstance(c, ClauseStartsWith)]
        names = tuple(n for n in dict.fromkeys(exact) if _is_chat_name(n))
        stems = tuple(
            stem
            for stem in dict.fromkeys([*exact, *begun])
            if _is_chat_name(stem) and provider.find_model(f"{stem}-20250102") is info
        )
        return KnownModel(names, stems, price, info.context_window)

    def _find(self, name: str) -> ModelInfo | None:
        plain = name.rpartition("/")[2]
        for provider_id in _SEARCHED:
            info = self._providers[provider_id].find_model(plain)
            if info is not None and info.prices:
                return info
        return None

    def _price(self, info: ModelInfo, multiplier: Decimal) -> Price | None:
        prices = self._in_force(info)
        starts = sorted({start for price in prices for start in _starts(price)})
        base = _dearest(prices, 0)
        if base is None:
            return None
        tiers = [(start, _dearest(prices, start + 1)) for start in starts]
        steps = tuple(PriceTier(start, rates) for start, rates in tiers if rates is not None)
        return make_price(base, steps, multiplier, self._source)

    def _in_force(self, info: ModelInfo) -> list[ModelPrice]:
        if not isinstance(info.prices, list) or not any(_by_the_hour(p) for p in info.prices):
            return [info.get_prices(self._now)]
        day = [self._now + timedelta(minutes=30 * step) for step in range(48)]
        return [info.get_prices(moment) for moment in day]

    def _units(self, info: ModelInfo) -> set[str]:
        prices = info.get_prices(self._now)
        return {unit for unit, price in vars(prices).items() if price is not None}


def _by_the_hour(price: ConditionalPrice) -> bool:
    return isinstance(price.constraint, TimeOfDateConstraint)


def _clauses(match: MatchLogic) -> Iterator[MatchLogic]:
    if isinstance(match, ClauseOr):
        for part in match.or_:
            yield from _clauses(part)
    else:
        yield match


def _is_chat_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _NO_CHAT.search(name) is None


def _starts(price: ModelPrice) -> Iterator[int]:
    for value in vars(price).values():
        if isinstance(value, TieredPrices):
            yield from (tier.start for tier in value.tiers)


def _dearest(prices: list[ModelPrice], input_tokens: int) -> Rates | None:
    """Rates for a request of that much input, the highest of all prices in force."""

    def rate(unit: str) -> Decimal | None:
        found = [_rate(getattr(price, unit, None), input_tokens) for price in prices]
        return max((r for r in found if r is not None), default=None)

    plain, output = rate("input_mtok"), rate("output_mtok")
    if plain is None or output is None:
        return None
    return make_rates(
        plain,
        output,
        write_5m=rate("cache_write_mtok"),
        write_1h=rate("cache_write_1h_mtok"),
        hit=rate("cache_read_mtok"),
        search=rate("web_searches_kcount"),
    )


def _rate(price: Decimal | TieredPrices | None, input_tokens: int) -> Decimal | None:
    if not isinstance(price, TieredPrices):
        return price
    rate = price.base
    for tier in price.tiers:
        if input_tokens > tier.start:
            rate = tier.price
    return rate
