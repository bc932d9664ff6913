"""Models and what they cost, as a visitor reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.catalog import Catalog, Dialect, Model
from shared.domain.pricing import Price, Rates

NO_MODEL = "MODEL"


@dataclass(frozen=True, slots=True)
class PricedModel:
    """A model of the price list: rates with the multiplier in, None if it has no price."""

    id: str
    context_window: int
    rates: Rates | None
    tiered: bool


def price_list(catalog: Catalog) -> list[PricedModel]:
    """Listed models by name."""
    listed = sorted((m for m in catalog.models.values() if m.listed), key=lambda m: m.id)
    return [_priced(model) for model in listed]


def charged_rates(price: Price) -> Rates:
    """Base rates times the multiplier, exact: what a million tokens really cost."""
    base, factor = price.base, price.multiplier
    return replace(
        base,
        input=base.input * factor,
        output=base.output * factor,
        cache_write_5m=base.cache_write_5m * factor,
        cache_write_1h=base.cache_write_1h * factor,
        cache_hit=base.cache_hit * factor,
        web_search=None if base.web_search is None else base.web_search * factor,
    )


def example_model(catalog: Catalog, dialect: Dialect) -> str:
    """A priced model of this dialect, else any priced one: the gateway translates."""
    priced = sorted(m.id for m in catalog.models.values() if m.listed and m.price)
    native = [name for name in priced if catalog.models[name].dialect == dialect]
    return next(iter(native + priced), NO_MODEL)


def _priced(model: Model) -> PricedModel:
    price = model.price
    rates = None if price is None else charged_rates(price)
    return PricedModel(model.id, model.context_window, rates, bool(price and price.tiers))
