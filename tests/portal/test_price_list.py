from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from portal.price_list import NO_MODEL, charged_rates, example_model, price_list
from shared.domain.catalog import Catalog, Dialect
from tests.support.portal import CATALOG, PRICE


def test_listed_models_by_name_with_what_is_charged():
    listed = price_list(CATALOG)
    assert [model.id for model in listed] == ["claude-sonnet-4-20250514", "gpt-5-mini", "unpriced"]
    assert listed[0].rates.input == Decimal("3.15")
    assert listed[2].rates is None


def test_the_multiplier_is_in_every_rate():
    rates = charged_rates(replace(PRICE, base=replace(PRICE.base, web_search=Decimal(10))))
    assert (rates.output, rates.cache_write_5m, rates.cache_write_1h) == (
        Decimal("15.75"),
        Decimal("3.9375"),
        Decimal("6.30"),
    )
    assert (rates.cache_hit, rates.web_search) == (Decimal("0.315"), Decimal("10.5"))


def test_an_example_speaks_the_dialect_if_any_does():
    assert example_model(CATALOG, Dialect.OPENAI) == "gpt-5-mini"
    assert example_model(CATALOG, Dialect.ANTHROPIC) == "claude-sonnet-4-20250514"
    only = Catalog({"gpt-5-mini": CATALOG.models["gpt-5-mini"]}, {}, {})
    assert example_model(only, Dialect.ANTHROPIC) == "gpt-5-mini"
    assert example_model(Catalog({}, {}, {}), Dialect.OPENAI) == NO_MODEL
