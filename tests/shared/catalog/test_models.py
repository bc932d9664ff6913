from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.catalog.models import ModelReader
from shared.catalog.price_data import PriceData
from shared.catalog.section import Faults, Section
from shared.domain.catalog import Dialect, Fallback, Model, Route, Upstream

UPSTREAMS = {
    name: Upstream(name, dialect, "http", "x", 80)
    for name, dialect in (("a", Dialect.ANTHROPIC), ("o", Dialect.OPENAI))
}
PRICES = PriceData(datetime(2026, 11, 1, tzinfo=UTC))


def read(
    *models: dict[str, Any], routes: tuple[Route, ...] = ()
) -> tuple[list[Model], list[str], list[str]]:
    faults = Faults({})
    reader = ModelReader(UPSTREAMS, PRICES)
    found = reader.models(Section({"models": list(models)}, "", faults), routes)
    return found, [fault.path for fault in faults.found], reader.notes


def test_everything_that_can_be_said_of_a_model() -> None:
    [model], faults, notes = read(
        {
            "id": "m",
            "type": "openai",
            "upstream": "a",
            "aliases": ["x", "y"],
            "upstreamModel": "far/m",
            "fallbacks": [{"upstream": "o", "model": "m2"}],
            "maxOutputTokens": 10,
            "contextWindow": 20,
            "pricing": {"input": 1, "output": 2},
            "billingMultiplier": 2,
        }
    )
    assert (faults, notes) == ([], [])
    assert (model.dialect, model.upstream, model.upstream_model) == (Dialect.OPENAI, "a", "far/m")
    assert (model.aliases, model.fallbacks) == (("x", "y"), (Fallback("o", "m2"),))
    assert (model.max_output_tokens, model.context_window) == (10, 20)
    assert model.price is not None
    assert (model.price.multiplier, model.price.source) == (2, "config")


def test_the_upstreams_dialect_holds_where_the_model_has_no_type() -> None:
    [one, two], _, _ = read(
        {"id": "gpt-4.1", "upstream": "o"}, {"id": "b"}, routes=(Route("*", "a"),)
    )
    assert (one.dialect, two.dialect) == (Dialect.OPENAI, Dialect.ANTHROPIC)
    assert two.upstream is None


def test_a_limit_of_output_follows_the_model_that_really_answers() -> None:
    [model], _, _ = read({"id": "friendly", "upstream": "o", "upstreamModel": "gpt-4o"})
    assert (model.max_output_tokens, model.context_window) == (16_384, 128_000)


@pytest.mark.parametrize("multiplier", [0, -1, 1001, "2", True])
def test_unusable_multipliers(multiplier: Any) -> None:
    _, faults, _ = read({"id": "m", "upstream": "a", "billingMultiplier": multiplier})
    assert faults == ["models[0].billingMultiplier"]


def test_names_are_taken_once() -> None:
    _, faults, _ = read(
        {"id": "m", "upstream": "a", "aliases": ["x"]},
        {"id": "x", "upstream": "a"},
        {"id": "n", "upstream": "a", "aliases": ["m"]},
        {"id": "m", "upstream": "a"},
        {"id": "s", "upstream": "a", "aliases": ["s"]},
    )
    assert faults == ["models[1].id", "models[2].aliases", "models[3].id", "models[4].aliases"]


def test_routes() -> None:
    faults = Faults({})
    reader = ModelReader(UPSTREAMS, PRICES)
    fields = {"routes": [{"match": "x*", "upstream": "o"}, {"match": "*", "upstream": "troll"}]}
    assert reader.routes(Section(fields, "", faults)) == (Route("x*", "o"), Route("*", "troll"))
    assert reader.routes(Section({}, "", faults)) is None
    assert reader.notes == ["routes[1].upstream: `troll` has no address; set TROLL_TARGET_SERVER"]
    assert faults.found == []
