from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.catalog.loading import load_catalog, load_catalog_file
from shared.domain.catalog import Catalog, Dialect
from shared.domain.pricing import cost_nano
from shared.domain.usage import Usage
from shared.errors import ConfigError
from shared.settings import Settings

D = Decimal
PRICING = {"input": 1, "output": 2}
PROJECT = Path(__file__).resolve().parents[3]

SEED = """
{
  "port": 8080,
  "models": [
    {
      "id": "claude-sonnet-4-20250514",
      "type": "anthropic",
      "upstream": "main",
      "pricing": {
        "input": 3.0,
        "output": 15.0,
        "cacheWrite": 3.75,
        "cacheHit": 0.30
      },
      "billingMultiplier": 1.05
    }
  ]
}
"""


def load(
    settings: Settings, environment: Mapping[str, str] | None = None, **config: Any
) -> Catalog:
    return load_catalog(json.dumps(config), settings, environment or {})


def faults(settings: Settings, text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load_catalog(text, settings, {})
    return {fault.path: fault.message for fault in caught.value.faults}


def test_the_owners_file_loads_unchanged(settings: Settings) -> None:
    catalog = load_catalog(SEED, settings, {})
    target = catalog.resolve("claude-sonnet-4-20250514")
    assert target is not None
    assert catalog.port == 8080
    assert catalog.notes == ()
    assert (target.upstream.name, target.upstream.host) == ("main", "api.example.com")
    assert target.model.dialect is Dialect.ANTHROPIC
    assert target.model.listed
    price = target.model.price
    assert price is not None
    assert price.base.cache_write_1h == 6
    assert cost_nano(Usage(input=1000, output=500, cache_hit=100), price) == 11_056_500


def test_the_owners_file_loads_before_addresses_are_set(tmp_path: Path) -> None:
    catalog = load_catalog(SEED, Settings(home=tmp_path, config_path=tmp_path), {})
    assert catalog.resolve("claude-sonnet-4-20250514") is None
    assert catalog.notes == ("models[0].upstream: `main` has no address; set MAIN_TARGET_SERVER",)


def test_the_example_loads_without_any_setting(tmp_path: Path) -> None:
    text = (PROJECT / "config.example.json").read_text()
    catalog = load_catalog(text, Settings(home=tmp_path, config_path=tmp_path), {})
    assert [note.partition(":")[0] for note in catalog.notes] == [
        "upstreams.openhands.apiKey",
        "upstreams.main.apiKey",
        "upstreams.troll.requireProxy",
        "upstreams.troll.apiKey",
    ]
    assert [rule.find for rule in catalog.filter_spec.rules] == [
        "Claude Code",
        "Droid",
        "sys[a-z]+ prompt",
    ]
    for name, upstream in (
        ("claude-sonnet-4-20250514", "main"),
        ("claude-sonnet-4", "main"),
        ("claude-sonnet-4-5", "main"),
        ("gpt-4.1-mini", "openhands"),
        ("claude-3-5-haiku-20241022", "openhands"),
        ("claude-opus-4-1", "troll"),
    ):
        target = catalog.resolve(name)
        assert target is not None
        assert target.upstream.name == upstream
        assert target.model.price is not None


@pytest.mark.parametrize(
    ("config", "noted"),
    [
        ({}, []),
        ({"upstreams": {"openhands": {"timeouts": {"idle": 5}}}}, ["openhands"]),
        ({"routes": [{"match": "*", "upstream": "openhands"}]}, ["openhands"]),
        ({"routes": [{"match": "*", "upstream": "main"}]}, []),
        ({"models": [{"id": "m", "pricing": PRICING, "upstream": "main"}]}, []),
        ({"models": [{"id": "m", "pricing": PRICING, "upstream": "openhands"}]}, ["openhands"]),
        ({"models": [{"id": "m", "pricing": PRICING}]}, ["troll"]),
        ({"models": [{"id": "claude-3-5-x", "pricing": PRICING}]}, ["openhands"]),
    ],
)
def test_upstreams_that_can_only_answer_503_are_noted_where_they_are_used(
    settings: Settings, config: dict[str, Any], noted: list[str]
) -> None:
    # `main` serves; `openhands` has no key, `troll` no proxy.
    notes = load(settings, **config).notes
    assert [note.split(".")[1] for note in notes] == noted


def test_without_a_file_settings_and_price_data_suffice(settings: Settings) -> None:
    catalog = load_catalog(None, settings, {})
    assert catalog.upstreams.keys() == {"main", "openhands", "troll"}
    assert not any(model.listed for model in catalog.models.values())
    placed = {
        "claude-sonnet-4-20250514": "main",
        "claude-sonnet-4-6": "main",
        "claude-3-5-haiku-20241022": "openhands",
        "claude-haiku-4-5-20251001": "troll",
        "gpt-4.1-mini": "troll",
    }
    for name, upstream in placed.items():
        target = catalog.resolve(name)
        assert target is not None
        assert target.upstream.name == upstream
        assert target.model.upstream_model == name
        assert target.model.dialect is target.upstream.dialect


def test_what_no_route_may_send_to_troll_goes_elsewhere(settings: Settings) -> None:
    catalog = load_catalog(None, replace(settings, troll_target_server=None), {})
    for name, upstream in (("claude-opus-4-1", "main"), ("gpt-4.1-mini", "openhands")):
        target = catalog.resolve(name)
        assert target is not None
        assert target.upstream.name == upstream


@pytest.mark.parametrize(
    "name",
    [
        "",
        "made-up",
        "*",
        "claude-*",
        "claude-haiku-4-5-made-up",
        "claude-haiku-4-5-20259901",
        "claude-haiku-4-5-2025-1001",
        "gpt-4.1-mini-2099-01-01",
        "CLAUDE-HAIKU-4-5",
        "https://evil/",
        "../claude-haiku-4-5",
        "$gt",
        "claude-haiku-4-5\r\n",
        "tts-1",
        "gpt-image-1",
        "text-embedding-3-small",
    ],
)
def test_made_up_names_are_unknown_whatever_the_routes_say(settings: Settings, name: str) -> None:
    routes = [{"match": "*", "upstream": "main"}]
    assert load(settings, routes=routes).resolve(name) is None


def test_exact_id_then_alias_then_route(settings: Settings) -> None:
    catalog = load(
        settings,
        upstreams={"one": {"dialect": "openai", "baseUrl": "http://one"}},
        routes=[{"match": "b*", "upstream": "one"}, {"match": "*", "upstream": "main"}],
        models=[
            {"id": "a", "upstream": "one", "aliases": ["gpt-4.1", "c"]},
            {"id": "b", "type": "anthropic", "upstreamModel": "x/gpt-4.1-mini"},
            {"id": "B"},
        ],
    )

    def resolved(name: str) -> tuple[str, str, Dialect]:
        target = catalog.resolve(name)
        assert target is not None
        return target.model.id, target.upstream.name, target.model.dialect

    assert resolved("a") == ("a", "one", Dialect.OPENAI)
    assert resolved("c") == ("a", "one", Dialect.OPENAI)
    # An alias of config.json comes before the price data's own name.
    assert resolved("gpt-4.1") == ("a", "one", Dialect.OPENAI)
    # The model's own type comes before the upstream's dialect.
    assert resolved("b") == ("b", "one", Dialect.ANTHROPIC)
    assert resolved("B") == ("B", "main", Dialect.ANTHROPIC)
    assert catalog.models["b"].upstream_model == "x/gpt-4.1-mini"


def test_a_model_of_config_json_replaces_that_of_the_price_data(settings: Settings) -> None:
    pricing = {"input": 1, "output": 2}
    model = {"id": "claude-haiku-4-5", "upstream": "main", "pricing": pricing}
    catalog = load(settings, models=[model])
    assert catalog.models["claude-haiku-4-5"].listed
    price = catalog.models["claude-haiku-4-5"].price
    assert price is not None
    assert price.base.output == 2
    # Its snapshots would have the price data's price, which the operator has overruled.
    assert catalog.resolve("claude-haiku-4-5-20251001") is None


def test_prices_from_the_price_data(settings: Settings) -> None:
    catalog = load(
        settings,
        models=[
            {"id": "claude-sonnet-4-5-20250929", "upstream": "main", "billingMultiplier": 1.5},
            {"id": "mine", "upstream": "openhands", "upstreamModel": "openai/gpt-4.1-mini"},
            {"id": "none", "upstream": "main"},
        ],
    )
    sonnet, mine, none = (catalog.models[n] for n in ("claude-sonnet-4-5-20250929", "mine", "none"))
    assert sonnet.price is not None
    assert sonnet.price.base.input == 3
    assert sonnet.price.tiers[0].above_input_tokens == 200_000
    assert sonnet.price.multiplier == D("1.5")
    assert sonnet.price.source.startswith("genai-prices ")
    assert mine.price is not None
    assert mine.price.base.output == D("1.6")
    assert (mine.context_window, mine.max_output_tokens) == (1_000_000, 32_768)
    assert none.price is None
    assert (none.context_window, none.max_output_tokens) == (200_000, 64_000)
    assert any(note.startswith("models[2]: no price") for note in catalog.notes)


def test_prices_are_those_of_the_day(settings: Settings) -> None:
    def output_price(day: datetime) -> Decimal:
        catalog = load_catalog(None, settings, {}, lambda: day)
        price = catalog.models["o3"].price
        assert price is not None
        return price.base.output

    assert output_price(datetime(2025, 6, 9, tzinfo=UTC)) == 40
    assert output_price(datetime(2025, 6, 10, tzinfo=UTC)) == 8


def test_every_fault_is_told_with_its_path(settings: Settings) -> None:
    text = """
    {
      "prot": 1, "port": 0, "port": "8080",
      "upstreams": {
        "a": {"dialect": "soap", "baseUrl": "ftp://x", "keyPol": "a"},
        "b": 5,
        "c": {"dialect": "openai", "baseUrl": "https://x", "apiKey": "sk-literal"},
        "d": {"dialect": "openai", "baseUrl": "https://x", "apiKey": "${NOT_SET}",
              "timeouts": {"connect": 0, "fristByte": 1}},
        "e": {"dialect": "openai"}
      },
      "routes": [{"match": "*", "upstream": "nowhere"}, {"upstream": "main"}, "x"],
      "models": [
        {"id": "m", "upstream": "main", "pricing": {"input": -1, "output": "2", "cacheHti": 1}},
        {"id": "m", "upstream": "nowhere", "type": "soap", "aliases": "x"},
        {"id": 5, "upstream": "main", "billingMultiplier": 0},
        {"id": "n", "upstream": "main", "maxOutputTokens": 0, "contextWindow": 1.5,
         "fallbacks": [{"upstream": "main"}], "billingMultiplier": true},
        {"id": "t", "upstream": "main",
         "pricing": {"input": 1, "output": 2, "tiers": [{"input": 1, "output": 2}]}}
      ],
      "contentFilter": {"thinking": "hide",
                        "replace": [{"find": "(", "regex": true, "with": 1}, {}]}
    }
    """
    found = faults(settings, text)
    assert found.keys() == {
        "prot",
        "port",
        "upstreams.a.dialect",
        "upstreams.a.baseUrl",
        "upstreams.a.keyPol",
        "upstreams.b",
        "upstreams.c.apiKey",
        "upstreams.d.apiKey",
        "upstreams.d.timeouts.connect",
        "upstreams.d.timeouts.fristByte",
        "upstreams.e.baseUrl",
        "routes[0].upstream",
        "routes[1].match",
        "routes[2]",
        "models[0].pricing.input",
        "models[0].pricing.output",
        "models[0].pricing.cacheHti",
        "models[1].id",
        "models[1].upstream",
        "models[1].type",
        "models[1].aliases",
        "models[2].id",
        "models[2].billingMultiplier",
        "models[3].maxOutputTokens",
        "models[3].contextWindow",
        "models[3].fallbacks[0].model",
        "models[3].billingMultiplier",
        "models[4].pricing.tiers[0].aboveInputTokens",
        "contentFilter.thinking",
        "contentFilter.replace[0].find",
        "contentFilter.replace[0].with",
        "contentFilter.replace[1].find",
        "contentFilter.replace[1].with",
    }
    assert found["prot"] == "unknown key; did you mean `port`?"
    assert "environment" in found["upstreams.c.apiKey"]
    assert "sk-literal" not in str(found)
    assert found["upstreams.d.apiKey"] == "the environment variable NOT_SET is not set"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "line 1, column 1"),
        ('{"port" 1}', "line 1, column 9"),
        ('{\n "port": 1\n "x"', "line 3, column 2"),
        ("[]", "config.json"),
        ('{"port": NaN}', "config.json"),
        ("[" * 100_000, "config.json"),
        ('{"port": 1, "port": 2}', "port"),
        ('{"models": {}}', "models"),
        ('{"models": [{"id": "m", "upstream": "main", "pricing": 5}]}', "models[0].pricing"),
        (
            '{"models": [{"id": "m", "upstream": "main", "pricing": null}]}',
            "models[0].pricing.input",
        ),
        ('{"routes": [], "models": [{"id": "m"}]}', "models[0].upstream"),
        (
            '{"models": [{"id": "m", "upstream": "main"},'
            ' {"id": "n", "upstream": "main", "aliases": ["m"]}]}',
            "models[1].aliases",
        ),
        (
            '{"models": [{"id": "m", "upstream": "main", "pricing": {"input": 1e7, "output": 1}}]}',
            "models[0].pricing",
        ),
    ],
)
def test_single_faults(settings: Settings, text: str, path: str) -> None:
    assert path in faults(settings, text)


def test_prices_never_pass_through_a_float(settings: Settings) -> None:
    text = SEED.replace("15.0", "15.000000000001")
    price = load_catalog(text, settings, {}).models["claude-sonnet-4-20250514"].price
    assert price is not None
    assert price.base.output == D("15.000000000001")
    assert price.multiplier == D("1.05")


def test_files(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    assert load_catalog_file(path, settings, {}).port is None
    path.write_text(SEED)
    assert load_catalog_file(path, settings, {}).port == 8080
    path.write_bytes(b'{"port": "\xff"}')
    with pytest.raises(ConfigError, match="UTF-8"):
        load_catalog_file(path, settings, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_catalog_file(tmp_path, settings, {})


def test_secrets_do_not_show(settings: Settings) -> None:
    config = {"one": {"dialect": "openai", "baseUrl": "http://one", "apiKey": "${ONE}"}}
    catalog = load(settings, {"ONE": "sk-one-canary"}, upstreams=config)
    assert catalog.upstreams["one"].api_key == "sk-one-canary"
    assert "canary" not in repr(catalog)
